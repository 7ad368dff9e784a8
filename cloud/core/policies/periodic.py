"""Every so many days up to a level, (R, S): for suppliers who come on their round."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from cloud.core.policies.base import Decision, Terms, Wait, order_up_to, reason_to_wait, told
from cloud.core.stock import Stock


@dataclass(frozen=True, kw_only=True)
class Periodic:
    """Its cycle is the review, and not the time from low to full: see `review_at`."""

    name: ClassVar[str] = "periodic"
    version: ClassVar[int] = 1

    order_up_to: int
    every_days: int
    first_day: date
    zone: str = "UTC"  # a day is a day of the supplier

    def __post_init__(self) -> None:
        assert self.order_up_to > 0, "up to something"
        assert self.every_days > 0, "a round takes a day or more"

    def review_at(self, now: datetime) -> int:
        """The number of the review that holds at `now`: the stock's cycle under this policy."""
        return (self._today(now) - self.first_day).days // self.every_days + 1

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:
        if wait := reason_to_wait(stock, terms):
            return wait
        past = (self._today(now) - self.first_day).days
        if past < 0 or past % self.every_days:
            wait_days = -past if past < 0 else self.every_days - past % self.every_days
            days = "1 day" if wait_days == 1 else f"{wait_days:,} days"
            return Wait(because=f"{told(stock)}; the next review is in {days}.")
        why = f"{told(stock)}, reviewed every {self.every_days:,} d, up to {self.order_up_to:,}"
        return order_up_to(self.order_up_to, stock, terms, why)

    def _today(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.zone)).date()
