"""Readings on disk until the cloud has committed them, and for a while after.

One row is one group commit: the readings of half a second, encoded once, ready to be sent as they
are. Writing, freezing and encoding are one step, so nothing is worked out again at a resend.

    never left ──mark_leaving──▶ may have left ──forget──▶ acknowledged ──▶ trimmed away
                                       ▲                        │
                                       └───────take_back────────┘

What is acknowledged stays while there is room for it (the tail): a cloud that was restored from a
backup has acknowledged what it no longer has. What never left may still be merged (`compacting`),
and thinned or given up when the disk quota is reached (`room`). From `may have left` on the cloud
may have the row, so its bytes stay what they are.

`rows` and `remembered` say what stands in the file, `opening` how it is opened, `salvage` what
becomes of a damaged one.
"""

import logging
import secrets
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from edge_agent.core.anchor import Step
from edge_agent.core.freeze import Frozen, freeze, freeze_gap, freeze_step
from edge_agent.core.journal import owed
from edge_agent.core.merge import MERGED_BYTES_MAX, MERGED_READINGS_MAX
from edge_agent.core.ranges import between, joined, without
from edge_agent.core.reading import Reading
from edge_agent.core.remembered import Remembered, remembered_after
from edge_agent.core.stream import Batch
from edge_agent.sqlite import remembered
from edge_agent.sqlite.compacting import HEAD_BYTES, Found, find_run, merged
from edge_agent.sqlite.journal import Journal, Left
from edge_agent.sqlite.opening import Connect, SpoolError, code, number
from edge_agent.sqlite.room import (
    ROOM_BYTES,
    Change,
    give_up_oldest,
    thin_oldest,
    trim,
)
from edge_agent.sqlite.rows import (
    ROW_BYTES,
    State,
    find_stream,
    inflated,
    insert,
    is_whole,
    mark,
    put_last,
    replace,
    runs,
    spoken,
)
from edge_agent.sqlite.salvage import open_sound
from edge_agent.wire.messages import BATCH_READINGS_MAX

TAIL_BYTES = 50 * 1024 * 1024
TAIL_S = 24 * 3600.0
TAIL_AGES = 24
TRIM_BYTES_MAX = 1024 * 1024

# Before, nobody had set the clock; after, somebody had set it wrong.
CLOCK_MS_MIN = 1_750_000_000_000  # June 2025
CLOCK_MS_MAX = 4_102_444_800_000  # 2100

GONE = "acknowledged, then lost by the cloud, and no longer kept by the gateway"
DAMAGED = "damaged on the gateway's disk"

_Written = TypeVar("_Written")

log = logging.getLogger(__name__)

__all__ = ["Spool", "SpoolError", "SpoolFullError"]


class SpoolFullError(Exception):
    """No room: none in the quota, where nothing more may be given up, or none on the partition."""


