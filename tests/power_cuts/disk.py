"""A disk in memory that writes down all that SQLite does to it, and can be cut off at any moment.

    disk = Disk()
    spool = Spool.open(path, …, connect=disk.connect)     the product's own code on this disk
    …
    disk = Disk(disk.crash(rng))                          what one cut of power could have left
    materialise(files, folder)                            the same, as real files

    disk.log                 every write, truncate, sync and delete, in order; and what `note` said
    disk.cuts()              states that a cut could leave, at each point where it matters
    disk.room_bytes = 0      a full partition: writes that make a file grow find no space
    disk.syncs_fail = n      the next n syncs fail with an I/O error (-1: all of them)

What is believed of a disk: what was synced stays. Of what was written to a file since, any part may
be there and any may be missing, in whatever order it was written; a write may be torn at a multiple
of 512 bytes. Bytes beside a write are not touched by it (SQLite calls that power-safe overwrite).
"""

import contextlib
import itertools
import random
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw

SECTOR_BYTES = 512
POWERSAFE_OVERWRITE = 0x1000  # what the real VFS says of every disk
SUBSETS_OF_MAX = 7
RANDOM_SUBSETS = 40

_names = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Write:
    file: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    file: str


@dataclass(frozen=True, slots=True)
class Delete:
    file: str


@dataclass(frozen=True, slots=True)
class Note:
    """What the program above had been told when it happened."""

    said: object


Operation = Write | Truncate | Sync | Delete | Note
Change = Write | Truncate
Files = dict[str, bytes]


@dataclass
class _File:
    synced: bytes | None = None  # None: not there, as far as a cut is concerned
    content: bytearray = field(default_factory=bytearray)
    since: list[Change] = field(default_factory=list)

    def do(self, change: Change) -> None:
        _apply(self.content, change)
        self.since.append(change)

    def sync(self) -> None:
        self.synced = bytes(self.content)
        self.since.clear()


@dataclass(frozen=True)
class Cut:
    """`notes`: how many of the log's notes had been said before it."""

    files: Files
    notes: int


class Disk:
    """`instead` puts other words in the place of some of a query: a spool with a mistake."""

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        instead: Mapping[str, str] | None = None,
    ) -> None:
        self.log: list[Operation] = []
        self.bytes_written = 0
        self.syncs = 0
        self.room_bytes: int | None = None
        self.syncs_fail = 0
        self._files = {
            name: _File(synced=content, content=bytearray(content))
            for name, content in (files or {}).items()
        }
        self._started = {name: file.synced for name, file in self._files.items()}
        self._instead = dict(instead or {})
        self._vfs = _Vfs(self, f"disk-{next(_names)}")

    def connect(self, path: Path | str, **_: object) -> sqlite3.Connection:
        conn = apsw.Connection(Path(path).name, vfs=self._vfs.name)
        return _Connection(conn, self._instead)  # type: ignore[return-value]

    def note(self, said: object) -> None:
        self.log.append(Note(said))

    def files(self) -> Files:
        """As they are, when only the program ends and not the power."""
        return {name: bytes(file.content) for name, file in self._files.items()}

    def synced(self, name: str) -> bytes:
        return self._files[name].synced or b""

    def crash(self, rng: random.Random) -> Files:
        """One state that a cut of power could leave now."""
        left = {}
        for name, file in self._files.items():
            chosen = _random_part(file.since, rng)
            if file.synced is not None or (chosen and rng.random() < 0.5):
                left[name] = _after(file.synced or b"", chosen)
        return left

    def cuts(self, rng: random.Random) -> Iterator[Cut]:
        """Every state is given once. Right before each sync is enough: what was written by then
        includes all that was written earlier."""
        seen: dict[str, _File] = {
            name: _File(synced=content, content=bytearray(content or b""))
            for name, content in self._started.items()
        }
        notes = 0
        for operation in (*self.log, Sync("")):
            match operation:
                case Note():
                    notes += 1
                case Write(file=name) | Truncate(file=name):
                    seen.setdefault(name, _File()).do(operation)
                case Sync(file=name):
                    for files in _states(seen, rng):
                        yield Cut(files, notes)
                    if name in seen:
                        seen[name].sync()
                case Delete(file=name):
                    for files in _states(seen, rng):
                        yield Cut(files, notes)
                    seen.pop(name, None)

    # ---- what the VFS does

    def do(self, change: Change) -> None:
        file = self._files.setdefault(change.file, _File())
        if isinstance(change, Write):
            grows = change.offset + len(change.content) - len(file.content)
            if self.room_bytes is not None and grows > 0:
                if grows > self.room_bytes:
                    raise _failed(apsw.FullError, apsw.SQLITE_FULL)
                self.room_bytes -= grows
            self.bytes_written += len(change.content)
        file.do(change)
        self.log.append(change)

    def sync(self, name: str) -> None:
        if self.syncs_fail:
            self.syncs_fail -= 1
            raise _failed(apsw.IOError, apsw.SQLITE_IOERR_FSYNC)
        self._files.setdefault(name, _File()).sync()
        self.syncs += 1
        self.log.append(Sync(name))

    def delete(self, name: str) -> None:
        self._files.pop(name, None)
        self.log.append(Delete(name))

    def exists(self, name: str) -> bool:
        return name in self._files

    def content(self, name: str) -> bytearray:
        return self._files.setdefault(name, _File()).content


