"""The calendar of a supplier, as people say it: weekdays, times and holidays to a `Calendar`.

Everything that is wrong is told at once. A calendar by which nothing could ever be ordered is
refused here, and not found out when a bin runs low.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TypeGuard
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloud.core.calendars import (
    EVERY_DAY,
    MONDAY_TO_FRIDAY,
    Calendar,
    Chance,
    LeadKind,
    chance_after,
    chance_at,
)
from cloud.core.nouns import Mistake
from cloud.core.refusals import CalendarNeverOpens

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAYS_MAX = 400
LEAD_DAYS_MAX = 730
FIELDS = (
    "zone", "order_days", "cut_off", "lead_days", "lead_kind", "working_days", "delivery_days",
    "delivered_by", "holidays", "gathers",
)  # fmt: skip
_TIME = "a time of day, as 14:00"
_DAYS = "one or more of " + ", ".join(DAY_NAMES)
_HOLIDAYS = f"days as 2026-12-24, at most {HOLIDAYS_MAX}"


@dataclass(frozen=True, kw_only=True)
class Read:
    calendar: Calendar | None  # None: something is wrong
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, kw_only=True)
class Chances:
    """What a calendar comes to, for somebody to check it by."""

    now: Chance
    then: Chance


def read(given: Mapping[str, object], now: datetime) -> Read:
    """Whole: what is left out has its default. Weekdays and holidays are lists."""
    mistakes = [
        Mistake(field=name[:80], given="", allowed="no such field")
        for name in given
        if name not in FIELDS
    ]
    zone = str(given.get("zone") or "")
    if not _is_zone(zone):
        allowed = "a time zone by its name, as Europe/Berlin"
        mistakes.append(Mistake(field="zone", given=zone[:80], allowed=allowed))
    days = {
        name: _weekdays(name, given.get(name), mistakes)
        for name in ("order_days", "working_days", "delivery_days")
    }
    cut_off = _time("cut_off", given.get("cut_off"), time(23, 59), mistakes)
    delivered_by = _time("delivered_by", given.get("delivered_by"), time(18), mistakes)
    lead_days = given.get("lead_days")
    lead_days = 0 if lead_days is None else lead_days
    whole = isinstance(lead_days, int) and not isinstance(lead_days, bool)
    if not whole or not 0 <= int(str(lead_days)) <= LEAD_DAYS_MAX:
        allowed = f"a whole number, from 0 to {LEAD_DAYS_MAX}"
        mistakes.append(Mistake(field="lead_days", given=str(lead_days)[:80], allowed=allowed))
    kind = str(given.get("lead_kind") or LeadKind.WORKING)
    kinds = [one.value for one in LeadKind]
    if kind not in kinds:
        allowed = "one of " + ", ".join(kinds)
        mistakes.append(Mistake(field="lead_kind", given=kind[:80], allowed=allowed))
    holidays = _holidays(given.get("holidays"), mistakes)
    gathers = _flag("gathers", given.get("gathers"), mistakes)
    if mistakes:
        return Read(calendar=None, mistakes=tuple(mistakes))
    calendar = Calendar(
        zone=zone,
        order_days=days["order_days"],
        working_days=days["working_days"],
        delivery_days=days["delivery_days"],
        cut_off=cut_off,
        delivered_by=delivered_by,
        lead_days=int(str(lead_days)),
        lead_kind=LeadKind(kind),
        holidays=holidays,
        gathers=gathers,
    )
    try:
        chances(calendar, now)
    except CalendarNeverOpens as refusal:
        given_days = ", ".join(DAY_NAMES[day] for day in calendar.order_days)
        wrong = Mistake(field="order_days", given=given_days, allowed=refusal.sentence)
        return Read(calendar=None, mistakes=(wrong,))
    return Read(calendar=calendar, mistakes=())


def chances(calendar: Calendar, now: datetime) -> Chances:
    """The next chance to order and the one after; raises `CalendarNeverOpens`."""
    first = chance_at(calendar, now)
    return Chances(now=first, then=chance_after(calendar, first))


def told(calendar: Calendar) -> dict[str, object]:
    """As `read` takes it."""
    return {
        "zone": calendar.zone,
        "order_days": [DAY_NAMES[day] for day in calendar.order_days],
        "cut_off": f"{calendar.cut_off:%H:%M}",
        "lead_days": calendar.lead_days,
        "lead_kind": calendar.lead_kind.value,
        "working_days": [DAY_NAMES[day] for day in calendar.working_days],
        "delivery_days": [DAY_NAMES[day] for day in calendar.delivery_days],
        "delivered_by": f"{calendar.delivered_by:%H:%M}",
        "holidays": [str(day) for day in calendar.holidays],
        "gathers": calendar.gathers,
    }


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is none
        return False
    return bool(name)


def _weekdays(name: str, value: object, mistakes: list[Mistake]) -> tuple[int, ...]:
    if value is None:
        return MONDAY_TO_FRIDAY
    days = [str(day).lower() for day in value] if _is_list(value) else ["?"]
    if not days or not set(days) <= set(DAY_NAMES):
        mistakes.append(Mistake(field=name, given=", ".join(days)[:80], allowed=_DAYS))
        return MONDAY_TO_FRIDAY
    return tuple(day for day in EVERY_DAY if DAY_NAMES[day] in days)


def _time(name: str, value: object, default: time, mistakes: list[Mistake]) -> time:
    if value is None:
        return default
    try:
        found = time.fromisoformat(str(value))
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        mistakes.append(Mistake(field=name, given=str(value)[:80], allowed=_TIME))
        return default
    return found.replace(microsecond=0)


def _flag(name: str, value: object, mistakes: list[Mistake]) -> bool:
    if value is None or isinstance(value, bool):
        return value is True
    mistakes.append(Mistake(field=name, given=str(value)[:80], allowed="yes or no"))
    return False


def _holidays(value: object, mistakes: list[Mistake]) -> tuple[date, ...]:
    if value is None:
        return ()
    days: set[date] = set()
    wrong = [] if _is_list(value) else [str(value)]
    for text in value if _is_list(value) else ():
        try:
            days.add(date.fromisoformat(str(text)))
        except ValueError:
            wrong.append(str(text))
    if wrong or len(days) > HOLIDAYS_MAX:
        shown = ", ".join(wrong)[:80] or f"{len(days)} days"
        mistakes.append(Mistake(field="holidays", given=shown, allowed=_HOLIDAYS))
    return tuple(sorted(days))


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)
