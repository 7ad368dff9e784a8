"""The weeks that readings lie in: made ahead, made for late readings, dropped when they are old.

What no week was made for waits in a partition of its own, so nothing is ever refused for its time.
Where readings are a hypertable (`timescale`) its chunks make themselves, and only dropping is left.
"""

from datetime import datetime, timedelta

import psycopg

AHEAD = timedelta(days=28)
WEEK = timedelta(days=7)


def make_ahead(conn: psycopg.Connection, now: datetime, oldest: datetime) -> int:
    """The weeks that are soon needed, and those that readings wait for; how many moved into them.

    `oldest`: what is older is about to be dropped, and gets no week.
    """
    weeks = [now + WEEK * ahead for ahead in range(AHEAD // WEEK + 1)]
    weeks += [
        week
        for (week,) in conn.execute(
            "SELECT readings_weeks_wanted(%s, %s)", (oldest, now + AHEAD)
        ).fetchall()
    ]
    return sum(_make_week(conn, week) for week in weeks)


def drop_before(conn: psycopg.Connection, before: datetime) -> int:
    """Drop the weeks that ended before; how many there were."""
    return _number(conn, "SELECT readings_drop(%s)", before)


def _make_week(conn: psycopg.Connection, week: datetime) -> int:
    return _number(conn, "SELECT readings_make_week(%s)", week)


def _number(conn: psycopg.Connection, query: str, at: datetime) -> int:
    row = conn.execute(query, (at,)).fetchone()
    assert row is not None
    return int(row[0])
