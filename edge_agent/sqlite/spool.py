"""Readings on disk until the cloud has committed them.

One row is one group commit: the readings of half a second, encoded once, ready to be sent as they
are. Writing, freezing and encoding are one step, so nothing is worked out again at a resend.

    batch(no, stream, first_seq, last_seq, state, gap, payload, crc)
    counter(sensor, value, total)       what the newest total of each counter was taken from

    no      place in the queue; AUTOINCREMENT, because a number must not come back (pitfall: after
            the acknowledged rows are gone, SQLite would start again at 1)
    state   0 never left this machine · 1 may have left it
    gap     the payload says that these readings were given up

A row of state 0 may still be given up when the disk quota is reached; a `Gap` takes its place.
From state 1 on, the cloud may have the row, so its bytes stay what they are until the cloud's `Ack`
covers them.

WAL with synchronous=FULL: a commit that returned survives a power cut (with NORMAL it does not,
and the numbers would be used twice). One exclusive connection, handed from thread to thread at
most once: SQLite before 3.51.3 can corrupt the file when two connections write.
"""

import contextlib
import logging
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from edge_agent.core.count import CounterState
from edge_agent.core.freeze import Frozen, freeze, freeze_gap
from edge_agent.core.reading import Reading, Total
from edge_agent.core.stream import Batch

SCHEMA_VERSION = 2
PAGE_BYTES = 4096
WAL_BYTES_KEPT = 4 * 1024 * 1024
GIVE_UP_BYTES_MIN = 64 * 1024
CORRUPT_FILES_MAX = 100
NO_MAX = 2**53

# Python cannot even quote some of what SQLite says about a damaged file.
_TROUBLE = (sqlite3.Error, UnicodeDecodeError, ValueError, TypeError)

# The disk's or the system's fault: another file would fare no better.
_OUTSIDE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CANTOPEN,
)

_NEVER_LEFT, _MAY_HAVE_LEFT = 0, 1

_SCHEMA = """CREATE TABLE batch (
    no        INTEGER PRIMARY KEY AUTOINCREMENT,
    stream    TEXT    NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    gap       INTEGER NOT NULL,
    payload   BLOB    NOT NULL,
    crc       INTEGER NOT NULL
)"""
_COUNTER_SCHEMA = """CREATE TABLE counter (
        sensor TEXT    PRIMARY KEY,
        value  INTEGER NOT NULL,
        total  INTEGER NOT NULL
    ) WITHOUT ROWID"""