class Spool:
    """Open with `Spool.open`. Any exception but `SpoolFullError` ends this spool's life.

    A failed commit is neither yes nor no: the row may be there after a restart. So the agent must
    end and start again, with a new stream, whose numbers cannot be taken for others. Only a write
    that found no room is a plain no: nothing was flushed, and the log has no end of a commit.
    """

    def __init__(
        self,
        conn: sqlite3.Connection,
        *,
        tail_bytes: int,
        tail_s: float,
        now_ms: int,
        monotonic_s: Callable[[], float],
        journal: Journal | None,
    ) -> None:
        self.stream = secrets.token_hex(16)
        self._journal = journal
        self.given_up = 0  # readings, since the start
        self._conn = conn
        self._tail_bytes_max = tail_bytes
        self._tail_s = tail_s
        self._monotonic_s = monotonic_s
        self._next_seq = 1
        self._remembered = remembered.load(conn)
        self._newest_no = number(conn, "SELECT coalesce(max(no), 0) FROM frozen")
        self._rows = number(conn, "SELECT count(*) FROM frozen WHERE state < ?", State.ACKNOWLEDGED)
        self._tail_bytes = number(
            conn,
            "SELECT coalesce(sum(length(payload) + ?), 0) FROM frozen WHERE state >= ?",
            ROW_BYTES,
            State.ACKNOWLEDGED,
        )
        self._acknowledged: set[int] = set()  # marked with the next commit
        self._left: set[int] = set()  # sent, though the mark found no room on the partition yet
        self._none_waits_upto = 0
        self._thinned_upto = 0
        self._compacted_upto = 0
        self._uncompacted: tuple[int, int] | None = None  # readings and bytes; None: not looked
        self._ages: deque[tuple[float, int]] = deque([(monotonic_s(), 0)])
        self._old_below_no = 0
        self.life, self._stream_no = self._begin_life(now_ms)

    @classmethod
    def open(
        cls,
        path: Path,
        bytes_max: int,
        *,
        tail_bytes: int = TAIL_BYTES,
        tail_s: float = TAIL_S,
        now_ms: int = 0,
        connect: Connect = sqlite3.connect,
        monotonic_s: Callable[[], float] = time.monotonic,
        journal: Journal | None = None,
    ) -> "Spool":
        """The spool at `path`, made if it is not there. A damaged file is kept beside it.

        What `journal` has of a life that was killed is taken in; from then on it is the spool's.

        `now_ms` is what the wall clock says; one that nobody set is not believed. `connect` is
        another than SQLite's own where a test puts a disk of its own below.
        """
        conn, damaged, told = open_sound(path, connect)
        try:
            spool = cls(
                conn,
                tail_bytes=tail_bytes,
                tail_s=tail_s,
                now_ms=now_ms,
                monotonic_s=monotonic_s,
                journal=journal,
            )
            if damaged or told:
                spool._tell_damage(damaged, told)
            if journal is not None:
                spool._take_in(journal.left())
                journal.begin(spool.stream, spool.life, spool._next_seq - 1)
            # Not earlier: what was saved from a damaged file, or taken in, must find its room.
            pages = bytes_max // number(conn, "PRAGMA page_size")
            conn.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        except SpoolFullError as error:
            conn.close()
            raise SpoolError(f"{path}: {error}") from error
        except sqlite3.Error as error:
            conn.close()
            raise SpoolError(f"{path}: {error}") from error
        return spool

    @property
    def newest_no(self) -> int:
        return self._newest_no

    @property
    def unsettled(self) -> int:
        """Acknowledged batches that the disk does not know to be."""
        return len(self._acknowledged)

    @property
    def remembered(self) -> Remembered:
        """As of the newest commit: a restart of the agent counts nothing twice."""
        return self._remembered

    def backlog(self) -> int:
        """Batches the cloud has not acknowledged."""
        return self._rows

    def append(self, readings: Sequence[Reading], *, leaving: bool = False) -> tuple[Batch, ...]:
        """Durable when this returns. `leaving` says that they will be sent at once.

        One batch, or more when the wire's limits ask for it.
        """
        frozen = freeze(self.stream, self._next_seq, readings, life=self.life)
        state = State.MAY_HAVE_LEFT if leaving else State.NEVER_LEFT
        batches = self._append(frozen, state, readings)
        if self._journal is not None:
            self._journal.committed(len(readings), batches[-1].last_seq)
        return batches

    def append_step(self, step_ms: int, because: str) -> Batch:
        """The clock was set: takes one number, and is kept and sent like a batch."""
        step = freeze_step(self.stream, self._next_seq, step_ms, because, life=self.life)
        (batch,) = self._append([step], State.NEVER_LEFT, ())
        if self._journal is not None:
            self._journal.committed(0, batch.last_seq)
        return batch

    def know_time(self, offset_ms: int, *, trusted: bool, step: Step | None) -> None:
        """What an `append` would say of times now, and the step that is to be kept before it."""
        if self._journal is not None:
            self._journal.know_time(offset_ms, trusted=trusted, step=step)

    def oldest(self, after_no: int, limit: int) -> list[Batch]:
        """The first `limit` batches after `after_no` that still have to be acknowledged."""
        from_start = after_no <= self._none_waits_upto
        rows = self._conn.execute(
            """
            SELECT no, stream, first_seq, last_seq, size FROM frozen JOIN stream USING (stream_no)
             WHERE no > ? AND state < ? ORDER BY no LIMIT ?
            """,
            (
                max(after_no, self._none_waits_upto),
                State.ACKNOWLEDGED,
                limit + len(self._acknowledged),
            ),
        ).fetchall()
        if from_start:
            # The tail stands before the backlog: it is walked through once.
            self._none_waits_upto = rows[0][0] - 1 if rows else self._newest_no
        return [
            Batch(no=no, stream=stream, first_seq=first, last_seq=last, size_bytes=size)
            for no, stream, first, last, size in rows
            if no not in self._acknowledged
        ][:limit]

    def load(self, no: int) -> bytes | None:
        """The bytes to send, exactly as frozen. None: gone, acknowledged, or damaged since."""
        row = self._conn.execute(
            """
            SELECT stream, first_seq, last_seq, kind, size, crc, payload
              FROM frozen JOIN stream USING (stream_no) WHERE no = ? AND state < ?
            """,
            (no, State.ACKNOWLEDGED),
        ).fetchone()
        if row is None or no in self._acknowledged:
            return None
        payload = inflated(row[6], row[4]) if is_whole(row) else None
        if payload is None:
            with suppress(SpoolFullError, _QuotaError):
                self._tell_damage([no], "")
        return payload

    def mark_leaving(self, nos: Iterable[int]) -> None:
        """To be called before a batch is sent for the first time: from here on its bytes stay."""
        new = [
            no
            for first, last in runs(nos)
            for (no,) in self._conn.execute(
                "SELECT no FROM frozen WHERE no BETWEEN ? AND ? AND state = ?",
                (first, last, State.NEVER_LEFT),
            )
        ]
        if new:
            self._left.update(new)
            self._settle()

    def forget(self, nos: Iterable[int]) -> None:
        """The cloud has committed these. The disk learns it with the next commit, or `settle`.

        A commit of their own would double what a memory card has to write. If the power goes
        first, they are sent again, and the cloud knows them.
        """
        new = set(nos) - self._acknowledged
        self._acknowledged |= new
        self._rows -= len(new)

    def settle(self) -> None:
        """Write down what was forgotten."""
        if self._acknowledged or self._left:
            self._settle()

    def kept(self) -> dict[str, list[tuple[int, int]]]:
        """By stream, the newest first: ranges that are acknowledged and still on disk."""
        held: dict[str, list[tuple[int, int]]] = {}
        for no, stream, first, last, state in self._conn.execute(
            """
            SELECT no, stream, first_seq, last_seq, state FROM frozen JOIN stream USING (stream_no)
             WHERE state != ? ORDER BY life DESC, stream_no DESC, first_seq
            """,
            (State.DAMAGED,),
        ):
            if state != State.ACKNOWLEDGED and no not in self._acknowledged:
                continue
            ranges = held.setdefault(stream, [])
            if ranges and ranges[-1][1] + 1 >= first:
                ranges[-1] = (ranges[-1][0], max(last, ranges[-1][1]))
            else:
                ranges.append((first, last))
        return held

    def take_back(self, stream: str, missing: Sequence[tuple[int, int]]) -> int | None:
        """The cloud no longer has these: they wait again, and a gap tells of what is not kept.

        The lowest place in the queue that is to be sent again; None when there is none.
        """
        found = self._conn.execute(
            "SELECT stream_no, life FROM stream WHERE stream = ?", (stream,)
        ).fetchone()
        if found is None:
            return None
        stream_no, life = int(found[0]), int(found[1])
        back, gaps = self._with_room(partial(self._take_back, stream, stream_no, life, missing))
        again = [*back, *range(self._newest_no + 1, self._newest_no + gaps + 1)]
        self._newest_no += gaps
        if not again:
            return None
        self._none_waits_upto = min(self._none_waits_upto, min(again) - 1)
        return int(min(again))

    def _take_back(
        self,
        stream: str,
        stream_no: int,
        life: int,
        missing: Sequence[tuple[int, int]],
        change: Change,
    ) -> tuple[list[int], int]:
        """The batches that wait again, and how many gaps had to be added."""
        held = self._conn.execute(
            "SELECT no, first_seq, last_seq, state FROM frozen WHERE stream_no = ? AND state != ?",
            (stream_no, State.DAMAGED),
        ).fetchall()
        back = [
            no
            for no, first, last, state in held
            if state == State.ACKNOWLEDGED and _touches(missing, first, last)
        ]
        self._wait_again(change, back)
        ranges = [(first, last) for _, first, last, _ in held]
        own = stream == self.stream
        ever = self._next_seq - 1 if own else max((last for _, last in ranges), default=0)
        asked = [(first, min(last, ever)) for first, last in missing if first <= ever]
        gaps = [
            freeze_gap(stream, first, last, GONE, life=life)
            for first, last in without(asked, ranges)
        ]
        change.waiting += put_last(self._conn, self._newest_no, gaps)
        return back, len(gaps)

    def compact(self) -> bool:
        """Merge one run of small batches that never left; whether there may be more to do.

        To be called when there is nothing better to do. What is sent soon is not worth it.
        """
        if self._uncompacted is not None:
            readings, size = self._uncompacted
            if readings < MERGED_READINGS_MAX and size < MERGED_BYTES_MAX:
                return False
        self.settle()
        if self._left:
            return False
        found = find_run(self._conn, self._compacted_upto)
        try:
            self._merge(found)
        except (SpoolFullError, _QuotaError):
            return False
        self._compacted_upto = found.after_no
        self._uncompacted = (found.open_readings, found.open_size) if found.run is None else None
        return found.run is not None

    def close(self) -> None:
        self._conn.close()
        if self._journal is not None:
            self._journal.close()

    def _begin_life(self, now_ms: int) -> tuple[int, int]:
        """Of the streams before, what nothing refers to any more is cleared away."""
        life = number(self._conn, "SELECT coalesce(max(life), 0) FROM stream") + 1
        if CLOCK_MS_MIN <= now_ms <= CLOCK_MS_MAX:
            life = max(life, now_ms // 1000)
        with self._commit():
            self._conn.execute(
                "DELETE FROM stream WHERE stream_no NOT IN (SELECT stream_no FROM frozen)"
            )
            stream_no = find_stream(self._conn, self.stream, life)
        return life, stream_no

    def _take_in(self, left: Left | None) -> None:
        """What was taken and not yet committed when the life before was killed.

        Under the numbers that it was to have: killed again right after, the same finds nothing.
        """
        if left is None:
            return
        of = left.mark
        held_seq = number(
            self._conn,
            """
            SELECT coalesce(max(last_seq), 0) FROM frozen JOIN stream USING (stream_no)
             WHERE stream = ? AND state != ?
            """,
            of.stream,
            State.DAMAGED,
        )
        found = owed(of, left.notes, held_seq)
        if found.step is None and not found.readings:
            return
        frozen = found.frozen(of.stream, of.life)
        after = remembered_after(self._remembered, found.readings)
        self._with_room(partial(self._put_owed, frozen, after))
        self._newest_no += len(frozen)
        self._remembered = after
        log.warning(
            "the agent was killed: %d readings that it had taken are kept", len(found.readings)
        )

    def _put_owed(self, frozen: Sequence[Frozen], after: Remembered, change: Change) -> None:
        change.waiting += put_last(self._conn, self._newest_no, frozen)
        remembered.keep(self._conn, self._remembered, after)

    def _append(
        self, frozen: Sequence[Frozen], state: State, readings: Sequence[Reading]
    ) -> tuple[Batch, ...]:
        after = remembered_after(self._remembered, readings)
        batches = self._with_room(partial(self._put, frozen, state, after))
        self._remembered = after
        # Only now: a number is used up when it is on disk, and not before.
        self._next_seq = frozen[-1].last_seq + 1
        self._newest_no = batches[-1].no
        self._note_uncompacted(batches, state)
        return batches

    def _put(
        self, frozen: Sequence[Frozen], state: State, after: Remembered, change: Change
    ) -> tuple[Batch, ...]:
        batches = tuple(
            self._insert(no, batch, state)
            for no, batch in enumerate(frozen, start=self._newest_no + 1)
        )
        remembered.keep(self._conn, self._remembered, after)
        change.waiting += len(batches)
        return batches

    def _with_room(self, write: Callable[[Change], _Written]) -> _Written:
        """What `write` returns, once it is on disk; what is oldest goes if the quota is reached."""
        while True:
            try:
                with self._commit() as change:
                    written = write(change)
            except _QuotaError:
                self._make_room()
            else:
                return written

    def _insert(self, no: int, frozen: Frozen, state: State) -> Batch:
        said = spoken(frozen.payload)
        assert said is not None, "just frozen"
        insert(self._conn, no, said, state, self._stream_no)
        return Batch(
            no=no,
            stream=self.stream,
            first_seq=frozen.first_seq,
            last_seq=frozen.last_seq,
            size_bytes=len(frozen.payload),
        )

    @contextmanager
    def _commit(self) -> Iterator[Change]:
        """Everything in it or nothing; what was acknowledged, and what has left, goes with it."""
        change = Change()
        settled, left = frozenset(self._acknowledged), frozenset(self._left)
        self._conn.execute("BEGIN IMMEDIATE")
        try:
            mark(self._conn, left, State.MAY_HAVE_LEFT)
            self._acknowledge(change, settled)
            yield change
            self._trim(change)
        except BaseException as error:
            self._roll_back()
            if code(error) == sqlite3.SQLITE_FULL:
                raise _QuotaError from error
            raise
        try:
            self._conn.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            if code(error) == sqlite3.SQLITE_FULL:
                raise SpoolFullError("the partition is full") from error
            raise
        self._acknowledged -= settled
        self._left -= left
        self._rows += change.waiting
        self._tail_bytes += change.tail_bytes
        self.given_up += change.given_up

    def _roll_back(self) -> None:
        if self._conn.in_transaction:
            self._conn.execute("ROLLBACK")

    def _settle(self) -> None:
        # Without room they stay in memory: after a cut they are sent again, and known there.
        with suppress(SpoolFullError, _QuotaError), self._commit():
            pass

    def _acknowledge(self, change: Change, nos: Iterable[int]) -> None:
        for first, last in runs(nos):
            change.tail_bytes += self._bytes_of(first, last)
        mark(self._conn, nos, State.ACKNOWLEDGED)

    def _bytes_of(self, first: int, last: int) -> int:
        return number(
            self._conn,
            """
            SELECT coalesce(sum(length(payload) + ?), 0) FROM frozen WHERE no BETWEEN ? AND ?
            """,
            ROW_BYTES,
            first,
            last,
        )

    def _wait_again(self, change: Change, nos: Iterable[int]) -> None:
        for first, last in runs(nos):
            change.tail_bytes -= self._bytes_of(first, last)
            change.waiting += last - first + 1
        mark(self._conn, nos, State.MAY_HAVE_LEFT)

    def _trim(self, change: Change) -> None:
        """The tail is bounded in bytes and in time, and shortened in lumps."""
        self._grow_older()
        surplus = self._tail_bytes + change.tail_bytes - self._tail_bytes_max
        if surplus > ROOM_BYTES:
            trim(self._conn, change, min(surplus, TRIM_BYTES_MAX), self._newest_no)
        elif self._old_below_no:
            before = change.freed_bytes
            trim(self._conn, change, TRIM_BYTES_MAX, min(self._old_below_no, self._newest_no))
            if change.freed_bytes == before:
                self._old_below_no = 0

    def _grow_older(self) -> None:
        """Without a time beside each row: all before the first that waits was acknowledged."""
        now_s = self._monotonic_s()
        if now_s - self._ages[-1][0] >= self._tail_s / TAIL_AGES:
            waiting = self._conn.execute(
                "SELECT no FROM frozen WHERE no > ? AND state < ? ORDER BY no LIMIT 1",
                (self._none_waits_upto, State.ACKNOWLEDGED),
            ).fetchone()
            self._ages.append((now_s, waiting[0] if waiting else self._newest_no))
        while len(self._ages) > 1 and self._ages[0][0] <= now_s - self._tail_s:
            self._old_below_no = max(self._old_below_no, self._ages.popleft()[1])

    def _make_room(self) -> None:
        try:
            self._free(thinning=True)
        except _QuotaError:
            # So full that what is left of a thinned run finds no page; a gap always does.
            try:
                self._free(thinning=False)
            except _QuotaError as error:
                raise SpoolFullError("the quota is reached") from error

    def _free(self, *, thinning: bool) -> None:
        thinned_upto = self._thinned_upto
        with self._commit() as change:
            trim(self._conn, change, ROOM_BYTES, self._newest_no)
            if thinning and not change.freed_bytes:
                thinned_upto = thin_oldest(self._conn, change, ROOM_BYTES, thinned_upto)
            if not change.freed_bytes:
                give_up_oldest(self._conn, change, ROOM_BYTES)
            if not change.freed_bytes:
                raise SpoolFullError("the quota is reached, and all may have been sent")
        self._thinned_upto = thinned_upto

    def _note_uncompacted(self, batches: Sequence[Batch], state: State) -> None:
        if self._uncompacted is not None and state == State.NEVER_LEFT:
            readings, size = self._uncompacted
            for batch in batches:
                readings += batch.last_seq - batch.first_seq + 1
                size += batch.size_bytes - HEAD_BYTES
            self._uncompacted = readings, size

    def _merge(self, found: Found) -> None:
        if found.run is None:
            return
        one = merged(self._conn, found.run)
        if one is not None:
            with self._commit() as change:
                replace(self._conn, found.run.nos, one)
                change.waiting -= len(found.run.nos) - 1

    def _tell_damage(self, nos: Sequence[int], told: str) -> None:
        """They are kept, and never sent; gaps say what they held, as far as anybody knows.

        What nobody knows is told too: `told`, as a gap of the one number that it takes.
        """
        for no in nos:
            log.error("batch %d of the spool is damaged: it is kept, and never sent", no)
        next_seq = self._next_seq
        with self._commit() as change:
            lost = [row for no in nos for row in self._put_aside(change, no)]
            gaps = []
            for stream_no in dict.fromkeys(row[0] for row in lost):
                gaps += self._gaps_for(stream_no, [row[1:] for row in lost if row[0] == stream_no])
            if told:
                gaps.append(freeze_gap(self.stream, next_seq, next_seq, told, life=self.life))
                next_seq += 1
            change.waiting += put_last(self._conn, self._newest_no, gaps)
        self._newest_no += len(gaps)
        self._next_seq = next_seq

    def _put_aside(self, change: Change, no: int) -> list[tuple[int, int, int]]:
        """What its row says that it held: (stream_no, first_seq, last_seq); none if not waiting."""
        (*said, state) = self._conn.execute(
            "SELECT stream_no, first_seq, last_seq, state FROM frozen WHERE no = ?", (no,)
        ).fetchone()
        mark(self._conn, [no], State.DAMAGED)
        if state >= State.ACKNOWLEDGED:
            return []
        change.waiting -= 1
        change.tail_bytes += self._bytes_of(no, no)
        return [(said[0], said[1], said[2])]

    def _gaps_for(self, stream_no: int, said: Sequence[tuple[int, int]]) -> list[Frozen]:
        """What lies between whole batches, and what damaged rows say, if that is no nonsense."""
        named = self._conn.execute(
            "SELECT stream, life FROM stream WHERE stream_no = ?", (stream_no,)
        ).fetchone()
        if named is None:
            return []
        held = self._conn.execute(
            "SELECT first_seq, last_seq FROM frozen WHERE stream_no = ? AND state != ?",
            (stream_no, State.DAMAGED),
        ).fetchall()
        sane = [
            (first, last)
            for first, last in said
            if isinstance(first, int)
            and isinstance(last, int)
            and 0 < first <= last < first + BATCH_READINGS_MAX
        ]
        lost = [*without(sane, held), *between(held)]
        return [
            freeze_gap(named[0], first, last, DAMAGED, life=named[1])
            for first, last in joined(lost)
        ]


class _QuotaError(Exception):
    """A row found no page left within the quota."""


def _touches(ranges: Iterable[tuple[int, int]], first: int, last: int) -> bool:
    return any(one[0] <= last and first <= one[1] for one in ranges)
