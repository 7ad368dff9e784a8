"""The times bins are low, and how far a bin is on its way there.

The database holds that a bin has at most one breach open, and one in each cycle.
"""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from cloud.core.breaches import Breach, Dwell, Watch


@dataclass(frozen=True, kw_only=True)
class OpenBreach:
    breach_id: int
    breach: Breach


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is remembered of a bin between two looks."""

    watch: Watch
    breach_id: int | None  # of the breach that is open


_WATCH = """
SELECT w.seen_at, w.low_since, coalesce(w.low_levels, 0), br.breach_id, br.opened_at,
       br.opened_pieces, br.lowest_pieces,
       coalesce(br.cycle, (SELECT max(cycle) + 1 FROM breaches WHERE bin_id = b.bin_id), 1)
  FROM bins b
  LEFT JOIN bin_watches w ON w.bin_id = b.bin_id
  LEFT JOIN breaches br ON br.bin_id = b.bin_id AND br.closed_at IS NULL
 WHERE b.bin_id = %s
"""


def watch_of(conn: psycopg.Connection, bin_id: int) -> Watched:
    row = conn.execute(_WATCH, (bin_id,)).fetchone()
    assert row is not None, "asked for a bin that is there"
    seen_at, low_since, low_levels, breach_id, opened_at, opened, lowest, cycle = row
    breach = None
    if breach_id is not None:
        breach = Breach(opened_at=opened_at, opened_pieces=opened, lowest_pieces=lowest)
    watch = Watch(
        cycle=cycle, seen_at=seen_at, low_since=low_since, low_levels=low_levels, breach=breach
    )
    return Watched(watch=watch, breach_id=breach_id)


def save_watch(conn: psycopg.Connection, bin_id: int, watch: Watch) -> None:
    """How far the bin is on its way to low; the breach itself has a row of its own."""
    conn.execute(
        "INSERT INTO bin_watches AS w (bin_id, seen_at, low_since, low_levels)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (bin_id) DO UPDATE SET seen_at = EXCLUDED.seen_at,"
        " low_since = EXCLUDED.low_since, low_levels = EXCLUDED.low_levels",
        (bin_id, watch.seen_at, watch.low_since, watch.low_levels),
    )


def dwell_of(conn: psycopg.Connection, bin_id: int) -> Dwell:
    row = conn.execute(
        "SELECT dwell_s, dwell_levels FROM bin_policies WHERE bin_id = %s", (bin_id,)
    ).fetchone()
    return Dwell() if row is None else Dwell(seconds=row[0], levels=row[1])


def find_open(conn: psycopg.Connection, bin_id: int) -> OpenBreach | None:
    row = conn.execute(
        "SELECT breach_id, opened_at, opened_pieces, lowest_pieces"
        "  FROM breaches WHERE bin_id = %s AND closed_at IS NULL",
        (bin_id,),
    ).fetchone()
    if row is None:
        return None
    breach = Breach(opened_at=row[1], opened_pieces=row[2], lowest_pieces=row[3])
    return OpenBreach(breach_id=row[0], breach=breach)


def cycle_of(conn: psycopg.Connection, bin_id: int) -> int:
    """The number of the cycle that holds now: it goes up when a breach closes."""
    row = conn.execute(
        "SELECT coalesce(max(cycle) FILTER (WHERE closed_at IS NULL), max(cycle) + 1, 1)"
        "  FROM breaches WHERE bin_id = %s",
        (bin_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def insert(conn: psycopg.Connection, bin_id: int, breach: Breach) -> int:
    """A breach of the cycle that follows the last one."""
    row = conn.execute(
        "INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, cycle)"
        " SELECT %(bin)s, %(at)s, %(pieces)s, %(lowest)s, coalesce(max(cycle), 0) + 1"
        "   FROM breaches WHERE bin_id = %(bin)s RETURNING breach_id",
        {
            "bin": bin_id,
            "at": breach.opened_at,
            "pieces": breach.opened_pieces,
            "lowest": breach.lowest_pieces,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def save_lowest(conn: psycopg.Connection, breach_id: int, lowest_pieces: int) -> None:
    conn.execute(
        "UPDATE breaches SET lowest_pieces = %s WHERE breach_id = %s", (lowest_pieces, breach_id)
    )


def close(conn: psycopg.Connection, breach_id: int, pieces: int, at: datetime) -> None:
    conn.execute(
        "UPDATE breaches SET closed_at = %s, closed_pieces = %s WHERE breach_id = %s",
        (at, pieces, breach_id),
    )
