"""Offline for weeks, a spool of single readings would be names and checksums for the most part.

Runs of small batches that never left become one, in one transaction each. What is merged is not
merged again: a reading is written twice for it, and no more.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_agent.core.merge import MERGED_BYTES_MAX, MERGED_READINGS_MAX, merge
from edge_agent.sqlite.rows import Kind, Proven, State, proven, spoken
from edge_agent.wire import codec
from edge_agent.wire.messages import ReadingBatch

# A batch of more has its names and its row paid for already.
SMALL_READINGS_MAX = MERGED_READINGS_MAX // 8
LOOKED_AT_MAX = 2 * MERGED_READINGS_MAX
# What each message says once, at the least: of a merged one, only the first one's stays.
HEAD_BYTES = 90


@dataclass(kw_only=True, slots=True)
class Run:
    """Neighbours, and what they come to."""

    nos: list[int]
    stream_no: int
    last_seq: int
    readings: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What there is after a place in the queue: a run to be merged, if any, and where to go on."""

    run: Run | None
    after_no: int
    open_readings: int  # in the run that may still grow
    open_size: int


def find_run(conn: sqlite3.Connection, after_no: int) -> Found:
    rows = conn.execute(
        """
        SELECT no, stream_no, first_seq, last_seq, size FROM frozen
         WHERE no > ? AND state = ? AND kind = ? ORDER BY no LIMIT ?
        """,
        (after_no, State.NEVER_LEFT, Kind.READINGS, LOOKED_AT_MAX),
    ).fetchall()
    last = None
    for run in _runs(rows):
        if last is not None:
            if len(last.nos) > 1:
                return Found(run=last, after_no=last.nos[-1], open_readings=0, open_size=0)
            after_no = last.nos[-1]
        last = run
    if last is None:
        return Found(run=None, after_no=after_no, open_readings=0, open_size=0)
    return Found(run=None, after_no=after_no, open_readings=last.readings, open_size=last.size)


def merged(conn: sqlite3.Connection, run: Run) -> Proven | None:
    """None: one of them is no longer what it was, or they do not fit after all."""
    batches = []
    for no in run.nos:
        row = conn.execute("SELECT payload, size, crc FROM frozen WHERE no = ?", (no,)).fetchone()
        said = proven(*row)
        message = codec.decode(said.payload) if said is not None else None
        if not isinstance(message, ReadingBatch):
            return None
        batches.append(message)
    one = merge(batches)
    return spoken(codec.encode(one)) if one is not None else None


def _runs(rows: Sequence[tuple[int, int, int, int, int]]) -> Iterator[Run]:
    run: Run | None = None
    for no, stream_no, first_seq, last_seq, size in rows:
        readings = last_seq - first_seq + 1
        joins = (
            run is not None
            and run.stream_no == stream_no
            and run.last_seq + 1 == first_seq
            and max(run.readings // len(run.nos), readings) <= SMALL_READINGS_MAX
            and run.readings + readings <= MERGED_READINGS_MAX
            and run.size + size - HEAD_BYTES <= MERGED_BYTES_MAX
        )
        if run is not None and joins:
            run.nos.append(no)
            run.last_seq = last_seq
            run.readings += readings
            run.size += size - HEAD_BYTES
            continue
        if run is not None:
            yield run
        run = Run(nos=[no], stream_no=stream_no, last_seq=last_seq, readings=readings, size=size)
    if run is not None:
        yield run
