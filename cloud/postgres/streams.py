"""Streams: one life of a gateway's spool each, and how far it is committed without a hole."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg


class Stream(NamedTuple):
    stream_no: int
    contiguous_upto: int


StreamKey = tuple[int, UUID]  # gateway id, stream

_REGISTER = (
    "INSERT INTO streams (gateway_id, stream, first_heard_at)"
    " SELECT gateway_id, stream, %s FROM unnest(%s::int[], %s::uuid[]) AS t(gateway_id, stream)"
    " ON CONFLICT (gateway_id, stream) DO NOTHING"
)
_LOCK = (
    "SELECT s.gateway_id, s.stream, s.stream_no, s.contiguous_upto"
    " FROM unnest(%s::int[], %s::uuid[]) AS t(gateway_id, stream)"
    " JOIN streams s USING (gateway_id, stream)"
    " ORDER BY s.stream_no FOR NO KEY UPDATE OF s"
)
_ADVANCE = (
    "UPDATE streams s SET contiguous_upto = t.upto"
    " FROM unnest(%s::int[], %s::bigint[]) AS t(stream_no, upto)"
    " WHERE s.stream_no = t.stream_no AND s.contiguous_upto < t.upto"
)


def lock(
    conn: psycopg.Connection, keys: Collection[StreamKey], now: datetime
) -> dict[StreamKey, Stream]:
    """The streams, held until the end of the transaction; new ones are registered.

    Held, because whether a range is new and how far a stream is there must not change meanwhile.
    """
    found = _lock(conn, keys)
    strangers = sorted(key for key in keys if key not in found)
    if strangers:
        conn.execute(_REGISTER, (now, *_columns(strangers)))
        found |= _lock(conn, strangers)
    return found


def advance(conn: psycopg.Connection, upto: Mapping[int, int]) -> None:
    if upto:
        conn.execute(_ADVANCE, (list(upto), list(upto.values())))


def _lock(conn: psycopg.Connection, keys: Collection[StreamKey]) -> dict[StreamKey, Stream]:
    rows = conn.execute(_LOCK, _columns(keys)).fetchall()
    return {(gateway_id, stream): Stream(no, upto) for gateway_id, stream, no, upto in rows}


def _columns(keys: Collection[StreamKey]) -> tuple[list[int], list[UUID]]:
    return [gateway_id for gateway_id, _ in keys], [stream for _, stream in keys]
