"""What the spool writes for a reading, what it keeps for one, how fast it takes them and drains.

    .venv/bin/python -m tests.benchmarks.spool [--days 30] [--folder FOLDER]

Beside it, in the same run, the straw man: one row for each commit in a table with AUTOINCREMENT and
pages of 4 kB, deleted when acknowledged.

    written     bytes that SQLite hands to the disk (counted below SQLite, in memory)
    device      `write_bytes` of /proc/self/io, on the file system of FOLDER: whole pages of 4 kB
"""

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from edge_agent.core.freeze import freeze
from edge_agent.core.reading import Reading, Weight
from edge_agent.core.stream import Batch
from edge_agent.sqlite import opening
from edge_agent.sqlite.spool import Spool
from edge_agent.wire.messages import Stability
from tests.power_cuts.disk import Disk

START_MS = 1_790_000_000_000
DAY_S = 86_400
MIB = 1024 * 1024


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its whole purpose


class Keeps(Protocol):
    def append(self, readings: list[Reading], *, leaving: bool = False) -> tuple[Batch, ...]: ...
    def forget(self, nos: list[int]) -> None: ...
    def compact(self) -> bool: ...
    def close(self) -> None: ...


class Plain:
    """The straw man."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._seq = 1
        self._gone: list[int] = []
        for pragma in ("page_size=4096", "locking_mode=EXCLUSIVE", "journal_mode=WAL"):
            conn.execute(f"PRAGMA {pragma}").fetchall()
        conn.execute("PRAGMA synchronous=FULL").fetchall()
        conn.execute(
            "CREATE TABLE batch (no INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT,"
            " first_seq INTEGER, last_seq INTEGER, state INTEGER, payload BLOB, crc INTEGER)"
        )

    def append(self, readings: list[Reading], *, leaving: bool = False) -> tuple[Batch, ...]:
        (frozen,) = freeze("0" * 32, self._seq, readings)
        self._seq = frozen.last_seq + 1
        self._conn.execute("BEGIN IMMEDIATE")
        for no in self._gone:
            self._conn.execute("DELETE FROM batch WHERE no = ?", (no,))
        self._gone = []
        row = ("0" * 32, frozen.first_seq, frozen.last_seq, leaving, frozen.payload, 0)
        no = self._conn.execute(
            "INSERT INTO batch (stream, first_seq, last_seq, state, payload, crc)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            row,
        ).lastrowid
        self._conn.execute("COMMIT")
        return (Batch(no=no or 0, stream="", first_seq=1, last_seq=1, size_bytes=0),)

    def forget(self, nos: list[int]) -> None:
        self._gone += nos

    def compact(self) -> bool:
        return False

    def close(self) -> None:
        self._conn.close()


def site(sensors: int, per_commit: int, commit_ms: int, seed: int = 1) -> Iterator[list[Reading]]:
    """Commits of a site whose scales each say a little more or less than before."""
    rng = random.Random(seed)
    shown = [rng.randrange(500_000, 30_000_000) for _ in range(sensors)]
    number = 0
    while True:
        commit = []
        for place in range(per_commit):
            sensor = number % sensors
            shown[sensor] += rng.randrange(-300, 301)
            weight = Weight(weight_mg=shown[sensor], stability=Stability.STATED)
            at_ms = START_MS + number // per_commit * commit_ms + place * commit_ms // per_commit
            name = f"rack{sensor // 10:02d}-{sensor % 10}"
            commit.append(
                Reading(sensor=name, measured_ms=at_ms, clock_trusted=True, outcome=weight)
            )
            number += 1
        yield commit


def run(spool: Keeps, commits: Iterator[list[Reading]], count: int, *, online: bool) -> None:
    """Online the cloud answers while the next commit but one is being measured."""
    flying: list[int] = []
    for commit in (next(commits) for _ in range(count)):
        batches = spool.append(commit, leaving=online)
        if online:
            flying += [batch.no for batch in batches]
            spool.forget(flying[:-2])
            del flying[:-2]
        else:
            while spool.compact():
                pass


RATES = {
    "50 a minute, each its own commit": (50, 1, 1_200),
    "320 a second, two commits a second": (320, 160, 500),
    "320 a second, one commit a second": (320, 320, 1_000),
}


def writes(folder: Path, count: int) -> None:
    say(f"{'':38}{'':9}{'B/reading':>11}{'device':>9}{'GB/day':>8}{'device':>8}")
    for name, (sensors, per_commit, commit_ms) in RATES.items():
        for online in (False, True):
            for who, make in MAKERS.items():
                disk = Disk()
                keeps = make(Path("spool.db"), disk.connect)
                before = disk.bytes_written
                run(keeps, site(sensors, per_commit, commit_ms), count, online=online)
                keeps.close()
                written = (disk.bytes_written - before) / count
                device = device_bytes(
                    folder, make, (sensors, per_commit, commit_ms), count, online=online
                )
                a_day = DAY_S * 1000 / commit_ms / 1e9
                say(
                    f"{name:38}{'online' if online else 'offline':9}"
                    f"{written / per_commit:11.1f}{device / per_commit:9.1f}"
                    f"{written * a_day:8.2f}{device * a_day:8.2f}  {who}"
                )


def device_bytes(
    folder: Path,
    make: Callable[..., Keeps],
    rate: tuple[int, int, int],
    count: int,
    *,
    online: bool,
) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        keeps = make(Path(place) / "spool.db", sqlite3.connect)
        before = write_bytes()
        run(keeps, site(*rate), count, online=online)
        keeps.close()
        return (write_bytes() - before) / count


def write_bytes() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def _ours(path: Path, connect: Callable[..., sqlite3.Connection]) -> Keeps:
    return Spool.open(path, 4096 * MIB, now_ms=START_MS, connect=connect)


def _plain(path: Path, connect: Callable[..., sqlite3.Connection]) -> Keeps:
    return Plain(connect(path, isolation_level=None))


MAKERS: dict[str, Callable[..., Keeps]] = {"spool": _ours, "plain table": _plain}


def month(folder: Path, days: float) -> None:
    """Fifty bins, a reading a minute, nobody listening."""
    count = round(days * DAY_S * 50 / 60)
    for who, make in MAKERS.items():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            path = Path(place) / "spool.db"
            keeps = make(path, sqlite3.connect)
            started_s = time.monotonic()
            run(keeps, site(50, 1, 1_200), count, online=False)
            took_s = time.monotonic() - started_s
            keeps.close()
            size = path.stat().st_size
            say(
                f"{days:g} days offline, {count} readings: {size / MIB:.1f} MiB, "
                f"{size / count:.1f} B/reading, {took_s / count * 1e6:.0f} us each  {who}"
            )


def speed(folder: Path) -> None:
    for sensors, per_commit in ((50, 1), (320, 160), (320, 1_000)):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            spool = Spool.open(Path(place) / "spool.db", 4096 * MIB, now_ms=START_MS)
            commits = site(sensors, per_commit, 1_000)
            ready = [next(commits) for _ in range(min(3_000, 200_000 // per_commit))]
            started_s, busy_s = time.monotonic(), time.process_time()
            for commit in ready:
                spool.append(commit)
            took_s, busy_s = time.monotonic() - started_s, time.process_time() - busy_s
            readings = len(ready) * per_commit
            say(
                f"append, {per_commit} a commit: {readings / took_s:.0f} readings/s, "
                f"{busy_s / readings * 1e6:.1f} us of CPU each"
            )
            while spool.compact():
                pass
            started_s, last = time.monotonic(), 0
            while batches := spool.oldest(last, 32):
                spool.mark_leaving(batch.no for batch in batches)
                for batch in batches:
                    assert spool.load(batch.no)
                spool.forget(batch.no for batch in batches)
                spool.settle()
                last = batches[-1].no
            took_s = time.monotonic() - started_s
            say(f"drain, of commits of {per_commit}: {readings / took_s:.0f} readings/s")
            spool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--days", type=float, default=3)
    parser.add_argument("--commits", type=int, default=3_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--page-bytes", type=int, default=opening.PAGE_BYTES)
    parser.add_argument("--wal-bytes", type=int, default=opening.WAL_BYTES_KEPT)
    parser.add_argument("--only", choices=("writes", "month", "speed"))
    asked = parser.parse_args()
    opening.PAGE_BYTES, opening.WAL_BYTES_KEPT = asked.page_bytes, asked.wal_bytes
    say(f"pages of {asked.page_bytes}, log of {asked.wal_bytes // 1024} kB")
    if asked.only in (None, "writes"):
        writes(asked.folder, asked.commits)
    if asked.only in (None, "speed"):
        speed(asked.folder)
    if asked.only in (None, "month"):
        month(asked.folder, asked.days)


if __name__ == "__main__":
    main()
