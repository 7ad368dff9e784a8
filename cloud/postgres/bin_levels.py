"""The level of each bin, written by whoever follows it."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg

from cloud.core.followed import Doubt, Doubting
from cloud.postgres import arrays

_DAYS_MAX = 36_500.0  # what lasts a century does not run out
_SAVE = """
INSERT INTO bin_levels AS l (bin_id, pieces, sd_pieces, exact, level_at, plateau_since, unconfirmed,
                             doubts, followed_at, settles_at, zero_error_mg)
SELECT bin_id, pieces, sd_pieces, exact, level_at, plateau_since, unconfirmed, doubts, followed_at,
       settles_at, zero_error_mg
  FROM json_to_recordset(%s::json) AS t(
       bin_id int, pieces int, sd_pieces real, exact boolean, level_at timestamptz,
       plateau_since timestamptz, unconfirmed int, doubts jsonb, followed_at timestamptz,
       settles_at timestamptz, zero_error_mg bigint)
 ORDER BY bin_id
ON CONFLICT (bin_id) DO UPDATE SET
    pieces = EXCLUDED.pieces, sd_pieces = EXCLUDED.sd_pieces, exact = EXCLUDED.exact,
    level_at = EXCLUDED.level_at, plateau_since = EXCLUDED.plateau_since,
    unconfirmed = EXCLUDED.unconfirmed, doubts = EXCLUDED.doubts,
    followed_at = EXCLUDED.followed_at, settles_at = EXCLUDED.settles_at,
    zero_error_mg = EXCLUDED.zero_error_mg,
    changed_xid = CASE WHEN (l.pieces, l.exact, l.unconfirmed, l.doubts, l.zero_error_mg)
        IS DISTINCT FROM (EXCLUDED.pieces, EXCLUDED.exact, EXCLUDED.unconfirmed, EXCLUDED.doubts,
                          EXCLUDED.zero_error_mg)
        THEN pg_current_xact_id() ELSE l.changed_xid END
"""
_BEAR_OUT = """
UPDATE bin_levels l
   SET sd_pieces = t.sd_pieces, level_at = timestamptz 'epoch' + t.level_us * interval '1 us',
       plateau_since = timestamptz 'epoch' + t.plateau_us * interval '1 us',
       followed_at = timestamptz 'epoch' + t.followed_us * interval '1 us', settles_at = NULL
  FROM unnest(%s::int[], %s::real[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS t(bin_id, sd_pieces, level_us, plateau_us, followed_us)
 WHERE l.bin_id = t.bin_id
"""


class BinLevel(NamedTuple):
    bin_id: int
    pieces: int | None
    sd_pieces: float
    exact: bool
    level_at: datetime | None
    plateau_since: datetime | None
    unconfirmed: int
    doubts: tuple[Doubt, ...]
    followed_at: datetime | None
    settles_at: datetime | None
    zero_error_mg: int | None


class BorneOut(NamedTuple):
    """Of a level that is what it was, without a doubt, and waits for nothing: since 1970."""

    bin_id: int
    sd_pieces: float
    level_us: int | None
    plateau_us: int | None
    followed_us: int


def save(conn: psycopg.Connection, levels: Iterable[BinLevel]) -> None:
    """In one statement: the driver takes longer for eleven values of a row than all else does."""
    rows = [one._asdict() for one in levels]
    if rows:
        conn.execute(_SAVE, (json.dumps(rows, default=datetime.isoformat),))


def bear_out(conn: psycopg.Connection, levels: Sequence[BorneOut]) -> bool:
    """What most readings come to, and so the least that can be written of them.

    False: of some nothing was there.
    """
    if not levels:
        return True
    columns = map(arrays.numbers, zip(*levels, strict=True))
    return conn.execute(_BEAR_OUT, tuple(columns)).rowcount == len(levels)


def doubts_of(said: Sequence[Sequence[str]] | None) -> tuple[Doubt, ...]:
    return tuple(Doubt(Doubting(kind), because) for kind, because in said or ())


def usage_of(conn: psycopg.Connection, bin_id: int) -> tuple[float, int] | None:
    """What is used a day, and of how many days that is known; None: of none yet. See `usage`."""
    row = conn.execute(
        "SELECT usage_per_day, usage_days FROM bin_levels WHERE bin_id = %s AND usage_days > 0",
        (bin_id,),
    ).fetchone()
    return None if row is None else (float(row[0]), int(row[1]))


def runs_out_at(conn: psycopg.Connection, bin_id: int) -> datetime | None:
    """When a bin is empty, as it is used from day to day; None: nobody knows, or may not see it."""
    row = conn.execute(
        "SELECT pieces, level_at, usage_per_day FROM bin_levels WHERE bin_id = %s", (bin_id,)
    ).fetchone()
    if row is None or row[0] is None or row[1] is None or not row[2] or row[2] <= 0:
        return None
    days = min(float(row[0]) / float(row[2]), _DAYS_MAX)
    at: datetime = row[1] + timedelta(days=days)
    return at