_INSERT = """
    INSERT INTO batch (stream, first_seq, last_seq, state, gap, payload, crc)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""

log = logging.getLogger(__name__)


class SpoolError(Exception):
    """The spool cannot be opened: why, and what to do."""


class SpoolFullError(Exception):
    """The quota is reached and all that is left may have been sent, so nothing may be given up."""


class Spool:
    """Open with `Spool.open`. Any exception but `SpoolFullError` ends this spool's life.

    A failed commit is neither yes nor no: the row may be there after a restart. So the agent must
    end and start again, with a new stream, whose numbers cannot be taken for others.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.stream = secrets.token_hex(16)
        self.given_up = 0  # readings, since the start
        self._conn = conn
        self._next_seq = 1
        self._acknowledged: set[int] = set()  # still on disk, gone with the next commit
        self._unreadable = _not_whole(conn)
        self._rows = _number(conn, "SELECT count(*) FROM batch")
        self._newest_no = _number(conn, "SELECT coalesce(max(no), 0) FROM batch")

    @classmethod
    def open(cls, path: Path, bytes_max: int) -> "Spool":
        """The spool at `path`, made if it is not there. A damaged file is kept beside it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolError(f"{path.parent}: {error}. Allowed: a folder we may write") from error
        try:
            conn = _connect(path)
        except _DamagedError as damage:
            _start_anew(path, damage)
            conn = _connect(path)
        _sync_folder(path.parent)
        # Not earlier: what was saved from a damaged file must find its room.
        conn.execute(f"PRAGMA max_page_count = {bytes_max // PAGE_BYTES}").fetchall()
        return cls(conn)

    @property
    def newest_no(self) -> int:
        return self._newest_no

    @property
    def unsettled(self) -> int:
        """Acknowledged batches that are still on disk."""
        return len(self._acknowledged)

    def counters(self) -> dict[str, CounterState]:
        """By sensor, as of the newest commit: a restart of the agent counts nothing twice."""
        rows = self._conn.execute("SELECT sensor, value, total FROM counter")
        return {sensor: CounterState(value=value, total=total) for sensor, value, total in rows}

    def backlog(self) -> int:
        """Batches the cloud has not acknowledged."""
        return self._rows - len(self._unreadable)

    def append(self, readings: Sequence[Reading], *, leaving: bool = False) -> tuple[Batch, ...]:
        """Durable when this returns. `leaving` says that they will be sent at once.

        One batch, or more when the wire's limits ask for it.
        """
        frozen = freeze(self.stream, self._next_seq, readings)
        state = _MAY_HAVE_LEFT if leaving else _NEVER_LEFT
        give_up_bytes = 0
        while True:
            try:
                with self._transaction():
                    given_up = self._give_up(give_up_bytes) if give_up_bytes else (0, 0)
                    batches = tuple(self._insert(batch, state) for batch in frozen)
                    self._keep_counters(readings)
                break
            except _QuotaError:
                if give_up_bytes > self._bytes_held():
                    raise SpoolFullError from None
                give_up_bytes = max(GIVE_UP_BYTES_MIN, give_up_bytes * 2)
        # Only now: a number is used up when it is on disk, and not before.
        self._next_seq = frozen[-1].last_seq + 1
        self._newest_no = batches[-1].no
        self._rows += len(batches) - given_up[0]
        self.given_up += given_up[1]
        return batches

    def oldest(self, after_no: int, limit: int) -> list[Batch]:
        """The first `limit` batches after `after_no` that still have to be acknowledged."""
        hidden = self._acknowledged | self._unreadable
        rows = self._conn.execute(
            """
            SELECT no, stream, first_seq, last_seq, length(payload) FROM batch
             WHERE no > ? ORDER BY no LIMIT ?
            """,
            (after_no, limit + len(hidden)),
        )
        batches = (
            Batch(no=no, stream=stream, first_seq=first, last_seq=last, size_bytes=size)
            for no, stream, first, last, size in rows
        )
        return [batch for batch in batches if batch.no not in hidden][:limit]

    def load(self, no: int) -> bytes | None:
        """The bytes to send, exactly as frozen. None: gone, or no longer what they were."""
        row = self._conn.execute(
            "SELECT stream, first_seq, last_seq, payload, crc FROM batch WHERE no = ?", (no,)
        ).fetchone()
        if row is None or no in self._acknowledged | self._unreadable:
            return None
        if _is_whole(row):
            return bytes(row[3])
        _tell_damage(no)
        self._unreadable.add(no)
        return None

    def mark_leaving(self, nos: Iterable[int]) -> None:
        """To be called before a batch is sent for the first time: from here on its bytes stay."""
        marks = ", ".join(str(int(no)) for no in nos)
        waiting = f"batch WHERE no IN ({marks}) AND state = {_NEVER_LEFT}"
        if _number(self._conn, f"SELECT count(*) FROM {waiting}"):  # noqa: S608 - integers
            first = f"UPDATE batch SET state = {_MAY_HAVE_LEFT} WHERE no IN ({marks})"  # noqa: S608 - integers
            with self._transaction():
                self._conn.execute(first)

    def forget(self, nos: Iterable[int]) -> None:
        """The cloud has committed these. They leave the disk with the next commit, or `settle`.

        A commit of their own would double what a memory card has to write. If the power goes
        first, they are sent again, and the cloud knows them.
        """
        new = set(nos) - self._acknowledged
        self._acknowledged |= new
        self._rows -= len(new)

    def settle(self) -> None:
        """Write down what was forgotten."""
        if self._acknowledged:
            with self._transaction():
                pass

    def close(self) -> None:
        self._conn.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Everything in it or nothing, and what was acknowledged goes out with it."""
        leaving = sorted(self._acknowledged)
        self._conn.execute("BEGIN IMMEDIATE")
        try:
            self._delete(leaving)
            yield
        except BaseException as error:
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
            if _code(error) == sqlite3.SQLITE_FULL:
                raise _QuotaError from error
            raise
        self._conn.execute("COMMIT")
        self._acknowledged.difference_update(leaving)

    def _insert(self, frozen: Frozen, state: int) -> Batch:
        crc = _crc(self.stream, frozen.first_seq, frozen.last_seq, frozen.payload)
        row = (self.stream, frozen.first_seq, frozen.last_seq, state, 0, frozen.payload, crc)
        no = self._conn.execute(_INSERT, row).lastrowid
        assert no is not None
        return Batch(
            no=no,
            stream=self.stream,
            first_seq=frozen.first_seq,
            last_seq=frozen.last_seq,
            size_bytes=len(frozen.payload),
        )

    def _keep_counters(self, readings: Sequence[Reading]) -> None:
        newest = {
            reading.sensor: reading.outcome.counter
            for reading in readings
            if isinstance(reading.outcome, Total) and reading.outcome.counter is not None
        }
        self._conn.executemany(
            "INSERT OR REPLACE INTO counter (sensor, value, total) VALUES (?, ?, ?)",
            [(sensor, state.value, state.total) for sensor, state in newest.items()],
        )

    def _delete(self, nos: Sequence[int]) -> None:
        for first, last in _runs(nos):
            self._conn.execute("DELETE FROM batch WHERE no BETWEEN ? AND ?", (first, last))

    def _bytes_held(self) -> int:
        return PAGE_BYTES * _number(self._conn, "PRAGMA page_count")

    def _give_up(self, at_least_bytes: int) -> tuple[int, int]:
        """Put gaps in the place of the oldest batches that never left: (rows, readings) given up.

        Only those: of a batch that may have left, the cloud may hold the range already.
        """
        held = 0
        oldest = []
        for row in self._conn.execute(
            """
            SELECT no, stream, first_seq, last_seq, gap, length(payload) FROM batch
             WHERE state = ? ORDER BY no
            """,
            (_NEVER_LEFT,),
        ):
            if row[0] in self._unreadable:
                continue
            oldest.append(row)
            held += 0 if row[4] else row[5]
            if held >= at_least_bytes:
                break
        rows = readings = 0
        for run in _adjacent(oldest):
            lost = sum(last - first + 1 for _, _, first, last, gap, _ in run if not gap)
            if lost:
                self._replace(run)
                rows += len(run) - 1
                readings += lost
        return rows, readings

    def _replace(self, run: Sequence[tuple[int, str, int, int, int, int]]) -> None:
        """One gap for a run of batches, at the place of its first."""
        no, stream, first_seq, *_ = run[0]
        last_seq = run[-1][3]
        gap = freeze_gap(stream, first_seq, last_seq, "the gateway's spool was full")
        self._delete([row[0] for row in run[1:]])
        self._conn.execute(
            "UPDATE batch SET last_seq = ?, gap = 1, payload = ?, crc = ? WHERE no = ?",
            (last_seq, gap.payload, _crc(stream, first_seq, last_seq, gap.payload), no),
        )


