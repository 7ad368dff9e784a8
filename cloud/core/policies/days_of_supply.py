"""Minimum and maximum in days: the rate of use makes pieces of them.

The rate is a forecast, never what last week came to. Without use there is nothing to order for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from cloud.core.policies.base import (
    Decision,
    Terms,
    Wait,
    enough,
    order_up_to,
    reason_to_wait,
    told,
)
from cloud.core.stock import Stock

_MILLI = 1_000


@dataclass(frozen=True, kw_only=True)
class DaysOfSupply:
    name: ClassVar[str] = "days_of_supply"
    version: ClassVar[int] = 1

    days_min: int
    days_max: int
    rate_milli_per_day: int  # thousandths of a piece a day

    def __post_init__(self) -> None:
        assert 0 <= self.days_min < self.days_max, "the maximum lies above the minimum"
        assert self.rate_milli_per_day >= 0, "nothing is used backwards"

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:  # noqa: ARG002 - the promise
        if wait := reason_to_wait(stock, terms):
            return wait
        if self.rate_milli_per_day == 0:
            return Wait(because=f"{told(stock)}; nothing is being used.")
        reorder_point, level = self._pieces(self.days_min), self._pieces(self.days_max)
        if not terms.is_low(stock.position, reorder_point):
            return enough(stock, reorder_point)
        why = (
            f"{told(stock)}, {self.days_min:,} days are {reorder_point:,}, "
            f"up to {self.days_max:,} days: {level:,}"
        )
        return order_up_to(level, stock, terms, why)

    def _pieces(self, days: int) -> int:
        return -(-days * self.rate_milli_per_day // _MILLI)
