"""Streams: one life of a gateway's spool each, how far it is committed, what its presence said."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

import psycopg

from cloud.core.twins import Voice

VOICES_MAX = 8  # of a gateway, the streams heard latest


class Stream(NamedTuple):
    stream_no: int
    contiguous_upto: int
    life: int
    refused: bool  # by a person: the machine uses a name that is another's
    began: datetime
    stepped_at: int  # the last seq at which its clock was set; 0: never


StreamKey = tuple[int, UUID]  # gateway id, stream

_REGISTER = (
    "INSERT INTO streams (gateway_id, stream, life, first_heard_at)"
    " SELECT gateway_id, stream, life, %s"
    " FROM unnest(%s::int[], %s::uuid[], %s::bigint[]) AS t(gateway_id, stream, life)"
    " ON CONFLICT (gateway_id, stream) DO NOTHING"
)
_READ = (
    "SELECT s.gateway_id, s.stream, s.stream_no, s.contiguous_upto, s.life, s.refused,"
    " s.first_heard_at,"
    " coalesce((SELECT max(c.seq) FROM clock_steps c WHERE c.stream_no = s.stream_no), 0)"
    " FROM unnest(%s::int[], %s::uuid[]) AS t(gateway_id, stream)"
    " JOIN streams s USING (gateway_id, stream)"
)
_LOCK = f"{_READ} ORDER BY s.stream_no FOR NO KEY UPDATE OF s"
_LOCK_FREE = f"{_LOCK} SKIP LOCKED"
_ADVANCE = (
    "UPDATE streams s SET contiguous_upto = t.upto"
    " FROM unnest(%s::int[], %s::bigint[]) AS t(stream_no, upto)"
    " WHERE s.stream_no = t.stream_no AND s.contiguous_upto < t.upto"
)
_SAY_LIFE = (
    "UPDATE streams s SET life = t.life FROM unnest(%s::int[], %s::bigint[]) AS t(stream_no, life)"
    " WHERE s.stream_no = t.stream_no AND s.life = 0"
)
_VOICES = (
    "SELECT stream, present_first_said, present_said, present_heard, first_heard_at, returns,"
    " returned_at FROM streams WHERE gateway_id = %s AND present_heard IS NOT NULL AND NOT refused"
    " ORDER BY present_heard DESC LIMIT %s"
)
_SPOKE = (
    "UPDATE streams SET present_first_said = %s, present_said = %s, present_heard = %s,"
    " returns = %s, returned_at = %s WHERE gateway_id = %s AND stream = %s"
)


class HeldError(Exception):
    """Somebody else holds one of these streams, and we were not to wait."""


def lock(
    conn: psycopg.Connection,
    wanted: Mapping[StreamKey, int],
    now: datetime,
    found: Mapping[StreamKey, Stream] | None = None,
) -> dict[StreamKey, Stream]:
    """The streams, held until the end of the transaction; new ones are registered.

    Wanted with the life they say, 0 when they do not; `found` are those that `find` holds already.
    Held, because whether a range is new and how far a stream is there must not change meanwhile.
    """
    known = find(conn, wanted) if found is None else found
    found = {key: known[key] for key in wanted if key in known}
    strangers = sorted(key for key in wanted if key not in found)
    if strangers:
        lives = [wanted[key] for key in strangers]
        conn.execute(_REGISTER, (now, *_columns(strangers), lives))
        found |= find(conn, strangers)
    unsaid = {key: wanted[key] for key, stream in found.items() if wanted[key] > stream.life == 0}
    if unsaid:
        conn.execute(_SAY_LIFE, ([found[key].stream_no for key in unsaid], list(unsaid.values())))
        found |= {key: found[key]._replace(life=life) for key, life in unsaid.items()}
    return found


def find(
    conn: psycopg.Connection, keys: Collection[StreamKey], *, wait: bool = True
) -> dict[StreamKey, Stream]:
    """Those of `keys` that are known, held likewise; or `HeldError`, when we are not to wait."""
    if not keys:
        return {}
    if wait:
        conn.execute(_LOCK, _columns(keys))
        # Read again: who waited has of other tables what was there before, also of clock steps.
        return seen(conn, keys)
    found = _rows(conn, _LOCK_FREE, keys)
    if len(found) < len(keys) and len(seen(conn, keys)) > len(found):
        raise HeldError
    return found


def seen(conn: psycopg.Connection, keys: Collection[StreamKey]) -> dict[StreamKey, Stream]:
    """Those of `keys` that are known, as they were just now: nothing is held."""
    return _rows(conn, _READ, keys) if keys else {}


def _rows(
    conn: psycopg.Connection, query: LiteralString, keys: Collection[StreamKey]
) -> dict[StreamKey, Stream]:
    rows = conn.execute(query, _columns(keys)).fetchall()
    return {(gateway_id, stream): Stream(*rest) for gateway_id, stream, *rest in rows}


def advance(conn: psycopg.Connection, upto: Mapping[int, int]) -> None:
    if upto:
        conn.execute(_ADVANCE, (list(upto), list(upto.values())))


def voices(conn: psycopg.Connection, gateway_id: int) -> list[Voice]:
    rows = conn.execute(_VOICES, (gateway_id, VOICES_MAX)).fetchall()
    return [Voice(*row) for row in rows]


def began(conn: psycopg.Connection, gateway_id: int, stream: UUID) -> datetime | None:
    """Since when a stream is known; None: it is not, or a person refused it."""
    row = conn.execute(
        "SELECT first_heard_at FROM streams WHERE gateway_id = %s AND stream = %s AND NOT refused",
        (gateway_id, stream),
    ).fetchone()
    return None if row is None else row[0]


def spoke(conn: psycopg.Connection, gateway_id: int, voice: Voice) -> None:
    conn.execute(
        _SPOKE,
        (
            voice.first_said,
            voice.said,
            voice.heard,
            voice.returns,
            voice.returned,
            gateway_id,
            voice.stream,
        ),
    )


def names(conn: psycopg.Connection, stream_nos: Collection[int]) -> dict[int, str]:
    """By what a gateway calls its streams; a reading is named by that and its number."""
    rows = conn.execute(
        "SELECT stream_no, stream FROM streams WHERE stream_no = ANY(%s)", (sorted(stream_nos),)
    ).fetchall()
    return {number: stream.hex for number, stream in rows}


def refuse(conn: psycopg.Connection, gateway_id: int, refused: Collection[UUID]) -> None:
    conn.execute(
        "UPDATE streams SET refused = true WHERE gateway_id = %s AND stream = ANY(%s)",
        (gateway_id, list(refused)),
    )


def forget_returns(conn: psycopg.Connection, gateway_id: int) -> None:
    conn.execute(
        "UPDATE streams SET returns = 0, returned_at = NULL WHERE gateway_id = %s AND returns > 0",
        (gateway_id,),
    )


def _columns(keys: Collection[StreamKey]) -> tuple[list[int], list[UUID]]:
    return [gateway_id for gateway_id, _ in keys], [stream for _, stream in keys]