class _DamagedError(Exception):
    """The file is there, and SQLite cannot trust it."""


class _QuotaError(Exception):
    """An insert found no page left within the quota."""


def _connect(path: Path) -> sqlite3.Connection:
    try:
        # The thread that opens hands the connection to the one that drains, and never looks back.
        conn = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
        conn.text_factory = _text
    except sqlite3.Error as error:
        raise SpoolError(f"{path}: {error}. Allowed: a file in a folder we may write") from error
    try:
        _prepare(conn)
    except _TROUBLE as error:
        conn.close()
        raise _why(path, error) from error
    except BaseException:
        conn.close()
        raise
    return conn


def _prepare(conn: sqlite3.Connection) -> None:
    for pragma in (
        f"page_size = {PAGE_BYTES}",
        "locking_mode = EXCLUSIVE",  # before WAL: no shared memory, and a second agent is refused
        "journal_mode = WAL",
        "synchronous = FULL",
        "mmap_size = 0",
        f"journal_size_limit = {WAL_BYTES_KEPT}",
    ):
        conn.execute(f"PRAGMA {pragma}").fetchall()
    conn.execute("BEGIN IMMEDIATE")  # takes the lock, and keeps it
    conn.execute("COMMIT")
    mode = conn.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        raise _DamagedError(f"it cannot keep a write-ahead log, only {mode!r}")
    found = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _DamagedError(found)
    if not conn.execute("SELECT 1 FROM sqlite_schema").fetchall():
        conn.execute("BEGIN IMMEDIATE")
        conn.execute(_SCHEMA)
        conn.execute(_COUNTER_SCHEMA)
        conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        conn.execute("COMMIT")
    elif _number(conn, "PRAGMA user_version") == 1:  # had no counters yet
        conn.execute("BEGIN IMMEDIATE")
        conn.execute(_COUNTER_SCHEMA)
        conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        conn.execute("COMMIT")
    _check_schema(conn)
    # Writes: a bit in the head of the file can forbid it, and an append would be late to find out.
    conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _check_schema(conn: sqlite3.Connection) -> None:
    """`quick_check` is content with any table; a flipped bit can rename a column of ours."""
    version = _number(conn, "PRAGMA user_version")
    if version != SCHEMA_VERSION:
        raise _DamagedError(f"version {version}, not {SCHEMA_VERSION}")
    found = conn.execute(
        "SELECT sql FROM sqlite_schema WHERE name != 'sqlite_sequence' ORDER BY name"
    ).fetchall()
    if found != [(_SCHEMA,), (_COUNTER_SCHEMA,)]:
        raise _DamagedError(f"other tables than ours: {found}")
    # Beyond, SQLite would say that the disk is full, and we would make room where none is needed.
    counts = conn.execute("SELECT seq FROM sqlite_sequence").fetchall()
    if not all(isinstance(seq, int) and 0 <= seq < NO_MAX for (seq,) in counts):
        raise _DamagedError("the count of the queue is no count")


