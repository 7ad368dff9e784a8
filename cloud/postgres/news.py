"""What was read and counted of bins since they were followed last, in the order of its time."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import psycopg

from cloud.core.followed import Seen, from_us
from cloud.core.following import Counted
from cloud.postgres import arrays

_READING = (
    "stream_no, seq, weight_mg, condition, stability, quality, clock_trusted, total, code, change"
)
_NOT_REFUSED = "(refused.nos IS NULL OR stream_no <> ALL(refused.nos))"
# Each sensor from its own place on. The least time of all is said again, for weeks to be left out
# when the question is planned. What a machine said that a person then refused is not of this bin.
_SINCE = f"""
WITH refused AS MATERIALIZED (SELECT array_agg(stream_no) AS nos FROM streams WHERE refused),
since AS (
    SELECT sensor_id, timestamptz 'epoch' + us * interval '1 us' AS at, stream_no, seq
      FROM unnest(%(ids)s::int[], %(us)s::bigint[], %(streams)s::int[], %(seqs)s::bigint[])
        AS t(sensor_id, us, stream_no, seq))
SELECT r.at, {", ".join("r." + one for one in _READING.split(", "))}, t.sensor_id
  FROM refused, since t, LATERAL
"""  # noqa: S608 - made of constants
_MEASURED = f"""
SELECT measured_at AS at, {_READING} FROM readings
 WHERE sensor_id = t.sensor_id AND corrected_at IS NULL
   AND measured_at >= t.at AND measured_at >= %(least)s
   AND (measured_at, stream_no, seq) > (t.at, t.stream_no, t.seq) AND {_NOT_REFUSED}
"""  # noqa: S608 - made of constants
_CORRECTED = f"""
SELECT corrected_at, {_READING} FROM readings
 WHERE sensor_id = t.sensor_id AND corrected_at >= t.at
   AND (corrected_at, stream_no, seq) > (t.at, t.stream_no, t.seq) AND {_NOT_REFUSED}
"""  # noqa: S608 - made of constants
_IN_ORDER = "ORDER BY 1, 2, 3 LIMIT %(limit)s"
_SEEN = f"""
{_SINCE} (SELECT * FROM (({_MEASURED} {_IN_ORDER}) UNION ALL ({_CORRECTED} {_IN_ORDER})) u
          {_IN_ORDER}) r
"""  # noqa: S608 - made of constants
# Nearly always: of all weeks, which lie ahead too, one is asked, and nothing was corrected.
_NEXT_WEEK = "date_trunc('week', now() + interval '1 day', 'UTC') + interval '7 days'"
_IS_PLAIN = f"""
SELECT NOT EXISTS (SELECT FROM readings WHERE measured_at >= {_NEXT_WEEK})
   AND NOT EXISTS (SELECT FROM readings
                    WHERE sensor_id = ANY(%(ids)s::int[]) AND corrected_at >= %(least)s)
"""  # noqa: S608 - made of constants
_SEEN_PLAIN = f"{_SINCE} ({_MEASURED} AND measured_at < {_NEXT_WEEK} {_IN_ORDER}) r"
_COUNTS = """
SELECT c.bin_id, c.counted_at, c.pieces, c.because, c.kind <> 'tare'
  FROM unnest(%s::int[], %s::int[], %s::bigint[]) AS t(bin_id, item_id, us)
  JOIN counts c ON c.bin_id = t.bin_id AND c.item_id = t.item_id
   AND c.counted_at > timestamptz 'epoch' + t.us * interval '1 us'
 ORDER BY c.counted_at, c.count_id
"""


class Since(NamedTuple):
    """Of a sensor what comes after this place; of one in no stream, all of its time, too."""

    sensor_id: int
    at_us: int
    stream_no: int = -1
    seq: int = -1


def seen(conn: psycopg.Connection, since: Sequence[Since], limit: int) -> dict[int, list[Seen]]:
    """Per sensor what was read after its place, in order, at most so many."""
    found: dict[int, list[Seen]] = {one.sensor_id: [] for one in since}
    if not since:
        return found
    ids, times, streams, seqs = map(arrays.numbers, zip(*since, strict=True))
    asked = {
        "ids": ids,
        "us": times,
        "streams": streams,
        "seqs": seqs,
        "least": from_us(min(one.at_us for one in since)),
        "limit": limit,
    }
    # Binary: the times of a hundred thousand readings are slow to read as text.
    cursor = conn.cursor(binary=True)
    told = cursor.execute(_IS_PLAIN, asked).fetchone()
    is_plain = told is not None and told[0]
    rows = cursor.execute(_SEEN_PLAIN if is_plain else _SEEN, asked)
    for one in map(Seen._make, rows.fetchall()):
        found[one.sensor_id].append(one)
    return found


def counts_after(
    conn: psycopg.Connection, since: Sequence[tuple[int, int, int]]
) -> dict[int, list[Counted]]:
    """`since`: bins, their items, and from when on, in microseconds since 1970."""
    found: dict[int, list[Counted]] = {}
    if since:
        rows = conn.execute(
            _COUNTS, [arrays.numbers(column) for column in zip(*since, strict=True)]
        )
        for bin_id, *rest in rows:
            found.setdefault(bin_id, []).append(Counted(*rest))
    return found


def tares_of(conn: psycopg.Connection, bin_id: int) -> list[tuple[datetime, int]]:
    """What the empty bin weighed, and from when on."""
    return conn.execute(
        "SELECT from_at, tare_mg FROM bin_items WHERE bin_id = %s ORDER BY from_at", (bin_id,)
    ).fetchall()
