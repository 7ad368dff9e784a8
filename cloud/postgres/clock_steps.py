"""Steps of gateways' clocks, and the correction of what was stored before a step was known.

Correcting is done piece by piece, and where to go on is kept with the step: a gateway whose clock
was never set for a month would otherwise hold up everybody with one long statement.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from cloud.core.present import Place, Placed
from cloud.core.readings import Reading, Step, from_ms, to_ms
from cloud.core.times import Span, StepAt

PIECE = 5_000  # readings corrected in one transaction


class Todo(NamedTuple):
    stream_no: int
    seq: int
    from_seq: int


_TODO = (
    "SELECT c.stream_no, c.seq, c.todo_from FROM clock_steps c JOIN streams s USING (stream_no)"
    " WHERE c.todo_from IS NOT NULL ORDER BY c.stream_no, c.seq LIMIT 1"
    " FOR NO KEY UPDATE OF s SKIP LOCKED"
)
# All later steps count, whichever of them this work is for: doing it twice changes nothing.
_SUM = (
    "(SELECT sum(c.step_ms) FROM clock_steps c WHERE c.stream_no = t.stream_no AND c.seq > t.seq)"
    " * interval '1 ms'"
)
_CORRECT = f"""
WITH piece AS (
    SELECT sensor_id, measured_at, stream_no, seq FROM readings
     WHERE stream_no = %(stream_no)s AND seq >= %(from)s AND seq < %(until)s AND NOT clock_trusted),
done AS (
    UPDATE readings r SET corrected_at = t.measured_at + {_SUM}
      FROM piece t
     WHERE (r.sensor_id, r.measured_at, r.stream_no, r.seq)
         = (t.sensor_id, t.measured_at, t.stream_no, t.seq)
    RETURNING r.stream_no, r.seq, r.corrected_at),
heard AS (
    UPDATE bin_state s SET heard_at = d.corrected_at, changed_xid = pg_current_xact_id()
      FROM done d WHERE s.heard_stream_no = d.stream_no AND s.heard_seq = d.seq
                    AND NOT (s.stream_no, s.seq) IS NOT DISTINCT FROM (d.stream_no, d.seq)),
numbers AS (
    UPDATE bin_state s SET measured_at = d.corrected_at, changed_xid = pg_current_xact_id(),
           heard_at = CASE WHEN (s.heard_stream_no, s.heard_seq) IS NOT DISTINCT FROM
                                (d.stream_no, d.seq) THEN d.corrected_at ELSE s.heard_at END
      FROM done d WHERE s.stream_no = d.stream_no AND s.seq = d.seq)
SELECT count(*) FROM done
"""  # noqa: S608 - made of the constants above
# Where a piece ends: the seq after its last reading, in either table.
_UNTIL = """
SELECT seq FROM (
    (SELECT seq FROM readings
      WHERE stream_no = %(stream_no)s AND seq >= %(from)s AND seq < %(seq)s AND NOT clock_trusted
      ORDER BY seq OFFSET %(piece)s LIMIT 1)
    UNION ALL
    (SELECT seq FROM readings_aside
      WHERE stream_no = %(stream_no)s AND seq >= %(from)s AND seq < %(seq)s AND NOT clock_trusted
      ORDER BY seq OFFSET %(piece)s LIMIT 1)) t
 ORDER BY seq LIMIT 1
"""
_RELEASE = f"""
WITH piece AS (
    SELECT stream_no, seq, measured_at + {_SUM} AS at FROM readings_aside t
     WHERE stream_no = %(stream_no)s AND seq >= %(from)s AND seq < %(until)s AND NOT clock_trusted),
released AS (
    DELETE FROM readings_aside a USING piece p
     WHERE (a.stream_no, a.seq) = (p.stream_no, p.seq) AND p.at BETWEEN %(earliest)s AND %(latest)s
    RETURNING a.*, p.at)
INSERT INTO readings (sensor_id, measured_at, stream_no, seq, received_at, weight_mg, total,
                      condition, because, stability, quality, clock_trusted, code, change,
                      corrected_at)
SELECT sensor_id, measured_at, stream_no, seq, received_at, weight_mg, total, condition, because,
       stability, quality, clock_trusted, code, change, at
  FROM released
RETURNING sensor_id, seq, measured_at, weight_mg, total, condition, because, stability, quality,
          clock_trusted, code, change, corrected_at
"""  # noqa: S608 - made of the constants above


def insert(
    conn: psycopg.Connection, steps: Collection[tuple[int, Step]], received_at: datetime
) -> None:
    conn.cursor().executemany(
        "INSERT INTO clock_steps (stream_no, seq, step_ms, because, received_at)"
        " VALUES (%s, %s, %s, %s, %s)",
        [(no, step.range.first, step.step_ms, step.because, received_at) for no, step in steps],
    )


def of(conn: psycopg.Connection, stream_nos: Collection[int]) -> dict[int, list[StepAt]]:
    """The steps of each stream, by seq."""
    found: dict[int, list[StepAt]] = defaultdict(list)
    rows = conn.execute(
        "SELECT stream_no, seq, step_ms FROM clock_steps WHERE stream_no = ANY(%s) ORDER BY seq",
        (list(stream_nos),),
    ).fetchall()
    for stream_no, seq, step_ms in rows:
        found[stream_no].append(StepAt(seq, step_ms))
    return found


def next_todo(conn: psycopg.Connection) -> Todo | None:
    """A step whose older readings are not all corrected yet, its stream held."""
    row = conn.execute(_TODO).fetchone()
    return None if row is None else Todo(*row)


def correct_piece(conn: psycopg.Connection, todo: Todo, span: Span) -> list[Placed]:
    """Correct a bounded piece, and note where to go on. What was released from aside by it."""
    where: dict[str, object] = {
        "stream_no": todo.stream_no,
        "from": todo.from_seq,
        "seq": todo.seq,
        "piece": PIECE,
    }
    row = conn.execute(_UNTIL, where).fetchone()
    until = todo.seq if row is None else row[0]
    where |= {
        "until": until,
        "earliest": from_ms(span.earliest_ms),
        "latest": from_ms(span.latest_ms),
    }
    conn.execute(_CORRECT, where)
    released = conn.execute(_RELEASE, where).fetchall()
    conn.execute(
        "UPDATE clock_steps SET todo_from = %s WHERE stream_no = %s AND seq = %s",
        (None if row is None else until, todo.stream_no, todo.seq),
    )
    return _placed(conn, todo.stream_no, released)


def _placed(
    conn: psycopg.Connection, stream_no: int, rows: Sequence[tuple[Any, ...]]
) -> list[Placed]:
    if not rows:
        return []
    stream = conn.execute(
        "SELECT gateway_id, life FROM streams WHERE stream_no = %s", (stream_no,)
    ).fetchone()
    assert stream is not None
    gateway_id, life = stream
    return [
        Placed(
            sensor_id,
            Place(gateway_id, stream_no, life, seq, to_ms(corrected_at)),
            Reading(0, seq, to_ms(measured_at), *outcome),
        )
        for sensor_id, seq, measured_at, *outcome, corrected_at in rows
    ]