def materialise(files: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _apply(content: bytearray, change: Change) -> None:
    match change:
        case Write(offset=offset, content=written):
            if len(content) < offset:
                content.extend(bytes(offset - len(content)))
            content[offset : offset + len(written)] = written
        case Truncate(size=size):
            del content[size:]


def _after(synced: bytes, changes: Iterable[Change]) -> bytes:
    content = bytearray(synced)
    for change in changes:
        _apply(content, change)
    return bytes(content)


def _states(seen: Mapping[str, _File], rng: random.Random) -> Iterator[Files]:
    """Each file on its own in every state, the others with none and with all of theirs."""
    for name, file in seen.items():
        others = [other for other in seen if other != name]
        for part in _parts(file.since, rng):
            for rest in (0, None):
                files = {other: _left(seen[other], seen[other].since[:rest]) for other in others}
                files[name] = _left(file, part)
                yield {one: content for one, content in files.items() if content is not None}
    for _ in range(RANDOM_SUBSETS // 4):
        files = {name: _left(file, _random_part(file.since, rng)) for name, file in seen.items()}
        yield {one: content for one, content in files.items() if content is not None}


def _left(file: _File, part: Sequence[Change]) -> bytes | None:
    if file.synced is None and not part:
        return None
    return _after(file.synced or b"", part)


def _parts(changes: Sequence[Change], rng: random.Random) -> Iterator[list[Change]]:
    """What may be there of these: each prefix, with its last write torn; each without one and each
    alone; all combinations of a few, some of many."""
    for count in range(len(changes) + 1):
        before = list(changes[:count])
        yield before
        if count < len(changes):
            for piece in _torn(changes[count]):
                yield [*before, piece]
    for place, change in enumerate(changes):
        yield [change]
        yield [*changes[:place], *changes[place + 1 :]]
        for piece in _torn(change):
            yield [*changes[:place], piece, *changes[place + 1 :]]
    if len(changes) <= SUBSETS_OF_MAX:
        for chosen in itertools.product((False, True), repeat=len(changes)):
            yield list(itertools.compress(changes, chosen))
    else:
        for _ in range(RANDOM_SUBSETS):
            yield _random_part(changes, rng)


def _torn(change: Change) -> list[Change]:
    """The beginning, or the end, of a write, broken at each multiple of a sector."""
    if not isinstance(change, Write):
        return []
    first = SECTOR_BYTES - change.offset % SECTOR_BYTES
    breaks = range(first, len(change.content), SECTOR_BYTES)
    pieces: list[Change] = []
    for at in breaks:
        pieces.append(Write(change.file, change.offset, change.content[:at]))
        pieces.append(Write(change.file, change.offset + at, change.content[at:]))
    return pieces


def _random_part(changes: Sequence[Change], rng: random.Random) -> list[Change]:
    share = rng.choice((0.1, 0.5, 0.9, 1.0))
    part: list[Change] = []
    for change in changes:
        if rng.random() < share:
            torn = _torn(change)
            part.append(rng.choice(torn) if torn and rng.random() < 0.2 else change)
    return part


# ------------------------------------------------------------------ beneath SQLite, through apsw


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk, name: str) -> None:
        self.name = name
        self._disk = disk
        super().__init__(name, base="")

    def xOpen(self, name: object, flags: list[int]) -> "_Handle":  # noqa: N802 - apsw's name
        flags[1] = flags[0]
        known = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._disk.content(known)
        return _Handle(self._disk, known)

    def xFullPathname(self, name: str) -> str:  # noqa: N802 - apsw's name
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802 - apsw's name
        return self._disk.exists(pathname)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 - apsw's name
        self._disk.delete(filename)


class _Handle:
    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self._name = name

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - apsw's name
        return bytes(self._disk.content(self._name)[offset : offset + amount])

    def xWrite(self, content: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        self._disk.do(Write(self._name, offset, bytes(content)))

    def xTruncate(self, size: int) -> None:  # noqa: N802 - apsw's name
        self._disk.do(Truncate(self._name, size))

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        self._disk.sync(self._name)

    def xFileSize(self) -> int:  # noqa: N802 - apsw's name
        return len(self._disk.content(self._name))

    def xLock(self, level: int) -> None: ...  # noqa: N802 - apsw's name

    def xUnlock(self, level: int) -> None: ...  # noqa: N802 - apsw's name

    def xCheckReservedLock(self) -> bool:  # noqa: N802 - apsw's name
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: N802 - apsw's name
        return False

    def xSectorSize(self) -> int:  # noqa: N802 - apsw's name
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802 - apsw's name
        return POWERSAFE_OVERWRITE

    def xClose(self) -> None: ...  # noqa: N802 - apsw's name


def _failed(kind: type[apsw.Error], code: int) -> apsw.Error:
    error = kind("the disk failed")
    error.extendedresult = code
    return error


# ------------------------------------------------------------------ as the sqlite3 module looks


class _Connection:
    """What the spool uses of `sqlite3.Connection`."""

    def __init__(self, conn: apsw.Connection, instead: Mapping[str, str]) -> None:
        self._conn = conn
        self._instead = instead
        self.text_factory: object = None

    @property
    def in_transaction(self) -> bool:
        return self._conn.in_transaction

    def execute(self, query: str, arguments: Sequence[object] = ()) -> "_Cursor":
        for said, meant in self._instead.items():
            query = query.replace(said, meant)
        with _Sqlite3Errors():
            cursor = self._conn.cursor()
            cursor.execute(query, tuple(arguments))
            return _Cursor(cursor, self._conn.last_insert_rowid())

    def executemany(self, query: str, rows: Iterable[Sequence[object]]) -> None:
        with _Sqlite3Errors():
            self._conn.cursor().executemany(query, [tuple(row) for row in rows])

    def close(self) -> None:
        # The real one says nothing either when the last checkpoint fails.
        with contextlib.suppress(apsw.Error):
            self._conn.close(force=True)


class _Cursor:
    def __init__(self, cursor: apsw.Cursor, lastrowid: int) -> None:
        self._cursor = cursor
        self.lastrowid = lastrowid

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        with _Sqlite3Errors():
            yield from self._cursor

    def fetchone(self) -> tuple[object, ...] | None:
        with _Sqlite3Errors():
            return self._cursor.fetchone()

    def fetchall(self) -> list[tuple[object, ...]]:
        with _Sqlite3Errors():
            return self._cursor.fetchall()


class _Sqlite3Errors:
    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, apsw.Error):
            told = sqlite3.OperationalError(str(error))
            told.sqlite_errorcode = error.extendedresult
            raise told from error
