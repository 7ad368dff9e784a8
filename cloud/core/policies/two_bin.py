"""Kanban with containers: every empty one is ordered, once.

An empty signal is a container that was seen empty and not seen full since, so that a tag read
twice, or every minute, is still one. Both empty at once says that there are too few of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from cloud.core.policies.base import Ask, Decision, Terms, Wait, order, reason_to_wait
from cloud.core.stock import Stock

CYCLES_UNTIL_LOST = 3
_PERCENT = 100


@dataclass(frozen=True, kw_only=True)
class TwoBin:
    name: ClassVar[str] = "two_bin"
    version: ClassVar[int] = 1

    container: int  # pieces in one
    containers: int = 2

    def __post_init__(self) -> None:
        assert self.container > 0, "a container holds something"
        assert self.containers > 1, "one is used while the other is filled"

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:  # noqa: ARG002 - the promise
        # The containers themselves say what is covered: a second empty one is a second need, and
        # not a repeat of the first.
        if stock.doubt and (wait := reason_to_wait(stock, terms)):
            return wait
        coming = (stock.covering + stock.later) // self.container
        missing = min(stock.empty_containers, self.containers) - coming
        told = f"{stock.empty_containers:,} of {self.containers:,} empty, {coming:,} on order"
        if missing <= 0:
            ask = Ask.UNDER_DIMENSIONED if stock.empty_containers >= self.containers else None
            return Wait(because=f"{told}.", ask=ask)
        return order(missing * self.container, stock, terms, told)


def cards_needed(
    *, milli_per_day: int, replenish_days: int, safety_percent: int, container: int
) -> int:
    """Containers in the loop: D * T * (1 + a) / C, rounded up, in whole numbers."""
    needed, unit = _needed(milli_per_day, replenish_days, safety_percent)
    return -(-needed // (unit * container))


def pieces_per_bin(*, milli_per_day: int, replenish_days: int, safety_percent: int) -> int:
    """Of two bins: what one has to last for while the other is away."""
    needed, unit = _needed(milli_per_day, replenish_days, safety_percent)
    return -(-needed // unit)


def lost_cards(
    last_seen: Mapping[str, datetime], cycle: timedelta, now: datetime
) -> tuple[str, ...]:
    """Containers nobody has seen for longer than three of their rounds take."""
    return tuple(
        sorted(card for card, at in last_seen.items() if now - at > CYCLES_UNTIL_LOST * cycle)
    )


def _needed(milli_per_day: int, replenish_days: int, safety_percent: int) -> tuple[int, int]:
    return milli_per_day * replenish_days * (_PERCENT + safety_percent), 1_000 * _PERCENT
