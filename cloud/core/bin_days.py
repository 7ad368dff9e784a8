"""Days of a bin: what it held, what was used, what was counted, each day for itself.

A year of days is added up in no time, where a year of movements is not. A day is one of UTC, from
midnight to midnight; of the last one there is as much as is over. Days that follow each other can
be put together again, and then say what the whole time would have said (`kpis.Lasted.then`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from cloud.core import kpis
from cloud.core.kpis import Counted, CountSums, Lasted, Since

TOLERANCE_PER_MILLE = 20  # a count within two percent of the level is a hit
USED = frozenset(("usage", "put_back"))
FILLED = frozenset(("refill", "swap"))
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One movement as far as days need it."""

    at: datetime
    kind: str
    pieces: int
    after_pieces: int


@dataclass(frozen=True, kw_only=True)
class CountedAt:
    at: datetime
    counted: Counted


@dataclass(frozen=True, kw_only=True)
class BinDay:
    day: date
    upto_at: datetime  # how far it is reckoned
    lasted: Lasted
    resumed_empty: bool  # it begins with the stock-out of a day before
    held: int | None  # at its end; None: not known
    used: int  # taken, less what was put back
    filled: int
    counts: CountSums


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def day_of(at: datetime) -> date:
    return at.astimezone(UTC).date()


def days_of(
    moved: Sequence[Moved],
    silences: Iterable[tuple[datetime, datetime]],
    counted: Sequence[CountedAt],
    first: date,
    until: datetime,
) -> list[BinDay]:
    """Every day from `first` to `until`, none before the bin was first known to hold anything.

    `moved` in order of time, with the last movement before `first`.
    """
    if not moved:
        return []
    first = max(first, day_of(moved[0].at))
    from_at = midnight(first)
    levels = [Since(at=max(from_at, one.at), pieces=one.after_pieces) for one in moved]
    known = kpis.without_silences(levels, silences, from_at)
    level_ats = [one.at for one in known]
    moved_ats = [one.at for one in moved]
    before = moved[0].after_pieces if moved[0].at < from_at else None
    days: list[BinDay] = []
    while from_at < until:
        end = min(until, from_at + _DAY)
        begun = bisect_right(level_ats, from_at)  # never none: the first level is at `first`
        today = [
            Since(at=from_at, pieces=known[begun - 1].pieces),
            *known[begun : bisect_left(level_ats, end)],
        ]
        within = moved[bisect_left(moved_ats, from_at) : bisect_left(moved_ats, end)]
        held_for = kpis.lasted(today, end)
        days.append(
            BinDay(
                day=from_at.date(),
                upto_at=end,
                lasted=held_for,
                resumed_empty=before == 0 and held_for.first_known == 0,
                held=today[-1].pieces,
                used=-sum(one.pieces for one in within if one.kind in USED),
                filled=sum(one.pieces for one in within if one.kind in FILLED),
                counts=kpis.count_sums(
                    [one.counted for one in counted if from_at <= one.at < end],
                    tolerance_per_mille=TOLERANCE_PER_MILLE,
                ),
            )
        )
        before = before if held_for.last_known is None else held_for.last_known
        from_at = end
    return days
