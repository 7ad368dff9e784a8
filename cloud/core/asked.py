"""What KPIs are asked of: which time, by what, whose."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from cloud.core.bin_days import day_of, midnight
from cloud.core.periods import Period, monday_of, next_month

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_TICK = timedelta(microseconds=1)


class Group(StrEnum):
    SITE = "site"
    ITEM = "item"
    SUPPLIER = "supplier"
    AGREEMENT = "agreement"  # a site and a supplier
    MONTH = "month"
    WEEK = "week"

    @property
    def period(self) -> Period | None:
        """None: of a group the whole time is one."""
        match self:
            case Group.MONTH:
                return Period.MONTH
            case Group.WEEK:
                return Period.WEEK
            case _:
                return None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Of which time, by what, of whom."""

    from_at: datetime
    to_at: datetime
    group: Group = Group.SITE
    supplier_id: int | None = None  # None: all of them
    supplier_prices: bool = False  # stock is worth what its supplier asks, and both sides see it

    @property
    def first(self) -> date:
        return day_of(self.from_at)

    @property
    def last(self) -> date:
        return day_of(self.to_at - _TICK)

    @property
    def mondays(self) -> list[date]:
        """Of the whole weeks of the time; the day that is not over is of none."""
        first = monday_of(self.first + 6 * _DAY)
        return [first + at * _WEEK for at in range((day_of(self.to_at) - first) // _WEEK)]

    def within(self, period: Period, first: date) -> "Asked":
        """As much of one month or week as is of the time."""
        end = next_month(first) if period is Period.MONTH else first + _WEEK
        begun, over = midnight(first), midnight(end)
        return replace(self, from_at=max(begun, self.from_at), to_at=min(over, self.to_at))
