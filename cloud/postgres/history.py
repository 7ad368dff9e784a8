"""What was told of a bin over time, in pieces that a chart can draw.

Days are read from the readings, minute by minute; weeks and months from the hours they were rolled
up to, and only what is not rolled up yet from the readings. Times are as corrected.

Runs under whoever is asking (see `asking`).
"""

from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg
from psycopg.abc import Params

MINUTE, TEN_MINUTES, HOUR = timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1)
# How far back a level is looked for that holds at the beginning of a chart.
BEFORE_MAX = timedelta(days=35)


class Told(NamedTuple):
    """What was told from one time to another: some readings, and among them some weights."""

    from_at: datetime
    upto_at: datetime
    readings: int
    first_at: datetime | None
    first_weight_mg: int | None
    last_at: datetime | None
    last_weight_mg: int | None
    min_weight_mg: int | None
    max_weight_mg: int | None


class Of(NamedTuple):
    bin_id: int
    sensor_id: int


_READ = """
    SELECT at, stream, seq, weight_mg FROM portal_readings
     WHERE bin_id = %(bin_id)s AND sensor_id = %(sensor_id)s AND corrected_at IS NULL
       AND measured_at >= %(since)s AND measured_at < %(upto)s
    UNION ALL
    SELECT at, stream, seq, weight_mg FROM portal_readings
     WHERE bin_id = %(bin_id)s AND sensor_id = %(sensor_id)s
       AND corrected_at >= %(since)s AND corrected_at < %(upto)s
"""
_PIECES = f"""
SELECT min(at) AS from_at, max(at) AS upto_at, count(*) AS readings,
       min(at) FILTER (WHERE weight_mg IS NOT NULL) AS first_at,
       (array_agg(weight_mg ORDER BY at, stream, seq)
            FILTER (WHERE weight_mg IS NOT NULL))[1] AS first_weight_mg,
       max(at) FILTER (WHERE weight_mg IS NOT NULL) AS last_at,
       (array_agg(weight_mg ORDER BY at DESC, stream DESC, seq DESC)
            FILTER (WHERE weight_mg IS NOT NULL))[1] AS last_weight_mg,
       min(weight_mg) AS min_weight_mg, max(weight_mg) AS max_weight_mg
  FROM ({_READ}) r
 GROUP BY date_bin(%(piece)s, at, '2000-01-01 00:00+00')
 ORDER BY 1
"""  # noqa: S608 - made of the constants above
_HOUR_COLUMNS = (
    "SELECT heard_first_at AS from_at, heard_last_at AS upto_at, readings, first_at,"
    " first_weight_mg, last_at, last_weight_mg, min_weight_mg, max_weight_mg FROM portal_rollups"
)
# The bin is said, too: by the sensor alone every bin that may be seen was looked through (46 ms of
# 100,000, where a month of hours takes one).
_OF_HOURS = f"{_HOUR_COLUMNS} WHERE bin_id = %s AND sensor_id = %s AND hour >= %s AND hour < %s"
_HOURS = f"{_OF_HOURS} ORDER BY hour"
_BEFORE = f"{_OF_HOURS} ORDER BY hour DESC LIMIT 1"


def by_minutes(
    conn: psycopg.Connection, bin_id: int, since: datetime, upto: datetime
) -> list[Told]:
    """Oldest first, from the hour of `since` on; before it the last that is known."""
    sensor_id = _sensor_of(conn, bin_id)
    if sensor_id is None:
        return []
    since = _hour_of(since)
    of = Of(bin_id, sensor_id)
    return [*_before(conn, of, since), *_pieces(conn, of, since, upto, MINUTE)]


def by_hours(conn: psycopg.Connection, bin_id: int, since: datetime, upto: datetime) -> list[Told]:
    """Likewise, by hours as far as they are rolled up."""
    sensor_id = _sensor_of(conn, bin_id)
    if sensor_id is None:
        return []
    since = _hour_of(since)
    of = Of(bin_id, sensor_id)
    hours = _told(conn, _HOURS, (*of, since, upto))
    rest = _hour_of(hours[-1].from_at) + HOUR if hours else since
    return [
        *_before(conn, of, since),
        *hours,
        *_pieces(conn, of, rest, upto, TEN_MINUTES),
    ]


def _sensor_of(conn: psycopg.Connection, bin_id: int) -> int | None:
    # Not from `sensors`: which they are is no business of a supplier.
    row = conn.execute("SELECT sensor_id FROM bin_state WHERE bin_id = %s", (bin_id,)).fetchone()
    return None if row is None else int(row[0])


def _before(conn: psycopg.Connection, of: Of, since: datetime) -> list[Told]:
    return _told(conn, _BEFORE, (*of, since - BEFORE_MAX, since))


def _pieces(
    conn: psycopg.Connection, of: Of, since: datetime, upto: datetime, piece: timedelta
) -> list[Told]:
    where = {**of._asdict(), "since": since, "upto": upto, "piece": piece}
    return _told(conn, _PIECES, where)


def _told(conn: psycopg.Connection, query: str, values: Params) -> list[Told]:
    # Binary, because reading four times of a thousand rows as text takes longer than finding them.
    return [*map(Told._make, conn.cursor(binary=True).execute(query, values))]


def _hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
