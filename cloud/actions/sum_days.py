"""Sum up days of bins that were marked: read what happened, ask the core, write days and weeks.

And say what the week that begins will use, once, before anybody knows.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import psycopg

from cloud.core import bin_days
from cloud.core.bin_days import Moved
from cloud.core.forecasts.walking import walk
from cloud.postgres import asking
from cloud.postgres import bin_days as kept
from cloud.postgres.bin_days import Due, Said, Week

BINS_AT_ONCE = 200
MARKS_AT_ONCE = 2_000  # several may be of one bin
WEEKS_LOOKED_AT = timedelta(weeks=104)
GOES_ON_AFTER = timedelta(hours=1)  # hours of readings are known when they are over
_WEEK = timedelta(days=7)


def sum_marked(conn: psycopg.Connection, now: datetime) -> int | None:
    """Some bins, in one transaction: how many there were. None: somebody else is at it."""
    with conn.transaction():
        due = kept.take(conn, BINS_AT_ONCE, MARKS_AT_ONCE)
        if not due:
            return None if due is None else 0
        asking.as_operations(conn, "binline")  # hours of readings are in a view of theirs
        _sum(conn, [Due(bin_id, _midnight(from_at, now)) for bin_id, from_at in due], now)
        return len(due)


def go_on(conn: psycopg.Connection, now: datetime) -> int:
    """Mark the bins of which nothing was heard, so that their days are not cut off."""
    return kept.mark_older(conn, now - GOES_ON_AFTER)


def _midnight(from_at: datetime, now: datetime) -> datetime:
    """The beginning of the first day that may be another now; what is yet to come is no day."""
    return bin_days.midnight(bin_days.day_of(min(from_at, now)))


def _sum(conn: psycopg.Connection, due: list[Due], now: datetime) -> None:
    moved = kept.moved(conn, due, now)
    silent: dict[int, list[tuple[datetime, datetime]]] = {}
    for one in kept.silences(conn, due, now):
        silent.setdefault(one.bin_id, []).append((one.from_at, one.upto_at))
    counted = kept.counted(conn, due, now)
    days = {
        bin_id: bin_days.days_of(
            moved.get(bin_id, ()),
            silent.get(bin_id, ()),
            counted.get(bin_id, ()),
            bin_days.day_of(from_at),
            now,
        )
        for bin_id, from_at in due
    }
    kept.forget_before(conn, _begun(due, moved))
    new = kept.keep(conn, days, kept.heard(conn, due, now))
    if new:
        kept.say(conn, _said(kept.weeks(conn, new, (now - WEEKS_LOOKED_AT).date()), now))


def _begun(due: list[Due], moved: Mapping[int, list[Moved]]) -> dict[int, date]:
    """Of bins not followed yet when the time that is looked at begins: since when they are."""
    begun = {bin_id: moved[bin_id][0].at if moved.get(bin_id) else None for bin_id, _ in due}
    return {
        bin_id: date.max if (at := begun[bin_id]) is None else bin_days.day_of(at)
        for bin_id, from_at in due
        if (first := begun[bin_id]) is None or first >= from_at
    }


def _said(weeks: list[Week], now: datetime) -> list[Said]:
    """Of every week nothing was said of yet; of past ones as it would have been said then."""
    histories = _by_bin(weeks)
    told = walk([[week.used for week in history] for history in histories])
    return [
        Said(
            week.bin_id,
            week.week,
            ahead.mean,
            ahead.square,
            now if now < bin_days.midnight(week.week) + _WEEK else None,
        )
        for history, means in zip(histories, told, strict=True)
        for week, ahead in zip(history, means, strict=True)
        if ahead is not None and not week.is_said
    ]


def _by_bin(weeks: list[Week]) -> list[list[Week]]:
    """Without holes: a week nobody has a row of was not seen."""
    histories: list[list[Week]] = []
    for week in weeks:
        if not histories or histories[-1][-1].bin_id != week.bin_id:
            histories.append([])
        history = histories[-1]
        while history and history[-1].week + _WEEK < week.week:
            history.append(Week(week.bin_id, history[-1].week + _WEEK, None, is_said=True))
        history.append(week)
    return histories
