"""What an hour of readings came to, per sensor: for charts of weeks, and for long after.

Ingest says, in the transaction of the readings themselves, which hours of which sensors it
touched. Whoever keeps the store computes those again, whole, from the readings that are there: so
late, repeated and corrected readings repair the past, and order of arrival cannot matter.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

import psycopg

from cloud.postgres import arrays

_ONLY_ONE = 0x726F6C6C757073  # "rollups" in ASCII: any number, as long as it is always the same

_MARK = (
    "INSERT INTO rollups_due (hour, sensor_ids)"
    " SELECT timestamptz 'epoch' + number * interval '1 hour', ids::int[]"
    "  FROM unnest(%s::bigint[], %s::text[]) AS t(number, ids)"
)
_COUNT = "SELECT count(DISTINCT hour) FROM rollups_due WHERE hour < %s"
# Newest first: a month that somebody catches up on does not hold up today.
_NEXT = "SELECT max(hour) FROM rollups_due WHERE hour < %s"
_TAKE = (
    "WITH taken AS (DELETE FROM rollups_due WHERE hour = %s RETURNING sensor_ids)"
    " SELECT array_agg(DISTINCT id) FROM taken, unnest(sensor_ids) AS id"
)
_IS_WHOLE = "SELECT from_at <= %s FROM readings_kept"
_FORGET = "DELETE FROM rollups WHERE hour = %(hour)s AND sensor_id = ANY(%(ids)s)"

# When a bin was heard of is part of its days (see `bin_days`), in either store.
_MARK_DAYS = """
INSERT INTO bin_days_due SELECT DISTINCT bin_id, %(hour)s::timestamptz FROM sensors
 WHERE sensor_id = ANY(%(ids)s) AND bin_id IS NOT NULL
"""

_MEASURED = """
    SELECT sensor_id, measured_at AS at, stream_no, seq, weight_mg, total, condition FROM readings
     WHERE sensor_id = ANY(%(ids)s) AND corrected_at IS NULL
       AND measured_at >= %(hour)s AND measured_at < %(hour)s + interval '1 hour'
"""
_CORRECTED = """
    SELECT sensor_id, corrected_at AS at, stream_no, seq, weight_mg, total, condition FROM readings
     WHERE sensor_id = ANY(%(ids)s)
       AND corrected_at >= %(hour)s AND corrected_at < %(hour)s + interval '1 hour'
"""


def _compute(readings: str) -> str:
    return f"""
INSERT INTO rollups (sensor_id, hour, readings, conditions, heard_first_at, heard_last_at, weights,
                     first_at, first_weight_mg, last_at, last_weight_mg, min_weight_mg,
                     max_weight_mg, sum_weight_mg, last_total)
SELECT sensor_id, %(hour)s, count(*), count(condition), min(at), max(at), count(weight_mg),
       min(at) FILTER (WHERE weight_mg IS NOT NULL),
       (array_agg(weight_mg ORDER BY at, stream_no, seq) FILTER (WHERE weight_mg IS NOT NULL))[1],
       max(at) FILTER (WHERE weight_mg IS NOT NULL),
       (array_agg(weight_mg ORDER BY at DESC, stream_no DESC, seq DESC)
            FILTER (WHERE weight_mg IS NOT NULL))[1],
       min(weight_mg), max(weight_mg), sum(weight_mg),
       (array_agg(total ORDER BY at DESC, stream_no DESC, seq DESC)
            FILTER (WHERE total IS NOT NULL))[1]
  FROM ({readings}) r
 GROUP BY sensor_id
"""  # noqa: S608 - made of the constants above


_COMPUTE = _compute(f"{_MEASURED} UNION ALL {_CORRECTED}")
_COMPUTE_CORRECTED = _compute(_CORRECTED)


def mark_due(conn: psycopg.Connection, hours: Collection[tuple[int, int]]) -> None:
    """Have these computed again once the hour is over: sensors, and hours counted from 1970."""
    by_hour: dict[int, list[int]] = defaultdict(list)
    for sensor_id, number in hours:
        by_hour[number].append(sensor_id)
    if by_hour:
        ids = [arrays.numbers(found) for found in by_hour.values()]
        conn.execute(_MARK, (arrays.numbers(by_hour), ids))


def count_due(conn: psycopg.Connection, before: datetime) -> int:
    """Hours that are due and began before."""
    return int(_value(conn, _COUNT, before))


def keep_next(
    conn: psycopg.Connection, before: datetime, *, corrected_only: bool = False
) -> int | None:
    """Compute one hour that is due and began before: for how many sensors. None: none is due.

    `corrected_only`: where the database aggregates the others itself.
    """
    with conn.transaction():
        # Two at once could each see half of what came, and the slower would write the older half.
        if not _value(conn, "SELECT pg_try_advisory_xact_lock(%s)", _ONLY_ONE):
            return None
        hour = _value(conn, _NEXT, before)
        if hour is None:
            return None
        ids = _value(conn, _TAKE, hour)
        # Of an hour whose readings are dropped in part nothing better can be said any more.
        if _value(conn, _IS_WHOLE, hour):
            what = {"hour": hour, "ids": ids}
            conn.execute(_FORGET, what)
            conn.execute(_COMPUTE_CORRECTED if corrected_only else _COMPUTE, what)
        conn.execute(_MARK_DAYS, {"hour": hour, "ids": ids})
        return len(ids)


def _value(conn: psycopg.Connection, query: str, *values: object) -> Any:  # noqa: ANN401 - one cell, of whatever type
    row = conn.execute(query, values).fetchone()
    assert row is not None
    return row[0]
