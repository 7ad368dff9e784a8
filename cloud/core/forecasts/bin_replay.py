"""One bin's usage met again with other limits, in whole pieces, by the rule that orders for it.

`replaying` walks a thousand items side by side with a continuous approximation of packs; this
one is for a proposal about a few bins: packs, the least that is ordered and the capacity count.

A day: what arrives is put away and serves what is owed, demand is served from what lies there, the
position is looked at. What is ordered in the evening is there after the lead time, and overnight.
Days of which nobody knows the usage are left out. The past is walked twice and counted the second
time, so that it does not matter with how much it began.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cloud.core.agreements import Prediction
from cloud.core.policies.base import Place, Terms
from cloud.core.policies.min_max import MinMax
from cloud.core.stock import Stock

DAYS_ASKED = 180
DAYS_KNOWN_MIN = 28
_MILLE = 1_000
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # the rule takes a time, and makes nothing of it
_WALKS = 2


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the past would have come to."""

    days: int
    wanted: int
    served: int
    on_hand: int  # summed over the days

    @property
    def stock(self) -> int:
        """Mean pieces, rounded."""
        return (2 * self.on_hand + self.days) // (2 * self.days) if self.days else 0


@dataclass(frozen=True, kw_only=True)
class Past:
    """What one bin has used, day by day (None: nobody knows), and how it is delivered."""

    demand: Sequence[int | None]
    lead_days: int
    terms: Terms
    before: tuple[int, int]  # minimum and order-up-to
    after: tuple[int, int]

    @property
    def known(self) -> list[int]:
        return [used for used in self.demand if used is not None]


def outcome_of(past: Past, limits: tuple[int, int]) -> Outcome:
    rule = MinMax(reorder_point=limits[0], order_up_to=limits[1])
    known = past.known
    stock, coming = limits[1], [0] * (past.lead_days + 1)
    outcome = Outcome(days=0, wanted=0, served=0, on_hand=0)
    for _ in range(_WALKS):
        wanted = served = on_hand = 0
        for used in known:
            stock += coming.pop(0)
            served += min(used, max(0, stock))
            wanted += used
            stock -= used
            on_hand += max(0, stock)
            coming.append(_ordered(rule, past.terms, stock, sum(coming)))
        outcome = Outcome(days=len(known), wanted=wanted, served=served, on_hand=on_hand)
    return outcome


def _ordered(rule: MinMax, terms: Terms, stock: int, on_order: int) -> int:
    if on_order:
        return 0  # one cycle keeps one order
    seen = Stock(
        at=_SOME_DAY,
        arrives_at=_SOME_DAY,
        covers_until=_SOME_DAY,
        on_hand=max(0, stock),
        backorders=max(0, -stock),
    )
    decision = rule.decide(seen, terms, _SOME_DAY)
    return decision.quantity if isinstance(decision, Place) else 0


def predict(pasts: Iterable[Past]) -> Prediction | None:
    """What other limits would have come to, beside the present; None: too little is known of all.

    A bin of which less than four weeks are known is counted as unknown, and left out.
    """
    pasts = list(pasts)
    known = [past for past in pasts if len(past.known) >= DAYS_KNOWN_MIN]
    if not known:
        return None
    before = [outcome_of(past, past.before) for past in known]
    after = [outcome_of(past, past.after) for past in known]
    return Prediction(
        days=min(one.days for one in after),
        bins=len(known),
        bins_unknown=len(pasts) - len(known),
        fill_per_mille=_fill(after),
        stock=sum(one.stock for one in after),
        before_fill_per_mille=_fill(before),
        before_stock=sum(one.stock for one in before),
    )


def _fill(outcomes: Iterable[Outcome]) -> int | None:
    """Rounded down: all of it is said only of all."""
    outcomes = list(outcomes)
    wanted = sum(one.wanted for one in outcomes)
    return _MILLE * sum(one.served for one in outcomes) // wanted if wanted else None
