"""What stands in the spool's tables, and how a row proves that it is what it was.

frozen(no, stream_no, first_seq, last_seq, state, kind, size, crc, payload)
stream(stream_no, stream, life)         one row for each start of the agent

no        place in the queue; the newest row stays until there is a newer one, so a number never
          comes back. AUTOINCREMENT would say the same, and write one page more at each commit
state     never left · may have left · acknowledged · damaged, as numbers that take one byte
          each, so that a row is marked in its place, and that no flipped bit makes another
kind      what the payload says: 1 readings · 2 thinned · 3 gap · 4 clock step
size      of the payload as it is sent; on disk it lies by columns (`columns`), or deflated, or as
          it is, whatever is the smallest
crc       of all that must not change. The payload repeats stream and range, so it can prove
          itself when the rest of its row, or the row of its stream, is gone
"""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby

from edge_agent.core.freeze import Frozen
from edge_agent.sqlite import columns
from edge_agent.wire import codec
from edge_agent.wire.messages import ClockStep, Gap, ReadingBatch, Thinned

FROZEN_TABLE = """CREATE TABLE frozen (
    no        INTEGER PRIMARY KEY,
    stream_no INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    size      INTEGER NOT NULL,
    crc       INTEGER NOT NULL,
    payload   BLOB    NOT NULL
)"""
STREAM_TABLE = """CREATE TABLE stream (
    stream_no INTEGER PRIMARY KEY,
    stream    TEXT    NOT NULL,
    life      INTEGER NOT NULL
)"""

