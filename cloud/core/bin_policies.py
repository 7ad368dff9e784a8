"""How one bin is ordered for: its policy, terms and calendar, and the question put to them.

What was never said has a default that orders as ever: at the minimum, in whole packs, up to the
capacity. A lead time that nobody named is a week: it decides no quantity, only when an order that
does not come is called overdue.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud.core.breaches import Limits
from cloud.core.calendars import EVERY_DAY, Calendar, LeadKind, chance_at, covers_until
from cloud.core.evidence import decided
from cloud.core.plain import Plain, canonical
from cloud.core.policies.base import Decision, Policy, Rounding, Terms
from cloud.core.policies.registry import policy_of
from cloud.core.stock import OpenLine, stock_of

LEAD_DAYS_UNSAID = 7
GRACE_UNSAID = timedelta(hours=24)
USAGE_WINDOW = timedelta(days=28)
_NUMBERS_OF_A_DECISION = ("because", "rush")


@dataclass(frozen=True, kw_only=True)
class BinPolicy:
    """What is set for one bin, with what its supplier says where the bin says nothing."""

    name: str = "min_max"
    version: int = 1
    quantity: int | None = None  # of a fixed quantity
    rounding: Rounding = Rounding.DOWN_TO_CAPACITY
    minimum_order: int = 1
    grace: timedelta = GRACE_UNSAID
    order_up_to: int | None = None  # None: what the bin can hold
    calendar: Calendar


@dataclass(frozen=True, kw_only=True)
class Used:
    """What was taken from a bin, and over how long that is known."""

    pieces: int
    over: timedelta


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of a bin when it is decided on."""

    pieces: int
    cycle: int
    lines: tuple[OpenLine, ...] = ()
    orders_in_cycle: int = 0
    unbooked: int = 0  # came onto the scale since they were ordered
    used: Used | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    decision: Decision
    inputs: Plain  # lets it be made again, see `core.evidence`
    expected_at: datetime  # when an order placed now would arrive

    @property
    def sameness(self) -> str:
        """The same as long as the rules say the same for the same reason, whatever the count."""
        body = self.inputs
        assert isinstance(body, dict)
        stock, decision = body["stock"], body["decision"]
        assert isinstance(stock, dict)
        assert isinstance(decision, dict)
        kept = {
            "policy": body["policy"],
            "terms": body["terms"],
            "cycle": stock["cycle"],
            "live": stock["live_in_cycle"],
            "later": stock["later"] != 0,
            "overdue": stock["overdue"] != 0,
            "decision": {
                key: value for key, value in decision.items() if key not in _NUMBERS_OF_A_DECISION
            },
        }
        return hashlib.sha256(canonical(kept).encode("ascii")).hexdigest()


def plain_calendar(zone: str, lead_days: int = LEAD_DAYS_UNSAID) -> Calendar:
    """Of a supplier that has said nothing of its days: every one is as good as another."""
    return Calendar(
        zone=zone,
        order_days=EVERY_DAY,
        working_days=EVERY_DAY,
        delivery_days=EVERY_DAY,
        lead_kind=LeadKind.CALENDAR,
        lead_days=lead_days,
    )


def policy_for(settings: BinPolicy, limits: Limits) -> Policy:
    parameters: dict[str, Plain] = {"reorder_point": limits.minimum}
    if settings.quantity is None:
        parameters["order_up_to"] = settings.order_up_to or limits.capacity
    else:
        parameters |= {"quantity": settings.quantity, "multiples": True}
    return policy_of(settings.name, settings.version, parameters)


def ask(settings: BinPolicy, limits: Limits, pack: int, seen: Seen, now: datetime) -> Answer:
    """What the policy says of the bin at `now`, and everything it says so on.

    Raises `CalendarNeverOpens` where the supplier never takes an order.
    """
    arrives_at = chance_at(settings.calendar, now).arrives_at
    stock = stock_of(
        now=now,
        arrives_at=arrives_at,
        covers_until=covers_until(settings.calendar, now),
        grace=settings.grace,
        on_hand=seen.pieces,
        lines=seen.lines,
        unbooked=seen.unbooked,
        expected_usage=expected_usage(seen.used, arrives_at - now),
        cycle=seen.cycle,
        orders_in_cycle=seen.orders_in_cycle,
    )
    terms = Terms(
        pack=pack,
        minimum_order=settings.minimum_order,
        capacity=limits.capacity,
        rounding=settings.rounding,
    )
    decision, inputs = decided(policy_for(settings, limits), stock, terms, now)
    return Answer(decision=decision, inputs=inputs, expected_at=arrives_at)


def expected_usage(used: Used | None, ahead: timedelta) -> int:
    """As it was used lately, rounded up, in whole numbers: the same for ever."""
    if used is None or used.pieces <= 0:
        return 0
    over_s = max(1, int(used.over.total_seconds()))
    return -(-used.pieces * max(0, int(ahead.total_seconds())) // over_s)
