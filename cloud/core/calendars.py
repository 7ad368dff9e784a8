"""When a supplier can be ordered from, and when what is ordered arrives.

All days are days in the supplier's zone. The order day is today when it is an order day, no
holiday, and not past the cut-off; else the next such day. The lead time follows, in working or in
calendar days; then the first day on which the supplier delivers.

Holidays are dates, and whoever keeps the calendar adds them. Each change is a new version, and an
order remembers the version it was reckoned with.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from cloud.core.refusals import CalendarNeverOpens

DAYS_SEARCHED = 800  # no supplier rests for two years; a calendar that says so is a mistake
CHANCES_COMPARED = 7  # a week of them, where every day is one
_DAY = timedelta(days=1)
MONDAY_TO_FRIDAY = (0, 1, 2, 3, 4)
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


class LeadKind(StrEnum):
    WORKING = "working"
    CALENDAR = "calendar"


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Weekdays are numbers from Monday, 0. On a `closed` day the customer takes nothing."""

    zone: str
    version: int = 1
    order_days: tuple[int, ...] = MONDAY_TO_FRIDAY
    cut_off: time = time(23, 59)
    lead_days: int = 0
    lead_kind: LeadKind = LeadKind.WORKING
    working_days: tuple[int, ...] = MONDAY_TO_FRIDAY
    delivery_days: tuple[int, ...] = MONDAY_TO_FRIDAY
    delivered_by: time = time(18, 0)  # what has not come by then does not come that day
    holidays: tuple[date, ...] = ()
    closed: tuple[date, ...] = ()
    gathers: bool = False  # orders wait for each other until shortly before the cut-off

    def __post_init__(self) -> None:
        for days in (self.order_days, self.working_days, self.delivery_days):
            assert days, "a week without a single day"
            assert set(days) <= set(EVERY_DAY), "a weekday is a number from 0 to 6"
        assert self.lead_days >= 0, "nothing arrives before it was ordered"
        ZoneInfo(self.zone)  # an unknown zone is found out here


@dataclass(frozen=True, kw_only=True)
class Chance:
    """A time until which an order can be placed, and what becomes of it."""

    order_day: date
    until: datetime
    delivery_day: date
    arrives_at: datetime  # by the end of the delivery day, as far as deliveries go


def chance_at(calendar: Calendar, now: datetime) -> Chance:
    """The next chance to order: an order placed at `now` leaves with it, and arrives after it."""
    day = now.astimezone(ZoneInfo(calendar.zone)).date()
    if not _is_order_day(calendar, day) or now > _latest(calendar, day, calendar.cut_off):
        day = _first(day + _DAY, lambda day: _is_order_day(calendar, day))
    chance = _chance_on(calendar, day)
    if chance.arrives_at > now:
        return chance
    # Without a lead time, and when the deliveries of the day are over.
    later = _first(chance.delivery_day + _DAY, lambda day: _is_delivery_day(calendar, day))
    arrives_at = _latest(calendar, later, calendar.delivered_by)
    return replace(chance, delivery_day=later, arrives_at=arrives_at)


def chance_after(calendar: Calendar, chance: Chance) -> Chance:
    """The chance to order that follows `chance`."""
    day = _first(chance.order_day + _DAY, lambda day: _is_order_day(calendar, day))
    return _chance_on(calendar, day)


def covers_until(calendar: Calendar, now: datetime) -> datetime:
    """How long an order placed now has to last: until the one of the next chance arrives."""
    return chance_after(calendar, chance_at(calendar, now)).arrives_at


def protection_interval(calendar: Calendar, now: datetime) -> timedelta:
    return covers_until(calendar, now) - now


def longest_protection(calendar: Calendar, now: datetime) -> timedelta:
    """How long a decision not to order has to last at most, in the next chances there are.

    Taken just before an order would have left, it lasts until what is ordered at the chance after
    that has arrived: over a weekend longer than from a Tuesday.
    """
    chance, longest = chance_at(calendar, now), timedelta()
    for _ in range(CHANCES_COMPARED):
        following = chance_after(calendar, chance)
        longest = max(longest, following.arrives_at - chance.until)
        chance = following
    return longest


def _chance_on(calendar: Calendar, order_day: date) -> Chance:
    delivery_day = _delivery_day(calendar, order_day)
    return Chance(
        order_day=order_day,
        until=_latest(calendar, order_day, calendar.cut_off),
        delivery_day=delivery_day,
        arrives_at=_latest(calendar, delivery_day, calendar.delivered_by),
    )


def _delivery_day(calendar: Calendar, order_day: date) -> date:
    day = order_day
    match calendar.lead_kind:
        case LeadKind.CALENDAR:
            day += calendar.lead_days * _DAY
        case LeadKind.WORKING:
            for _ in range(calendar.lead_days):
                day = _first(day + _DAY, lambda day: _is_working_day(calendar, day))
    return _first(day, lambda day: _is_delivery_day(calendar, day))


def _is_order_day(calendar: Calendar, day: date) -> bool:
    return day.weekday() in calendar.order_days and day not in calendar.holidays


def _is_working_day(calendar: Calendar, day: date) -> bool:
    return day.weekday() in calendar.working_days and day not in calendar.holidays


def _is_delivery_day(calendar: Calendar, day: date) -> bool:
    free = day in calendar.holidays or day in calendar.closed
    return day.weekday() in calendar.delivery_days and not free


def _first(day: date, fits: Callable[[date], bool]) -> date:
    for ahead in range(DAYS_SEARCHED):
        if fits(day + ahead * _DAY):
            return day + ahead * _DAY
    raise CalendarNeverOpens


def _latest(calendar: Calendar, day: date, at: time) -> datetime:
    """The clock's time in UTC. What the clock shows twice, or never, is read as the later one."""
    zone = ZoneInfo(calendar.zone)
    return max(
        datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)
    )
