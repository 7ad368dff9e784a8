"""The spool after every cut of power that a script of its life allows: nothing promised is gone.

BINLINE_POWER_CUTS=20000 looks at so many states of each long life; 0 at all of them.
"""

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.sqlite import opening, room, spool
from edge_agent.sqlite.spool import Spool
from tests.power_cuts.check import Verdict, explore, states_max
from tests.power_cuts.disk import Disk
from tests.power_cuts.lives import long_life, short_life

SEEDS = (1, 2, 3, 5, 7, 8, 9, 11)


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: thousands of files are opened."""
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield place / "cut"
    shutil.rmtree(place)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a short life has checkpoints, and a small one a tail that is trimmed."""
    monkeypatch.setattr(opening, "WAL_BYTES_KEPT", 12 * 1024)
    monkeypatch.setattr(room, "ROOM_BYTES", 2_048)
    monkeypatch.setattr(spool, "ROOM_BYTES", 2_048)


def nothing_wrong(verdict: Verdict, at_least: int) -> None:
    print(f"{verdict.states} states")  # noqa: T201 - shown with -s
    assert not verdict.wrong, dict(verdict.wrong)
    assert verdict.states >= at_least, "or this proves little"


def test_every_cut_in_a_short_life_leaves_all_that_was_promised(folder: Path) -> None:
    disk = Disk()
    short_life(disk, folder / "spool.db")
    nothing_wrong(explore(disk, folder, states_max=states_max(2_500)), 400)


@pytest.mark.parametrize("seed", SEEDS)
def test_cuts_in_lives_short_of_room_leave_all_that_was_promised(folder: Path, seed: int) -> None:
    disk = Disk()
    life = long_life(disk, folder / "spool.db", seed, steps=100)
    assert life.given_up > 50, "thinned, or a gap"
    nothing_wrong(explore(disk, folder, seed=seed, states_max=states_max(300)), 150)


def test_without_a_sync_at_each_commit_it_finds_what_is_gone(folder: Path) -> None:
    disk = Disk(instead={"synchronous = FULL": "synchronous = NORMAL"})
    short_life(disk, folder / "spool.db")
    verdict = explore(disk, folder, states_max=400)
    assert verdict.wrong["what was appended is gone"] > 20


def goes_on(path: Path, bytes_max: int, **options: object) -> Spool:
    """A spool with a mistake: it goes on with the numbers of its newest stream."""
    opened = Spool.open(path, bytes_max, **options)  # type: ignore[arg-type]
    newest = opened._conn.execute(
        "SELECT stream_no, stream, last_seq FROM frozen JOIN stream USING (stream_no)"
        " ORDER BY no DESC LIMIT 1"
    ).fetchone()
    if newest is not None:
        opened._stream_no, opened.stream, last_seq = newest
        opened._next_seq = last_seq + 1
    return opened


def test_where_a_restart_goes_on_counting_it_finds_numbers_used_again(folder: Path) -> None:
    disk = Disk(instead={"synchronous = FULL": "synchronous = NORMAL"})
    short_life(disk, folder / "spool.db", opens=goes_on)
    verdict = explore(disk, folder, states_max=400, opens=goes_on)
    assert verdict.wrong["a number is used again"] > 20


def test_a_disk_gives_back_what_was_synced_whatever_else_it_loses() -> None:
    disk = Disk()
    opened = Spool.open(Path("spool.db"), 1 << 24, connect=disk.connect)
    synced = {name: disk.synced(name) for name in disk.files()}
    for _ in range(20):
        left = disk.crash(random.Random(1))
        assert {name: left[name][: len(synced[name])] for name in left} == synced
    opened.close()