def _why(path: Path, error: Exception) -> Exception:
    """Ours to refuse, or the file's fault? A damaged file must not stop the gateway for good."""
    code = _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SpoolError(f"{path}: another agent is using this spool; one at a time")
    if code in _OUTSIDE or not os.access(path, os.R_OK | os.W_OK):
        return SpoolError(f"{path}: {error}")
    return _DamagedError(str(error))


def _code(error: BaseException) -> int:
    """SQLite's primary result code; the extended ones carry more in the higher bits."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _number(conn: sqlite3.Connection, query: str) -> int:
    return int(conn.execute(query).fetchone()[0])


def _crc(stream: str, first_seq: int, last_seq: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(f"{stream} {first_seq} {last_seq}".encode()))


def _runs(nos: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Sorted numbers as closed ranges: a range is one walk through the tree."""
    for _, run in groupby(enumerate(nos), lambda pair: pair[1] - pair[0]):
        numbers = [no for _, no in run]
        yield numbers[0], numbers[-1]


def _adjacent(
    rows: Iterable[tuple[int, str, int, int, int, int]],
) -> Iterator[list[tuple[int, str, int, int, int, int]]]:
    """Runs of one stream without a number missing between two rows."""
    run: list[tuple[int, str, int, int, int, int]] = []
    for row in rows:
        if run and (row[1] != run[-1][1] or row[2] != run[-1][3] + 1):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _start_anew(path: Path, damage: _DamagedError) -> None:
    aside = _set_aside(path)
    log.error("the spool %s is damaged (%s): set aside as %s", path, damage, aside.name)
    with contextlib.closing(_connect(path)) as conn:
        saved = _salvage(aside, conn)
    log.error("%d batches could be read from %s and will be sent", saved, aside.name)


def _set_aside(path: Path) -> Path:
    """Move the file and what belongs to it to a name that is free. Nothing is removed."""
    for number in range(1, CORRUPT_FILES_MAX + 1):
        aside = path.with_name(f"{path.name}.corrupt-{number}")
        if aside.exists():
            continue
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        _sync_folder(path.parent)
        return aside
    raise SpoolError(f"{path}: damaged {CORRUPT_FILES_MAX} times; the disk wants replacing")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _salvage(aside: Path, into: sqlite3.Connection) -> int:
    """Copy what can still be read and proves to be what it was; return how many batches."""
    saved = 0
    with contextlib.closing(sqlite3.connect(aside, isolation_level=None)) as conn:
        conn.text_factory = _text
        into.execute("BEGIN IMMEDIATE")
        for no in _readable(conn):
            with contextlib.suppress(*_TROUBLE):
                # By place and not by name: a flipped bit can rename a column.
                _, stream, first_seq, last_seq, _, gap, payload, crc = conn.execute(
                    "SELECT * FROM batch WHERE rowid = ?", (no,)
                ).fetchone()
                if _is_whole((stream, first_seq, last_seq, payload, crc)):
                    # It may have left, whatever the damaged file says of that.
                    state = _MAY_HAVE_LEFT
                    row = (stream, first_seq, last_seq, state, gap == 1, payload, crc)
                    into.execute(_INSERT, row)
                    saved += 1
        into.execute("COMMIT")
    return saved


def _readable(conn: sqlite3.Connection) -> list[int]:
    """Numbers that can be reached, from both ends: the damage is likely between."""
    found: set[int] = set()
    for query in (
        "SELECT rowid FROM batch ORDER BY rowid",
        "SELECT rowid FROM batch ORDER BY rowid DESC",
    ):
        with contextlib.suppress(*_TROUBLE):
            for (no,) in conn.execute(query):
                if no in found and query.endswith("DESC"):
                    break
                found.add(no)
    return sorted(found)


def _is_whole(row: Sequence[object]) -> bool:
    """One flipped bit can make a number of a text: SQLite is content with any type anywhere."""
    stream, first_seq, last_seq, payload, crc = row[:5]
    return (
        isinstance(stream, str)
        and isinstance(first_seq, int)
        and isinstance(last_seq, int)
        and isinstance(payload, bytes)
        and crc == _crc(stream, first_seq, last_seq, payload)
    )


def _not_whole(conn: sqlite3.Connection) -> set[int]:
    rows = conn.execute("SELECT stream, first_seq, last_seq, payload, crc, no FROM batch")
    damaged = {row[5] for row in rows if not _is_whole(row)}
    for no in damaged:
        _tell_damage(no)
    return damaged


def _tell_damage(no: int) -> None:
    log.error("batch %d of the spool is damaged: it is kept, and never sent", no)


def _text(stored: bytes) -> str:
    """Damaged text is a value too; an exception here would end every start of the agent."""
    return stored.decode(errors="replace")