INSERT = """
    INSERT INTO frozen (no, stream_no, first_seq, last_seq, state, kind, size, crc, payload)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# Python cannot even quote some of what SQLite says about a damaged file.
TROUBLE = (sqlite3.Error, UnicodeDecodeError, ValueError, TypeError)

# What a row costs beside its payload: its columns, its cell, its share of the tree above.
ROW_BYTES = 40
DEFLATE_LEVEL = 6


class State(IntEnum):
    """Below `ACKNOWLEDGED` it waits for the cloud; from there on it may be trimmed away."""

    NEVER_LEFT = 0b0000_1111
    MAY_HAVE_LEFT = 0b0011_0011
    ACKNOWLEDGED = 0b0101_0101
    DAMAGED = 0b0110_0110


class Kind(IntEnum):
    READINGS = 1
    THINNED = 2
    GAP = 3
    STEP = 4


KINDS: dict[type, Kind] = {
    ReadingBatch: Kind.READINGS,
    Thinned: Kind.THINNED,
    Gap: Kind.GAP,
    ClockStep: Kind.STEP,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Proven:
    """A payload that was found to be what it was, and what it says of itself."""

    stream: str
    life: int
    first_seq: int
    last_seq: int
    kind: Kind
    payload: bytes


def deflated(payload: bytes) -> bytes:
    by_columns = columns.packed(payload)
    if by_columns is not None and len(by_columns) < len(payload):
        return by_columns
    smaller = zlib.compress(payload, DEFLATE_LEVEL)
    return smaller if len(smaller) < len(payload) else payload


def inflated(stored: bytes, size: int) -> bytes | None:
    """None: it cannot be."""
    if len(stored) == size:
        return stored
    if not 0 < size <= codec.PAYLOAD_BYTES_MAX:
        return None
    if stored.startswith(columns.MARK):
        payload = columns.unpacked(stored)
        return payload if payload is not None and len(payload) == size else None
    try:
        payload = zlib.decompressobj().decompress(stored, size + 1)
    except zlib.error:
        return None
    return payload if len(payload) == size else None


def row_crc(stored: bytes, *said: object) -> int:
    """`said`: stream, first_seq, last_seq, kind, size."""
    return zlib.crc32(stored, zlib.crc32(" ".join(map(str, said)).encode()))


def is_whole(row: Sequence[object]) -> bool:
    """Of (stream, first_seq, last_seq, kind, size, crc, payload).

    One flipped bit can make a number of a text: SQLite is content with any type anywhere.
    """
    stream, first_seq, last_seq, kind, size, crc, stored = row
    return (
        isinstance(stream, str)
        and isinstance(first_seq, int)
        and isinstance(last_seq, int)
        and isinstance(kind, int)
        and isinstance(size, int)
        and isinstance(stored, bytes)
        and crc == row_crc(stored, stream, first_seq, last_seq, kind, size)
    )


def proven(stored: object, size: object, crc: object) -> Proven | None:
    """What the payload says of itself, if the checksum is that of a row that says the same."""
    if not isinstance(stored, bytes) or not isinstance(size, int):
        return None
    payload = inflated(stored, size)
    said = spoken(payload) if payload is not None else None
    if said is None:
        return None
    is_his = crc == row_crc(
        stored, said.stream, said.first_seq, said.last_seq, int(said.kind), size
    )
    return said if is_his else None


def spoken(payload: bytes) -> Proven | None:
    """What a payload of ours says of itself."""
    try:
        message = codec.decode(payload)
    except codec.WireError:
        return None
    match message:
        case ReadingBatch() | Thinned() | Gap():
            first_seq, last_seq = message.first_seq, message.last_seq
        case ClockStep():
            first_seq = last_seq = message.seq
        case _:
            return None
    return Proven(
        stream=message.stream,
        life=message.life,
        first_seq=first_seq,
        last_seq=last_seq,
        kind=KINDS[type(message)],
        payload=payload,
    )


def insert(conn: sqlite3.Connection, no: int, said: Proven, state: State, stream_no: int) -> None:
    conn.execute(INSERT, (no, stream_no, said.first_seq, said.last_seq, state, *_content(said)))


def put_last(conn: sqlite3.Connection, newest_no: int, frozen: Sequence[Frozen]) -> int:
    """At the end of the queue, each under the stream that it names; return how many."""
    for no, one in enumerate(frozen, start=newest_no + 1):
        said = spoken(one.payload)
        assert said is not None, "just frozen"
        insert(conn, no, said, State.NEVER_LEFT, find_stream(conn, said.stream, said.life))
    return len(frozen)


def replace(conn: sqlite3.Connection, nos: Sequence[int], said: Proven) -> None:
    """One row for several neighbours, at the place of their first."""
    delete(conn, nos[1:])
    kind, size, crc, stored = _content(said)
    conn.execute(
        "UPDATE frozen SET last_seq = ?, kind = ?, size = ?, crc = ?, payload = ? WHERE no = ?",
        (said.last_seq, kind, size, crc, stored, nos[0]),
    )


def delete(conn: sqlite3.Connection, nos: Iterable[int]) -> None:
    for first, last in runs(nos):
        conn.execute("DELETE FROM frozen WHERE no BETWEEN ? AND ?", (first, last))


def mark(conn: sqlite3.Connection, nos: Iterable[int], state: State) -> None:
    for first, last in runs(nos):
        conn.execute("UPDATE frozen SET state = ? WHERE no BETWEEN ? AND ?", (state, first, last))


def runs(nos: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Numbers as closed ranges, lowest first: a range is one walk through the tree."""
    for _, run in groupby(enumerate(sorted(nos)), lambda pair: pair[1] - pair[0]):
        numbers = [no for _, no in run]
        yield numbers[0], numbers[-1]


def find_stream(conn: sqlite3.Connection, stream: str, life: int) -> int:
    """The number of a stream, made if it is not there."""
    found = conn.execute("SELECT stream_no FROM stream WHERE stream = ?", (stream,)).fetchone()
    if found is not None:
        return int(found[0])
    made = conn.execute("INSERT INTO stream (stream, life) VALUES (?, ?)", (stream, life)).lastrowid
    assert made is not None
    return made


def _content(said: Proven) -> tuple[int, int, int, bytes]:
    """(kind, size, crc, payload)"""
    stored, size = deflated(said.payload), len(said.payload)
    crc = row_crc(stored, said.stream, said.first_seq, said.last_seq, int(said.kind), size)
    return said.kind, size, crc, stored
