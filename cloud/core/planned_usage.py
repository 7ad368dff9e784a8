"""Usage that is known beforehand: a batch of production, a campaign, an overhaul.

It is planned over days of the bin's site, and laid on them evenly in whole pieces, so that an order
counts the days it has to last over and no more. Today's part counts until the day is over: what of
it was taken already is no longer on hand either, so the bin is ordered for a little early.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud.core.nouns import INT_MAX, Mistake
from cloud.core.stock import PlannedUsage

DAYS_MAX = 366
AHEAD_MAX = timedelta(days=730)
BECAUSE_CHARS_MAX = 500
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """`pieces` over the days from `from_day` to `to_day`, both of them included."""

    planned_usage_id: int = 0
    from_day: date
    to_day: date
    pieces: int
    zone: str  # of the bin's site


def entries(planned: Iterable[Planned], now: datetime) -> tuple[PlannedUsage, ...]:
    """A piece of usage per day that is not over, at the beginning of that day, or now if it began.

    The days get what makes the sum whole up to each of them, so that no piece is lost or added.
    """
    found = []
    for one in ahead(planned, now):
        zone = ZoneInfo(one.zone)
        today = now.astimezone(zone).date()
        days = (one.to_day - one.from_day).days + 1
        for number in range(days):
            day = one.from_day + number * _DAY
            pieces = one.pieces * (number + 1) // days - one.pieces * number // days
            if day < today or not pieces:
                continue
            begins = datetime.combine(day, time(), zone).astimezone(UTC)
            found.append(PlannedUsage(at=max(now, begins), pieces=pieces))
    return tuple(found)


def ahead(planned: Iterable[Planned], now: datetime) -> tuple[Planned, ...]:
    """Those that are not over."""
    return tuple(one for one in planned if one.to_day >= now.astimezone(ZoneInfo(one.zone)).date())


@dataclass(frozen=True, kw_only=True)
class Read:
    planned: Planned | None
    because: str
    mistakes: tuple[Mistake, ...]


def read(given: Mapping[str, object], zone: str, now: datetime) -> Read:
    """What somebody plans, or everything that is wrong with it. A missing last day: one day."""
    today = now.astimezone(ZoneInfo(zone)).date()
    mistakes = [
        Mistake(field=name[:80], given="", allowed="no such field")
        for name in given
        if name not in ("from_day", "to_day", "pieces", "because")
    ]
    first = _day(given, "from_day", mistakes)
    last = _day(given, "to_day", mistakes) if given.get("to_day") else first
    if first and last:
        latest = min(first + (DAYS_MAX - 1) * _DAY, today + AHEAD_MAX)
        if last < max(first, today) or last > latest:
            allowed = f"from {max(first, today)} to {latest}: not over yet, a year at most"
            mistakes.append(Mistake(field="to_day", given=str(last), allowed=allowed))
    pieces = given.get("pieces")
    if not isinstance(pieces, int) or isinstance(pieces, bool) or not 0 < pieces <= INT_MAX:
        allowed = f"a whole number, from 1 to {INT_MAX}"
        mistakes.append(Mistake(field="pieces", given=_shown(pieces), allowed=allowed))
    because = given.get("because")
    if not isinstance(because, str) or not 0 < len(because.strip()) <= BECAUSE_CHARS_MAX:
        allowed = f"a few words on what it is for, at most {BECAUSE_CHARS_MAX} characters"
        mistakes.append(Mistake(field="because", given=_shown(because), allowed=allowed))
    if mistakes:
        return Read(planned=None, because="", mistakes=tuple(mistakes))
    assert first is not None
    assert last is not None
    assert isinstance(pieces, int)
    planned = Planned(from_day=first, to_day=last, pieces=pieces, zone=zone)
    return Read(planned=planned, because=str(because).strip(), mistakes=())


def _day(given: Mapping[str, object], name: str, mistakes: list[Mistake]) -> date | None:
    text = given.get(name)
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        mistakes.append(Mistake(field=name, given=_shown(text), allowed="a day, as 2026-12-24"))
        return None


def _shown(value: object) -> str:
    return "" if value is None else str(value)[:80]
