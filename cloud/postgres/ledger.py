"""The ledger: which ranges of which stream are committed. Its ranges never overlap.

The caller holds the row of the stream (`streams.lock`), so what is read here stays true until
the end of the transaction.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import psycopg

from cloud.core.ranges import Range

BEYOND_MAX = 2_000


class Entry(NamedTuple):
    stream_no: int
    range: Range
    checksum: int
    gap_because: str | None  # None: these are readings, and they are here


# Ranges do not overlap, so of all that begin before the end of the wanted one, the last is the only
# one that can reach into it from below, and one row decides: there is an overlap, or there is none.
_NEAREST = (
    "SELECT t.place, l.first_seq, l.last_seq, l.checksum, l.gap_because"
    " FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::bigint[])"
    "  AS t(place, stream_no, first_seq, last_seq)"
    " CROSS JOIN LATERAL ("
    "  SELECT first_seq, last_seq, checksum, gap_because FROM ledger"
    "  WHERE stream_no = t.stream_no AND first_seq <= t.last_seq"
    "  ORDER BY first_seq DESC LIMIT 1) l"
    " WHERE l.last_seq >= t.first_seq"
)
_OVERLAPPING = (
    "SELECT first_seq, last_seq FROM ledger"
    " WHERE stream_no = %(stream_no)s AND first_seq <= %(last)s AND first_seq >= coalesce("
    "  (SELECT max(first_seq) FROM ledger"
    "   WHERE stream_no = %(stream_no)s AND first_seq <= %(first)s), 0)"
    " ORDER BY first_seq"
)
_INSERT = (
    "INSERT INTO ledger (stream_no, first_seq, last_seq, checksum, gap_because, committed_at)"
    " SELECT t.*, %s"
    " FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[]) AS t"
    " ON CONFLICT (stream_no, first_seq) DO NOTHING RETURNING 1"
)
_BEYOND = (
    "SELECT t.stream_no, l.first_seq, l.last_seq"
    " FROM unnest(%s::int[], %s::bigint[]) AS t(stream_no, upto)"
    " CROSS JOIN LATERAL ("
    "  SELECT first_seq, last_seq FROM ledger"
    "  WHERE stream_no = t.stream_no AND first_seq > t.upto ORDER BY first_seq LIMIT %s) l"
)


def overlapping_one(
    conn: psycopg.Connection, wanted: Sequence[tuple[int, Range]]
) -> dict[int, Entry]:
    """For each (stream, range), by its place: an entry it overlaps; absent when it is all new."""
    rows = conn.execute(
        _NEAREST,
        (
            list(range(len(wanted))),
            [stream_no for stream_no, _ in wanted],
            [piece.first for _, piece in wanted],
            [piece.last for _, piece in wanted],
        ),
    ).fetchall()
    return {
        place: Entry(wanted[place][0], Range(first, last), checksum, because)
        for place, first, last, checksum, because in rows
    }


def overlapping_all(conn: psycopg.Connection, stream_no: int, wanted: Range) -> list[Range]:
    rows = conn.execute(
        _OVERLAPPING, {"stream_no": stream_no, "first": wanted.first, "last": wanted.last}
    ).fetchall()
    found = [Range(first, last) for first, last in rows]
    return [piece for piece in found if piece.overlaps(wanted)]


def insert(conn: psycopg.Connection, entries: Collection[Entry], now: datetime) -> None:
    if not entries:
        return
    inserted = conn.execute(
        _INSERT,
        (
            now,
            [entry.stream_no for entry in entries],
            [entry.range.first for entry in entries],
            [entry.range.last for entry in entries],
            [entry.checksum for entry in entries],
            [entry.gap_because for entry in entries],
        ),
    ).fetchall()
    assert len(inserted) == len(entries), "a range was committed twice under the lock of its stream"


def beyond(conn: psycopg.Connection, upto: Collection[tuple[int, int]]) -> dict[int, list[Range]]:
    """What is committed above (stream, upto), lowest first, `BEYOND_MAX` ranges at most each."""
    found: dict[int, list[Range]] = {stream_no: [] for stream_no, _ in upto}
    rows = conn.execute(
        _BEYOND, ([no for no, _ in upto], [last for _, last in upto], BEYOND_MAX)
    ).fetchall()
    for stream_no, first, last in rows:
        found[stream_no].append(Range(first, last))
    return {stream_no: sorted(pieces) for stream_no, pieces in found.items()}
