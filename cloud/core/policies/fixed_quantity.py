"""A reorder point and a fixed quantity, (s, Q) and (s, nQ)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from cloud.core.policies.base import Decision, Terms, enough, order, reason_to_wait, told
from cloud.core.stock import Stock


@dataclass(frozen=True, kw_only=True)
class FixedQuantity:
    """`multiples`: as often the quantity as it takes to be low no longer; else once."""

    name: ClassVar[str] = "fixed_quantity"
    version: ClassVar[int] = 1

    reorder_point: int
    quantity: int
    multiples: bool = True

    def __post_init__(self) -> None:
        assert self.reorder_point >= 0, "a level is not below zero"
        assert self.quantity > 0, "a quantity is something"

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:  # noqa: ARG002 - the promise
        if wait := reason_to_wait(stock, terms):
            return wait
        if not terms.is_low(stock.position, self.reorder_point):
            return enough(stock, self.reorder_point)
        times = self._times(stock.position, terms) if self.multiples else 1
        why = f"{told(stock)}, minimum {self.reorder_point:,}, {times:,} times {self.quantity:,}"
        return order(times * self.quantity, stock, terms, why)

    def _times(self, position: int, terms: Terms) -> int:
        """The least number of quantities after which the bin is no longer low."""
        missing = self.reorder_point - position + (1 if terms.at_is_low else 0)
        return max(1, -(-missing // self.quantity))
