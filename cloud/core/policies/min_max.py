"""Minimum and maximum, (s, S): at the one, order up to the other."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from cloud.core.policies.base import Decision, Terms, enough, order_up_to, reason_to_wait, told
from cloud.core.stock import Stock


@dataclass(frozen=True, kw_only=True)
class MinMax:
    name: ClassVar[str] = "min_max"
    version: ClassVar[int] = 1

    reorder_point: int
    order_up_to: int

    def __post_init__(self) -> None:
        assert 0 <= self.reorder_point < self.order_up_to, "the maximum lies above the minimum"

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:  # noqa: ARG002 - the promise
        if wait := reason_to_wait(stock, terms):
            return wait
        if not terms.is_low(stock.position, self.reorder_point):
            return enough(stock, self.reorder_point)
        why = f"{told(stock)}, minimum {self.reorder_point:,}, up to {self.order_up_to:,}"
        return order_up_to(self.order_up_to, stock, terms, why)
