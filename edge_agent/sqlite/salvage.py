"""A damaged file is set aside, and what proves to be what it was goes on into a new one.

Nothing is believed that its checksum does not cover: not what had left, so all may have; not what
was acknowledged, so all is sent again, and the cloud knows it.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_agent.core.freeze import Frozen, freeze_gap
from edge_agent.core.ranges import between
from edge_agent.sqlite import remembered
from edge_agent.sqlite.opening import (
    Connect,
    DamagedError,
    SpoolError,
    open_file,
    proven_before,
    text,
    transaction,
)
from edge_agent.sqlite.rows import (
    TROUBLE,
    State,
    find_stream,
    insert,
    is_whole,
    proven,
    put_last,
)

CORRUPT_FILES_MAX = 100
DAMAGED = "the gateway's spool file was damaged"
ASKED_FOR_MAX = 1_000_000
BEFORE, NOW = 8, 9  # columns of a batch in version 2, and in this one

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Saved:
    stream: str
    life: int
    range: tuple[int, int]


def open_sound(path: Path, connect: Connect) -> tuple[sqlite3.Connection, list[int], str]:
    """A file that can be trusted; which batches in it cannot; and what the cloud is to be told."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpoolError(f"{path.parent}: {error}. Allowed: a folder we may write") from error
    told = ""
    try:
        conn, damaged = _open(path, connect)
    except DamagedError as damage:
        told = _start_anew(path, damage, connect)
        conn, damaged = _open(path, connect)
    _sync_folder(path.parent)
    return conn, damaged, told


def _open(path: Path, connect: Connect) -> tuple[sqlite3.Connection, list[int]]:
    conn = open_file(path, connect)
    try:
        return conn, _not_whole(conn)
    except TROUBLE as error:
        conn.close()
        raise DamagedError(str(error)) from error
    except BaseException:
        conn.close()
        raise


def _not_whole(conn: sqlite3.Connection) -> list[int]:
    """A batch whose content is gone is one loss; a row that belies its content is a bad file."""
    damaged = []
    for no, state, *row in conn.execute(
        """
        SELECT no, state, stream, first_seq, last_seq, kind, size, crc, payload
          FROM frozen LEFT JOIN stream USING (stream_no)
        """
    ):
        if state not in tuple(State):
            raise DamagedError(f"batch {no} is in no state that there is")
        if state != State.DAMAGED and not is_whole(row):
            if proven(row[6], row[4], row[5]) is not None:
                raise DamagedError(f"batch {no} is another than its row says")
            damaged.append(no)
    return damaged


def _start_anew(path: Path, damage: DamagedError, connect: Connect) -> str:
    """Set the file aside and save what can be read; return what the cloud is to be told."""
    aside = _set_aside(path)
    log.error("the spool %s is damaged (%s): set aside as %s", path, damage, aside.name)
    with contextlib.closing(open_file(path, connect)) as into:
        saved = _salvage(aside, into, connect)
    log.error("%s: %s", aside.name, saved)
    return f"{DAMAGED}: {saved}"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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


def _salvage(aside: Path, into: sqlite3.Connection, connect: Connect) -> str:
    with contextlib.closing(connect(aside, isolation_level=None)) as conn:
        conn.text_factory = text
        with transaction(into):
            _save_lives(conn, into)
            remembered.save(conn, into)
            found = _save_batches(conn, into)
            lost = put_last(into, len(found), _gaps(found))
    return f"{len(found)} batches saved, {lost} ranges known to be lost"


def _save_batches(conn: sqlite3.Connection, into: sqlite3.Connection) -> list[_Saved]:
    """In the order of the queue; the same range twice counts once."""
    found: dict[tuple[str, int], _Saved] = {}
    for row in _rows(conn):
        said = proven(row[8], row[6], row[7]) if len(row) == NOW else proven_before(row)
        if said is not None and (said.stream, said.first_seq) not in found:
            found[said.stream, said.first_seq] = _Saved(
                stream=said.stream, life=said.life, range=(said.first_seq, said.last_seq)
            )
            stream_no = find_stream(into, said.stream, said.life)
            insert(into, len(found), said, State.MAY_HAVE_LEFT, stream_no)
    return list(found.values())


def _rows(conn: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    """By place and not by name: a flipped bit can rename a table or a column."""
    names: list[str] = []
    with contextlib.suppress(*TROUBLE):
        # `frozen` before the `batch` that an update was still moving from.
        for (name,) in conn.execute("SELECT name FROM sqlite_schema ORDER BY name DESC"):
            names.append('"' + str(name).replace('"', '""') + '"')
    for name in names:
        for no in _readable(conn, name):
            with contextlib.suppress(*TROUBLE):
                row = conn.execute(f"SELECT * FROM {name} WHERE rowid = ?", (no,)).fetchone()  # noqa: S608 - quoted
                if row is not None and len(row) in (BEFORE, NOW):
                    yield tuple(row)


def _readable(conn: sqlite3.Connection, table: str) -> list[int]:
    """Numbers that can be reached from either end; between them each has to be asked for."""
    reached: list[list[int]] = []
    for direction in ("", " DESC"):
        found: list[int] = []
        with contextlib.suppress(*TROUBLE):
            for (no,) in conn.execute(f"SELECT rowid FROM {table} ORDER BY rowid{direction}"):  # noqa: S608 - quoted
                found.append(no)
        reached.append(found)
    up, down = reached
    between = range(max(up, default=0) + 1, min(down, default=0))
    return sorted({*up, *down, *between[:ASKED_FOR_MAX]})


def _save_lives(conn: sqlite3.Connection, into: sqlite3.Connection) -> None:
    """Without a checksum: a life that is too great only leaves numbers out."""
    with contextlib.suppress(*TROUBLE):
        for stream, life in conn.execute("SELECT stream, life FROM stream").fetchall():
            if isinstance(stream, str) and isinstance(life, int) and 0 <= life < 2**40:
                find_stream(into, stream, life)


def _gaps(found: Sequence[_Saved]) -> list[Frozen]:
    """For each range that lies between two that were saved."""
    ranges: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for saved in found:
        ranges.setdefault((saved.stream, saved.life), []).append(saved.range)
    return [
        freeze_gap(stream, first, last, DAMAGED, life=life)
        for (stream, life), held in ranges.items()
        for first, last in between(held)
    ]
