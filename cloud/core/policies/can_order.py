"""Minimum, can-order level and maximum, (s, c, S): who is nearly low joins an order that goes.

Alone it is a minimum and a maximum. `join` is asked when something else of the same supplier, site
and ownership is ordered (`cloud.core.consolidation`, `cloud.actions.place_order`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from cloud.core.policies.base import Decision, Terms, enough, order_up_to, reason_to_wait, told
from cloud.core.stock import Stock


@dataclass(frozen=True, kw_only=True)
class CanOrder:
    name: ClassVar[str] = "can_order"
    version: ClassVar[int] = 1

    reorder_point: int
    can_order: int
    order_up_to: int

    def __post_init__(self) -> None:
        assert 0 <= self.reorder_point <= self.can_order < self.order_up_to, "s <= c < S"

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:  # noqa: ARG002 - the promise
        return self._at(self.reorder_point, "minimum", stock, terms)

    def join(self, stock: Stock, terms: Terms, now: datetime) -> Decision:  # noqa: ARG002 - the promise
        """The answer when an order goes to the same place today anyway."""
        return self._at(self.can_order, "joins at", stock, terms)

    def _at(self, level: int, called: str, stock: Stock, terms: Terms) -> Decision:
        if wait := reason_to_wait(stock, terms):
            return wait
        if not terms.is_low(stock.position, level):
            return enough(stock, level)
        why = f"{told(stock)}, {called} {level:,}, up to {self.order_up_to:,}"
        return order_up_to(self.order_up_to, stock, terms, why)
