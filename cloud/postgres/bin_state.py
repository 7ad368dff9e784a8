"""The present of each bin, moved by ingest in the transaction of the readings themselves.

Time of measuring decides, never order of arrival: a late reading is stored and moves nothing.
"""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from cloud.core.present import News

_NEWS = """
    SELECT * FROM unnest(
        %(bin_id)s::int[], %(sensor_id)s::int[], %(heard_at)s::timestamptz[], %(condition)s::text[],
        %(measured_at)s::timestamptz[], %(stream_no)s::int[], %(seq)s::bigint[],
        %(weight_mg)s::bigint[], %(total)s::bigint[], %(stability)s::smallint[],
        %(quality)s::smallint[], %(clock_trusted)s::bool[]
    ) AS t(bin_id, sensor_id, heard_at, condition, measured_at, stream_no, seq, weight_mg, total,
           stability, quality, clock_trusted)
"""


def _heard_newer(new: str) -> str:
    """Compares like `cloud.core.present.Heard`."""
    return (
        f"({new}.heard_at, coalesce({new}.condition, '')) > (s.heard_at, coalesce(s.condition, ''))"
    )


def _number_newer(new: str) -> str:
    """Compares like `cloud.core.present.Number`."""
    return (
        f"({new}.measured_at IS NOT NULL AND (s.measured_at IS NULL"
        f" OR ({new}.measured_at, {new}.stream_no, {new}.seq)"
        " > (s.measured_at, s.stream_no, s.seq)))"
    )


# Held first, and in this order: whoever assesses a bin holds its state before it takes it from
# `bin_due`. Were it not held here, a bin that is due already could be assessed and struck off
# after we found it on the list and before we move it, and nobody would look again.
_LOCK = "SELECT 1 FROM bin_state WHERE bin_id = ANY(%s) ORDER BY bin_id FOR NO KEY UPDATE"

# A bin found stale by whoever assesses it stays due, so the same number heard again is no reason.
_MARK_DUE = f"""
INSERT INTO bin_due (bin_id)
SELECT n.bin_id FROM ({_NEWS}) n LEFT JOIN bin_state s USING (bin_id)
 WHERE s.bin_id IS NULL
    OR ({_number_newer("n")}
        AND (s.weight_mg, s.total, s.quality, s.clock_trusted)
            IS DISTINCT FROM (n.weight_mg, n.total, n.quality, n.clock_trusted))
    OR ({_heard_newer("n")} AND s.condition IS DISTINCT FROM n.condition)
 ORDER BY n.bin_id
ON CONFLICT (bin_id) DO NOTHING
"""  # noqa: S608 - made of the constants above

_NUMBER_COLUMNS = (
    "measured_at",
    "weight_mg",
    "total",
    "stability",
    "quality",
    "clock_trusted",
    "stream_no",
    "seq",
)
_NEWER_HEARD = _heard_newer("excluded")
_NEWER_NUMBER = _number_newer("excluded")
_NUMBER_SET = ", ".join(
    f"{column} = CASE WHEN {_NEWER_NUMBER} THEN excluded.{column} ELSE s.{column} END"
    for column in _NUMBER_COLUMNS
)

_MOVE = f"""
INSERT INTO bin_state AS s (bin_id, sensor_id, heard_at, received_at, condition,
                            {", ".join(_NUMBER_COLUMNS)})
SELECT bin_id, sensor_id, heard_at, %(received_at)s, condition, {", ".join(_NUMBER_COLUMNS)}
  FROM ({_NEWS}) n ORDER BY bin_id
ON CONFLICT (bin_id) DO UPDATE SET
    changed_xid = pg_current_xact_id(),
    sensor_id = excluded.sensor_id,
    heard_at = greatest(s.heard_at, excluded.heard_at),
    received_at = CASE WHEN {_NEWER_HEARD} THEN excluded.received_at ELSE s.received_at END,
    condition = CASE WHEN {_NEWER_HEARD} THEN excluded.condition ELSE s.condition END,
    {_NUMBER_SET}
 WHERE {_NEWER_HEARD} OR {_NEWER_NUMBER}
"""  # noqa: S608 - made of the constants above


def move(conn: psycopg.Connection, news: Sequence[tuple[int, News]], received_at: datetime) -> None:
    """Take in the news of bins, and mark those due that somebody should look at."""
    if news:
        conn.execute(_LOCK, ([bin_id for bin_id, _ in news],))
        columns = _columns(news)
        conn.execute(_MARK_DUE, columns)
        conn.execute(_MOVE, {**columns, "received_at": received_at})


def _columns(news: Sequence[tuple[int, News]]) -> dict[str, list[object]]:
    numbers = [item.number for _, item in news]
    return {
        "bin_id": [bin_id for bin_id, _ in news],
        "sensor_id": [item.sensor_id for _, item in news],
        "heard_at": [item.heard.measured_at for _, item in news],
        "condition": [item.heard.condition or None for _, item in news],
        **{column: [getattr(n, column, None) for n in numbers] for column in _NUMBER_COLUMNS},
    }
