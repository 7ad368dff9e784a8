"""The ledger: which ranges of which stream are committed. Its ranges never overlap.

The caller holds the row of the stream (`streams.lock`), so what is read here stays true until
the end of the transaction.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import psycopg

from cloud.core.ranges import Range
from cloud.core.taking import Entry
from cloud.postgres import arrays

BEYOND_MAX = 2_000


# Ranges do not overlap, so of all that begin before the end of the wanted one, the last is the only
# one that can reach into it from below, and one row decides: there is an overlap, or there is none.
_NEAREST = (
    "SELECT t.place, l.first_seq, l.last_seq, l.checksum, l.gap_because, l.given_up"
    " FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::bigint[])"
    "  AS t(place, stream_no, first_seq, last_seq)"
    " CROSS JOIN LATERAL ("
    "  SELECT first_seq, last_seq, checksum, gap_because, given_up FROM ledger"
    "  WHERE stream_no = t.stream_no AND first_seq <= t.last_seq"
    "  ORDER BY first_seq DESC LIMIT 1) l"
    " WHERE l.last_seq >= t.first_seq"
)
_OVERLAPPING = (
    "SELECT first_seq, last_seq, checksum, gap_because, given_up FROM ledger"
    " WHERE stream_no = %(stream_no)s AND first_seq <= %(last)s AND last_seq >= %(first)s"
    "  AND first_seq >= coalesce("
    "  (SELECT max(first_seq) FROM ledger"
    "   WHERE stream_no = %(stream_no)s AND first_seq <= %(first)s), 0)"
    " ORDER BY first_seq"
)
_INSERT = (
    "INSERT INTO ledger"
    " (stream_no, first_seq, last_seq, checksum, gap_because, given_up, committed_at)"
    " SELECT t.*, %s FROM"
    " unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[]) AS t"
    " ON CONFLICT (stream_no, first_seq) DO NOTHING"
)
_BEYOND = (
    "SELECT t.stream_no, l.first_seq, l.last_seq"
    " FROM unnest(%s::int[], %s::bigint[]) AS t(stream_no, upto)"
    " CROSS JOIN LATERAL ("
    "  SELECT first_seq, last_seq FROM ledger"
    "  WHERE stream_no = t.stream_no AND first_seq > t.upto ORDER BY first_seq LIMIT %s) l"
)
_FILL = (
    "UPDATE ledger SET given_up = given_up - %(count)s,"
    " gap_because = CASE WHEN given_up > %(count)s THEN gap_because END"
    " WHERE stream_no = %(stream_no)s AND first_seq = %(first)s"
)


def overlapping_one(
    conn: psycopg.Connection, wanted: Sequence[tuple[int, Range]]
) -> dict[int, Entry]:
    """For each (stream, range), by its place: an entry it overlaps; absent when it is all new."""
    rows = conn.execute(
        _NEAREST,
        (
            arrays.numbers(range(len(wanted))),
            arrays.numbers(stream_no for stream_no, _ in wanted),
            arrays.numbers(piece.first for _, piece in wanted),
            arrays.numbers(piece.last for _, piece in wanted),
        ),
    ).fetchall()
    return {
        place: Entry(wanted[place][0], Range(first, last), *rest)
        for place, first, last, *rest in rows
    }


def overlapping_all(conn: psycopg.Connection, stream_no: int, wanted: Range) -> list[Entry]:
    rows = conn.execute(
        _OVERLAPPING, {"stream_no": stream_no, "first": wanted.first, "last": wanted.last}
    ).fetchall()
    return [Entry(stream_no, Range(first, last), *rest) for first, last, *rest in rows]


def insert(conn: psycopg.Connection, entries: Collection[Entry], now: datetime) -> None:
    if entries:
        check(send(conn, entries, now), entries)


def send(conn: psycopg.Connection, entries: Collection[Entry], now: datetime) -> psycopg.Cursor:
    """Insert, in a pipeline without waiting for it: `check` what came of it at its end."""
    return conn.execute(
        _INSERT,
        (
            now,
            arrays.numbers(entry.stream_no for entry in entries),
            arrays.numbers(entry.range.first for entry in entries),
            arrays.numbers(entry.range.last for entry in entries),
            arrays.numbers(entry.checksum for entry in entries),
            [entry.because for entry in entries],
            arrays.numbers(entry.given_up for entry in entries),
        ),
    )


def check(sent: psycopg.Cursor, entries: Collection[Entry]) -> None:
    assert sent.rowcount == len(entries), "a range was committed twice under the lock of its stream"


def fill(conn: psycopg.Connection, entry: Entry, count: int) -> None:
    """So many readings that had been given up have come after all."""
    conn.execute(_FILL, {"stream_no": entry.stream_no, "first": entry.range.first, "count": count})


def ask_beyond(conn: psycopg.Connection, upto: Collection[tuple[int, int]]) -> psycopg.Cursor:
    """Asked for, in a pipeline without waiting; to be handed to `beyond`."""
    return conn.execute(_BEYOND, ([no for no, _ in upto], [last for _, last in upto], BEYOND_MAX))


def beyond(
    conn: psycopg.Connection,
    upto: Collection[tuple[int, int]],
    asked: psycopg.Cursor | None = None,
) -> dict[int, list[Range]]:
    """What is committed above (stream, upto), lowest first, `BEYOND_MAX` ranges at most each."""
    found: dict[int, list[Range]] = {stream_no: [] for stream_no, _ in upto}
    rows = (ask_beyond(conn, upto) if asked is None else asked).fetchall()
    for stream_no, first, last in rows:
        found[stream_no].append(Range(first, last))
    return {stream_no: sorted(pieces) for stream_no, pieces in found.items()}
