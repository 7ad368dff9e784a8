"""Room in a spool that has reached its quota: what goes first, and what is said in its place.

    1  what is acknowledged            nothing is lost
    2  the bulk of what never left     thinned: what stays says what is missing
    3  the rest of what never left     a gap says so

Always the oldest first. Of what may have left, the cloud may hold the range already: it stays.
Every function works within a transaction of the caller, and tells him what it changed.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edge_agent.core.freeze import freeze_gap
from edge_agent.core.thin import thin
from edge_agent.sqlite.rows import (
    ROW_BYTES,
    Kind,
    Proven,
    State,
    delete,
    proven,
    replace,
    spoken,
)
from edge_agent.wire import codec, messages
from edge_agent.wire.messages import ReadingBatch, Thinned

ROOM_BYTES = 64 * 1024
THINNED_READINGS_MAX = messages.BATCH_READINGS_MAX
THINNED_BYTES_MAX = 192 * 1024
# What was thinned before takes in what comes after it while it is small: else each lump would keep
# the last reading of its own few minutes, not of the hour.
ABSORBING_BYTES_MAX = 16 * 1024
LOOKED_AT_MAX = 2 * THINNED_READINGS_MAX
FULL = "the gateway's spool was full"


@dataclass(kw_only=True, slots=True)
class Change:
    """What a transaction does to the sums that are kept in memory."""

    waiting: int = 0  # batches
    tail_bytes: int = 0
    given_up: int = 0  # readings
    freed_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    no: int
    stream_no: int
    first_seq: int
    last_seq: int
    kind: int
    size: int
    stored: int

    @property
    def readings(self) -> int:
        return self.last_seq - self.first_seq + 1

    def follows(self, other: "_Row") -> bool:
        return self.stream_no == other.stream_no and self.first_seq == other.last_seq + 1


def trim(conn: sqlite3.Connection, change: Change, at_least_bytes: int, below_no: int) -> None:
    """The oldest of what the cloud has, or of what nobody can read."""
    nos, freed = [], 0
    for no, stored in conn.execute(
        """
        SELECT no, length(payload) FROM frozen
         WHERE no < ? AND state >= ? ORDER BY no
        """,
        (below_no, State.ACKNOWLEDGED),
    ):
        if freed >= at_least_bytes:
            break
        nos.append(no)
        freed += stored + ROW_BYTES
    delete(conn, nos)
    change.tail_bytes -= freed
    change.freed_bytes += freed


def thin_oldest(
    conn: sqlite3.Connection, change: Change, at_least_bytes: int, after_no: int
) -> int:
    """The place in the queue up to which there is nothing more to be thinned."""
    wanted = change.freed_bytes + at_least_bytes
    while change.freed_bytes < wanted:
        first = _first_bulk(conn, after_no)
        if first is None:
            break
        rows = _never_left(conn, first)
        for run in _bulk(rows):
            if change.freed_bytes >= wanted:
                break
            _thin_run(conn, change, run)
            after_no = run[-1].no
    return after_no


def give_up_oldest(conn: sqlite3.Connection, change: Change, at_least_bytes: int) -> None:
    held, oldest = 0, []
    for row in _never_left(conn, 0):
        oldest.append(row)
        held += 0 if row.kind == Kind.GAP else row.stored + ROW_BYTES
        if held >= at_least_bytes:
            break
    for run in _neighbours(oldest):
        if any(row.kind != Kind.GAP for row in run):
            _give_up_run(conn, change, run)


def _first_bulk(conn: sqlite3.Connection, after_no: int) -> int | None:
    """Where to begin: at what was thinned before, if it stands right before the next bulk."""
    (first,) = conn.execute(
        "SELECT min(no) FROM frozen WHERE no > ? AND state = ? AND kind = ?",
        (after_no, State.NEVER_LEFT, Kind.READINGS),
    ).fetchone()
    if first is None:
        return None
    (before,) = conn.execute(
        "SELECT max(no) FROM frozen WHERE no < ? AND state = ?", (first, State.NEVER_LEFT)
    ).fetchone()
    return int(first if before is None else before)


def _never_left(conn: sqlite3.Connection, from_no: int) -> list[_Row]:
    found = conn.execute(
        """
        SELECT no, stream_no, first_seq, last_seq, kind, size, length(payload) FROM frozen
         WHERE no >= ? AND state = ? ORDER BY no LIMIT ?
        """,
        (from_no, State.NEVER_LEFT, LOOKED_AT_MAX),
    )
    return [
        _Row(
            no=no,
            stream_no=stream_no,
            first_seq=first_seq,
            last_seq=last_seq,
            kind=kind,
            size=size,
            stored=stored,
        )
        for no, stream_no, first_seq, last_seq, kind, size, stored in found
    ]


def _neighbours(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """Runs of one stream without a number missing between two rows."""
    run: list[_Row] = []
    for row in rows:
        if run and not row.follows(run[-1]):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _bulk(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """Runs to be thinned together: each fits a message, and holds readings not yet thinned."""
    for whole in _neighbours(rows):
        run: list[_Row] = []
        for row in whole:
            opens = row.kind == Kind.THINNED and row.size <= ABSORBING_BYTES_MAX
            if row.kind != Kind.READINGS or (run and not _fit([*run, row])):
                yield from _with_readings(run)
                run = [row] if opens or row.kind == Kind.READINGS else []
            else:
                run.append(row)
        yield from _with_readings(run)


def _fit(run: Sequence[_Row]) -> bool:
    fresh = sum(row.readings for row in run if row.kind == Kind.READINGS)
    return fresh <= THINNED_READINGS_MAX and sum(row.size for row in run) <= THINNED_BYTES_MAX


def _with_readings(run: list[_Row]) -> list[list[_Row]]:
    return [run] if any(row.kind == Kind.READINGS for row in run) else []


def _thin_run(conn: sqlite3.Connection, change: Change, run: Sequence[_Row]) -> None:
    batches = [_batch(conn, row.no) for row in run]
    whole = [batch for batch in batches if batch is not None]
    if len(whole) < len(run):  # damaged since: a thing for the next start
        return
    thinned = thin(whole, FULL)
    if thinned is None:
        return
    said = spoken(codec.encode(thinned))
    if said is None:
        return
    _replace_run(conn, change, run, said)
    change.given_up += sum(len(batch.readings) for batch in whole) - len(thinned.readings)


def _give_up_run(conn: sqlite3.Connection, change: Change, run: Sequence[_Row]) -> None:
    stream, life = conn.execute(
        "SELECT stream, life FROM stream WHERE stream_no = ?", (run[0].stream_no,)
    ).fetchone()
    gap = freeze_gap(stream, run[0].first_seq, run[-1].last_seq, FULL, life=life)
    said = spoken(gap.payload)
    assert said is not None, "just frozen"
    lost = sum(_readings_in(conn, row) for row in run)
    _replace_run(conn, change, run, said)
    change.given_up += lost


def _readings_in(conn: sqlite3.Connection, row: _Row) -> int:
    if row.kind == Kind.READINGS:
        return row.readings
    if row.kind == Kind.THINNED:
        batch = _batch(conn, row.no)
        return len(batch.readings) if batch is not None else row.readings
    return 0


def _replace_run(
    conn: sqlite3.Connection, change: Change, run: Sequence[_Row], said: Proven
) -> None:
    before = sum(row.stored + ROW_BYTES for row in run)
    replace(conn, [row.no for row in run], said)
    (stored,) = conn.execute(
        "SELECT length(payload) FROM frozen WHERE no = ?", (run[0].no,)
    ).fetchone()
    change.freed_bytes += max(0, before - stored - ROW_BYTES)
    change.waiting -= len(run) - 1


def _batch(conn: sqlite3.Connection, no: int) -> ReadingBatch | Thinned | None:
    """None: no longer what it was, and nothing new must be made of it."""
    row = conn.execute("SELECT payload, size, crc FROM frozen WHERE no = ?", (no,)).fetchone()
    said = proven(*row)
    message = codec.decode(said.payload) if said is not None else None
    return message if isinstance(message, ReadingBatch | Thinned) else None
