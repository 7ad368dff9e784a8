"""The present of each bin, moved by ingest in the transaction of the readings themselves.

The order of readings decides (`cloud.core.present`), never order of arrival: a late reading is
stored and moves nothing.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from cloud.core.present import Moved, News, Number, Place, State, moved
from cloud.core.readings import EPOCH, to_ms
from cloud.postgres import arrays

# Held first, and in this order: whoever assesses a bin holds its state before it takes it from
# `bin_due`. Were it not held here, a bin that is due already could be assessed and struck off
# after we found it on the list and before we move it, and nobody would look again.
_HOLD = """
SELECT s.bin_id, s.sensor_id, s.received_at, s.condition,
       coalesce(h.gateway_id, 0), coalesce(s.heard_stream_no, 0), coalesce(h.life, 0),
       coalesce(s.heard_seq, 0), s.heard_at,
       coalesce(n.gateway_id, 0), s.stream_no, coalesce(n.life, 0), s.seq, s.measured_at,
       s.weight_mg, s.total, s.stability, s.quality, s.clock_trusted
  FROM bin_state s
  LEFT JOIN streams h ON h.stream_no = s.heard_stream_no
  LEFT JOIN streams n ON n.stream_no = s.stream_no
 WHERE s.bin_id = ANY(%s::int[]) ORDER BY s.bin_id FOR NO KEY UPDATE OF s
"""
_US = timedelta(microseconds=1)
_COLUMNS = {
    "bin_id": "int",
    "sensor_id": "int",
    "heard_at": "ms",
    "heard_stream_no": "int",
    "heard_seq": "bigint",
    "received_at": "us",
    "condition": "text",
    "measured_at": "ms",
    "stream_no": "int",
    "seq": "bigint",
    "weight_mg": "bigint",
    "total": "bigint",
    "stability": "smallint",
    "quality": "smallint",
    "clock_trusted": "bool",
}
_NAMES = ", ".join(_COLUMNS)
_TIMES = {"ms": "interval '1 ms'", "us": "interval '1 us'"}  # numbers, since 1970
_ARRAYS = ", ".join(
    f"%s::{'bigint' if kind in _TIMES else 'int' if kind == 'bool' else kind}[]"
    for kind in _COLUMNS.values()
)
_NEWS = f"unnest({_ARRAYS}) AS t({_NAMES})"


_FORGET = """
DELETE FROM bin_state s USING streams t
 WHERE t.gateway_id = %s AND t.stream = ANY(%s) AND t.stream_no IN (s.stream_no, s.heard_stream_no)
RETURNING s.bin_id
"""


def _typed(column: str) -> str:
    kind = _COLUMNS[column]
    if kind in _TIMES:
        return f"timestamptz 'epoch' + t.{column} * {_TIMES[kind]}"
    return f"t.{column}::bool" if kind == "bool" else f"t.{column}"


_INSERT = (
    f"INSERT INTO bin_state ({_NAMES})"  # noqa: S608 - made of constants
    f" SELECT {', '.join(map(_typed, _COLUMNS))} FROM {_NEWS}"
    " ON CONFLICT (bin_id) DO NOTHING RETURNING bin_id"
)
_SET = ", ".join(f"{column} = {_typed(column)}" for column in _COLUMNS if column != "bin_id")
_UPDATE = (
    f"UPDATE bin_state s SET changed_xid = pg_current_xact_id(), {_SET}"  # noqa: S608 - as above
    f" FROM {_NEWS} WHERE s.bin_id = t.bin_id"
)
_MARK_DUE = (
    "INSERT INTO bin_due (bin_id) SELECT * FROM unnest(%s::int[]) ON CONFLICT (bin_id) DO NOTHING"
)


def mark_due(conn: psycopg.Connection, bin_ids: Collection[int]) -> None:
    """Somebody should look at these. In one order, so that two who mark never wait in a ring."""
    if bin_ids:
        conn.execute(_MARK_DUE, (arrays.numbers(sorted(bin_ids)),))


def forget(conn: psycopg.Connection, gateway_id: int, said_by: Collection[UUID]) -> None:
    """What these streams said is the present of no bin: nothing is known until the next reading."""
    rows = conn.execute(_FORGET, (gateway_id, list(said_by))).fetchall()
    mark_due(conn, [bin_id for (bin_id,) in rows])


def hold(conn: psycopg.Connection, bin_ids: Collection[int]) -> psycopg.Cursor:
    """Asked for, and to be handed to `move`: what is done meanwhile costs no time."""
    return conn.execute(_HOLD, (arrays.numbers(sorted(bin_ids)),))


def move(
    conn: psycopg.Connection,
    news: Mapping[int, News],
    received_at: datetime,
    asked: psycopg.Cursor | None = None,
) -> None:
    """Take in the news of bins, and mark those due that somebody should look at."""
    if not news:
        return
    held = _held(hold(conn, news) if asked is None else asked)
    known = {bin_id: moved(state, news[bin_id], received_at) for bin_id, state in held.items()}
    changes = {bin_id: change for bin_id, change in known.items() if change is not None}
    new = {
        bin_id: change
        for bin_id in sorted(news.keys() - held.keys())
        if (change := moved(None, news[bin_id], received_at)) is not None
    }
    if changes:
        conn.execute(_UPDATE, _columns(changes))
    added = _add(conn, new)
    due = [bin_id for bin_id, change in {**changes, **added}.items() if change.due]
    mark_due(conn, due)
    # Somebody else was the first to hear of these, a moment ago.
    move(conn, {bin_id: news[bin_id] for bin_id in new.keys() - added.keys()}, received_at)


def _add(conn: psycopg.Connection, new: Mapping[int, Moved]) -> dict[int, Moved]:
    if not new:
        return {}
    rows = conn.execute(_INSERT, _columns(new)).fetchall()
    return {bin_id: new[bin_id] for (bin_id,) in rows}


def _held(asked: psycopg.Cursor) -> dict[int, State]:
    held = {}
    for row in asked.fetchall():
        bin_id, sensor_id, received_at, condition = row[:4]
        gateway_id, stream_no, life, seq, heard_at = row[4:9]
        n_gateway_id, n_stream_no, n_life, n_seq, measured_at = row[9:14]
        has_number = measured_at is not None
        held[bin_id] = State(
            sensor_id,
            Place(gateway_id, stream_no, life, seq, to_ms(heard_at)),
            received_at,
            condition,
            Place(n_gateway_id, n_stream_no, n_life, n_seq, to_ms(measured_at))
            if has_number
            else None,
            Number(*row[14:]) if has_number else None,
        )
    return held


def _columns(changes: Mapping[int, Moved]) -> list[str]:
    columns = zip(*map(_row, changes.items()), strict=True)
    return [
        arrays.words(column) if kind == "text" else arrays.numbers(column)
        for kind, column in zip(_COLUMNS.values(), columns, strict=True)
    ]


def _row(change: tuple[int, Moved]) -> tuple[Any, ...]:
    bin_id, (state, _) = change
    at, number = state.number_at, state.number
    return (
        bin_id,
        state.sensor_id,
        state.heard.at_ms,
        state.heard.stream_no or None,
        state.heard.seq or None,
        (state.received_at - EPOCH) // _US,
        state.condition,
        *((None, None, None) if at is None else (at.at_ms, at.stream_no, at.seq)),
        *(number or (None,) * len(Number._fields)),
    )
