"""The spool's file: made, opened, brought up to date, and refused when SQLite cannot trust it.

WAL with synchronous=FULL: a commit that returned survives a power cut (with NORMAL it does not,
and what was acknowledged to the poll loop is gone). One exclusive connection, handed from thread to
thread at most once: SQLite before 3.51.3 can corrupt the file when two connections write.
"""

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_agent.sqlite.remembered import COUNTER_TABLE, KNOWN_TABLE, keep_counters
from edge_agent.sqlite.rows import (
    FROZEN_TABLE,
    STREAM_TABLE,
    TROUBLE,
    Proven,
    State,
    find_stream,
    insert,
    spoken,
)

# 4: payloads may lie by columns. What version 3 wrote is read as it is.
SCHEMA_VERSION = 4
# In the order of their names.
TABLES = (COUNTER_TABLE, FROZEN_TABLE, KNOWN_TABLE, STREAM_TABLE)
# A commit touches few pages and is smaller than most: with 4096, twice as much would be written.
PAGE_BYTES = 512
WAL_BYTES_KEPT = 4 * 1024 * 1024
NO_MAX = 2**53
MOVED_AT_ONCE = 500

# The disk's or the system's fault: another file would fare no better.
_OUTSIDE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CANTOPEN,
)

Connect = Callable[..., sqlite3.Connection]


class SpoolError(Exception):
    """The spool cannot be opened: why, and what to do."""


class DamagedError(Exception):
    """The file is there, and SQLite or its content cannot be trusted."""


def open_file(path: Path, connect: Connect) -> sqlite3.Connection:
    """A connection of its own to a file that is sound, as far as SQLite can tell."""
    try:
        # The thread that opens hands the connection to the one that drains, and never looks back.
        conn = connect(path, isolation_level=None, timeout=0, check_same_thread=False)
        conn.text_factory = text
    except sqlite3.Error as error:
        raise SpoolError(f"{path}: {error}. Allowed: a file in a folder we may write") from error
    try:
        _prepare(conn)
    except TROUBLE as error:
        conn.close()
        raise _why(path, error) from error
    except BaseException:
        conn.close()
        raise
    return conn


def code(error: BaseException) -> int:
    """SQLite's primary result code; the extended ones carry more in the higher bits."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def number(conn: sqlite3.Connection, query: str, *arguments: object) -> int:
    return int(conn.execute(query, arguments).fetchone()[0])


def text(stored: bytes) -> str:
    """Damaged text is a value too; an exception here would end every start of the agent."""
    return stored.decode(errors="replace")


@contextlib.contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[None]:
    """Everything in it or nothing."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
    conn.execute("COMMIT")


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
        raise DamagedError(f"it cannot keep a write-ahead log, only {mode!r}")
    # A page that is written often then goes into the file once in so many commits.
    pages = WAL_BYTES_KEPT // number(conn, "PRAGMA page_size")
    conn.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchall()
    found = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DamagedError(found)
    _bring_up_to_date(conn)
    _check_schema(conn)
    # Writes: a bit in the head of the file can forbid it, and an append would be late to find out.
    conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _bring_up_to_date(conn: sqlite3.Connection) -> None:
    if not _tables(conn):
        with transaction(conn):
            for table in TABLES:
                conn.execute(table)
            conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif number(conn, "PRAGMA user_version") in (1, 2):
        _lay_out_anew(conn)
    # A cut in the midst of the move finds the rest where it was.
    if "batch" in _tables(conn) and number(conn, "PRAGMA user_version") in (3, SCHEMA_VERSION):
        while _move_some(conn):
            pass
        with transaction(conn):
            conn.execute("DROP TABLE batch")


def _lay_out_anew(conn: sqlite3.Connection) -> None:
    """Version 1 had no counters; version 2 had no checksum beside them."""
    with transaction(conn):
        counters = []
        if "counter" in _tables(conn):
            counters = conn.execute("SELECT sensor, value, total FROM counter").fetchall()
            conn.execute("DROP TABLE counter")
        for table in TABLES:
            conn.execute(table)
        keep_counters(conn, counters)
        conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _move_some(conn: sqlite3.Connection) -> bool:
    """A few hundred at a time: a full spool must not need twice its room."""
    with transaction(conn):
        rows = conn.execute("SELECT * FROM batch ORDER BY no LIMIT ?", (MOVED_AT_ONCE,)).fetchall()
        for row in rows:
            said = proven_before(row)
            if said is None:
                raise DamagedError(f"batch {row[0]} is not what it was")
            state = State.MAY_HAVE_LEFT if row[4] else State.NEVER_LEFT
            insert(conn, row[0], said, state, find_stream(conn, said.stream, said.life))
        if rows:
            conn.execute("DELETE FROM batch WHERE no <= ?", (rows[-1][0],))
    return bool(rows)


def proven_before(row: object) -> Proven | None:
    """What a row of versions 1 and 2 held, if it proves to be what it was:

    (no, stream, first_seq, last_seq, state, gap, payload, crc)
    """
    match row:
        case (_, _, _, _, _, _, bytes(payload), int(crc)):
            said = spoken(payload)
            if said is None:
                return None
            head = zlib.crc32(f"{said.stream} {said.first_seq} {said.last_seq}".encode())
            return said if crc == zlib.crc32(payload, head) else None
        case _:
            return None


def _tables(conn: sqlite3.Connection) -> set[str]:
    return {name for (name,) in conn.execute("SELECT name FROM sqlite_schema")}


def _check_schema(conn: sqlite3.Connection) -> None:
    """`quick_check` is content with any table; a flipped bit can rename a column of ours."""
    version = number(conn, "PRAGMA user_version")
    if version not in (3, SCHEMA_VERSION):
        raise DamagedError(f"version {version}, not {SCHEMA_VERSION}")
    # What versions 1 and 2 left: SQLite keeps the table of AUTOINCREMENT for good.
    found = conn.execute(
        "SELECT sql FROM sqlite_schema WHERE name != 'sqlite_sequence' ORDER BY name"
    ).fetchall()
    if found != [(table,) for table in TABLES]:
        raise DamagedError(f"other tables than ours: {found}")
    if number(conn, "SELECT coalesce(max(no), 0) FROM frozen") >= NO_MAX:
        raise DamagedError("the count of the queue is no count")


def _why(path: Path, error: Exception) -> Exception:
    """Ours to refuse, or the file's fault? A damaged file must not stop the gateway for good."""
    if isinstance(error, DamagedError):
        return error
    if code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SpoolError(f"{path}: another agent is using this spool; one at a time")
    if code(error) in _OUTSIDE or not os.access(path, os.R_OK | os.W_OK):
        return SpoolError(f"{path}: {error}")
    return DamagedError(str(error))
