"""Which bins wait to be followed, since when.

follow_due   by ingest, per transaction: which sensors have something new, since when
bin_follow   the same by the bin; from there bins are taken, a few at a time
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg

from cloud.postgres import arrays

DUE_ROWS_MAX = 1_000  # transactions of ingest, spread over their bins at once

_SPREAD = """
WITH taken AS (
    DELETE FROM follow_due WHERE follow_due_id IN
        (SELECT follow_due_id FROM follow_due ORDER BY follow_due_id LIMIT %s
            FOR UPDATE SKIP LOCKED)
    RETURNING sensor_ids, from_ms),
news AS (
    SELECT s.bin_id, timestamptz 'epoch' + min(t.ms) * interval '1 ms' AS from_at
      FROM taken, unnest(sensor_ids, from_ms) AS t(sensor_id, ms) JOIN sensors s USING (sensor_id)
     WHERE s.bin_id IS NOT NULL GROUP BY s.bin_id ORDER BY s.bin_id),
marked AS (
    INSERT INTO bin_follow AS b (bin_id, from_at) SELECT bin_id, from_at FROM news
        ON CONFLICT (bin_id) DO UPDATE SET from_at = least(b.from_at, EXCLUDED.from_at)
    RETURNING 1)
SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM marked)
"""
_MARK_SETTLING = """
INSERT INTO bin_follow SELECT bin_id, NULL FROM bin_levels WHERE settles_at <= %s ORDER BY bin_id
    ON CONFLICT DO NOTHING
"""
_TAKE = """
DELETE FROM bin_follow WHERE bin_id IN
    (SELECT bin_id FROM bin_follow WHERE bin_id <> ALL(%s)
      ORDER BY from_at < %s NULLS FIRST, CASE WHEN from_at >= %s THEN from_at END, from_at DESC,
            bin_id LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING bin_id, from_at
"""
# From the last reading before them that is not theirs: what they said lies after it.
_WITHOUT_REFUSED = """
WITH refused AS (
    SELECT s.bin_id, s.sensor_id, min(least(r.measured_at, r.corrected_at)) AS first_at
      FROM streams st JOIN sensors s USING (gateway_id)
      JOIN readings r ON r.sensor_id = s.sensor_id AND r.stream_no = st.stream_no
     WHERE st.gateway_id = %(gateway_id)s AND st.stream = ANY(%(streams)s) AND s.bin_id IS NOT NULL
     GROUP BY s.bin_id, s.sensor_id),
since AS (
    SELECT bin_id, min(coalesce((
        SELECT max(r.measured_at) FROM readings r JOIN streams st USING (stream_no)
         WHERE r.sensor_id = refused.sensor_id AND r.measured_at < first_at AND NOT st.refused),
        first_at)) AS from_at
      FROM refused GROUP BY bin_id),
doubted AS (
    UPDATE bin_tracks t SET version = version + 1 FROM since WHERE t.bin_id = since.bin_id)
INSERT INTO bin_follow AS b (bin_id, from_at) SELECT bin_id, from_at FROM since ORDER BY bin_id
    ON CONFLICT (bin_id) DO UPDATE SET from_at = least(b.from_at, EXCLUDED.from_at)
"""


class Due(NamedTuple):
    bin_id: int
    from_at: datetime | None  # the earliest news; None: nothing new was read


def mark_due(conn: psycopg.Connection, earliest_ms: Mapping[int, int]) -> None:
    """By ingest: these sensors have something new from these times on."""
    if earliest_ms:
        conn.execute(
            "INSERT INTO follow_due (sensor_ids, from_ms) VALUES (%s::int[], %s::bigint[])",
            (arrays.numbers(earliest_ms), arrays.numbers(earliest_ms.values())),
        )


def spread(conn: psycopg.Connection) -> int:
    """Say by the bin what ingest said by the sensor; how many transactions of it were read."""
    row = conn.execute(_SPREAD, (DUE_ROWS_MAX,)).fetchone()
    assert row is not None
    return int(row[0])


def without_refused(conn: psycopg.Connection, gateway_id: int, streams: Collection[UUID]) -> None:
    """Follow again what these streams said something of, without what they said."""
    conn.execute(_WITHOUT_REFUSED, {"gateway_id": gateway_id, "streams": list(streams)})


def mark_settling(conn: psycopg.Connection, now: datetime) -> None:
    conn.execute(_MARK_SETTLING, (now,))


def take(conn: psycopg.Connection, limit: int, but: Sequence[int], recent: datetime) -> list[Due]:
    """Bins to follow: a month of backlog does not hold up the present.

    What is news since `recent` in the order of its time, or who waited longest would wait on as
    long as something newer comes; after it what is older, the freshest first.
    """
    rows = conn.execute(_TAKE, (list(but), recent, recent, limit)).fetchall()
    return sorted(Due(*row) for row in rows)


def give_back(conn: psycopg.Connection, due: Sequence[Due]) -> None:
    if not due:
        return
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO bin_follow AS b VALUES (%s, %s) ON CONFLICT (bin_id)"
            " DO UPDATE SET from_at = least(b.from_at, EXCLUDED.from_at)",
            list(due),
        )
