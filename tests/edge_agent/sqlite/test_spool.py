import contextlib
import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.core.count import CounterState
from edge_agent.sqlite.rows import State
from edge_agent.sqlite.spool import Spool, SpoolFullError
from edge_agent.wire.messages import ClockStep, ReadingBatch
from tests.edge_agent.sqlite.spools import (
    MIB,
    NOW_MS,
    counted,
    covered,
    crashed_copy,
    gaps,
    messages,
    payloads,
    reading,
    readings,
    spool_at,
    steps,
    weights,
)
from tests.power_cuts.disk import Disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def test_what_was_appended_is_there_after_a_crash_byte_for_byte(path: Path) -> None:
    with spool_at(path) as spool:
        spool.append(readings(1, 3))
        spool.append(readings(4, 4))
        before = payloads(spool)
        copy = crashed_copy(path)
    with spool_at(copy) as spool:
        assert payloads(spool) == before
        assert weights(spool) == [1, 2, 3, 4]
        assert spool.backlog() == 2


def test_numbers_count_from_one_in_a_stream_that_is_new_with_each_start(path: Path) -> None:
    streams = set()
    for life in range(3):
        with spool_at(path) as spool:
            (first,) = spool.append(readings(1, 5))
            (second,) = spool.append(readings(6, 7))
        assert (first.first_seq, first.last_seq) == (1, 5)
        assert (second.first_seq, second.last_seq) == (6, 7)
        assert second.no == 2 * life + 2
        streams.add(first.stream)
    assert len(streams) == 3


def test_a_place_in_the_queue_never_comes_back(path: Path) -> None:
    with spool_at(path) as spool:
        (batch,) = spool.append(readings(1, 1))
        spool.forget([batch.no])
        spool.settle()
    with spool_at(path) as spool:
        (later,) = spool.append(readings(1, 1))
    assert later.no > batch.no


def test_the_queue_is_read_from_any_place_in_order(path: Path) -> None:
    with spool_at(path) as spool:
        for number in range(1, 6):
            spool.append(readings(number, number))
        assert [batch.no for batch in spool.oldest(0, 2)] == [1, 2]
        assert [batch.no for batch in spool.oldest(3, 10)] == [4, 5]
        assert spool.newest_no == 5


def test_what_is_forgotten_is_gone_at_once_and_from_the_disk_with_the_next_commit(
    path: Path,
) -> None:
    with spool_at(path) as spool:
        for number in range(1, 6):
            spool.append(readings(number, number))
        spool.forget([1, 2, 4])
        assert [batch.no for batch in spool.oldest(0, 10)] == [3, 5]
        assert spool.load(1) is None
        assert spool.backlog() == 2
        with spool_at(crashed_copy(path)) as copy:
            assert copy.backlog() == 5, "a crash before the commit only sends them again"
        spool.append(readings(6, 6))
        assert spool.unsettled == 0
        with spool_at(crashed_copy(path)) as copy:
            assert weights(copy) == [3, 5, 6]


def test_forgetting_is_written_down_when_nothing_else_is(path: Path) -> None:
    with spool_at(path) as spool:
        spool.append(readings(1, 1))
        spool.forget([1])
        spool.forget([1])
        spool.settle()
        assert (spool.backlog(), spool.unsettled) == (0, 0)
    with spool_at(path) as spool:
        assert spool.backlog() == 0


def test_a_counter_goes_on_where_it_was_after_a_restart(path: Path) -> None:
    with spool_at(path) as spool:
        assert spool.remembered.counters == {}
        spool.append([counted(7), counted(9), reading(1)])
    with spool_at(crashed_copy(path)) as spool:
        assert spool.remembered.counters == {"c1": CounterState(value=9, total=1_009)}


def test_a_commit_that_fails_is_raised_and_uses_no_number(path: Path) -> None:
    with spool_at(path) as spool:
        spool.append(readings(1, 1))
        kept = payloads(spool)
        with full_disk(), pytest.raises(sqlite3.OperationalError):
            append_until_it_fails(spool)
        taken, stream = spool._next_seq - 1, spool.stream
        copy = crashed_copy(path)
    with spool_at(copy) as spool:
        assert payloads(spool)[0] == kept[0]
        assert covered(spool, stream)[:taken] == list(range(1, taken + 1))


def append_until_it_fails(spool: Spool) -> None:
    for number in range(2, 200):
        spool.append(readings(number, number + 500))


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow past 200 kB: writes fail as they do on a full partition."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# ------------------------------------------------------------------ the tail


def states(spool: Spool) -> list[int]:
    return [state for (state,) in spool._conn.execute("SELECT state FROM frozen ORDER BY no")]


def test_what_is_acknowledged_is_kept_for_a_cloud_that_forgets(path: Path) -> None:
    with spool_at(path) as spool:
        for number in range(1, 6):
            spool.append(readings(number, number), leaving=True)
        spool.forget([1, 2, 3, 5])
        assert spool.kept() == {spool.stream: [(1, 3), (5, 5)]}
        spool.settle()
        stream = spool.stream
    with spool_at(crashed_copy(path)) as spool:
        assert spool.kept() == {stream: [(1, 3), (5, 5)]}
        assert spool.backlog() == 1


def test_the_newest_stream_is_named_first(path: Path) -> None:
    streams = []
    for _ in range(3):
        with spool_at(path) as spool:
            spool.append(readings(1, 1))
            spool.forget([spool.newest_no])
            spool.settle()
            streams.append(spool.stream)
            assert list(spool.kept()) == streams[::-1]


def test_what_the_cloud_lost_is_sent_again_as_it_was(path: Path) -> None:
    with spool_at(path) as spool:
        for number in range(5):
            spool.append(readings(number * 10 + 1, number * 10 + 10), leaving=True)
        before = payloads(spool)
        spool.forget([1, 2, 3, 4, 5])
        assert spool.oldest(0, 9) == []
        assert spool.take_back(spool.stream, [(15, 32)]) == 2
        assert spool.backlog() == 3
        assert payloads(spool) == before[1:4]
        assert spool.kept() == {spool.stream: [(1, 10), (41, 50)]}
        stream = spool.stream
    with spool_at(crashed_copy(path)) as spool:
        assert payloads(spool) == before[1:4]
        assert spool.take_back(stream, [(45, 45)]) == 5, "of a stream before, too"
        assert spool.take_back("f" * 32, [(1, 9)]) is None


def test_of_what_the_cloud_lost_and_the_gateway_too_a_gap_tells(path: Path) -> None:
    with spool_at(path) as spool:
        for number in range(6):
            spool.append(readings(number * 10 + 1, number * 10 + 10), leaving=True)
        spool.forget(range(1, 7))
        spool.settle()
        spool._conn.execute("DELETE FROM frozen WHERE no IN (1, 2, 4)")  # as trimming does
        assert spool.take_back(spool.stream, [(1, 60), (100, 200)]) == 3
        (first, second) = gaps(spool)
        assert ((first.first_seq, first.last_seq), first.life) == ((1, 20), spool.life)
        assert (second.first_seq, second.last_seq) == (31, 40)
        assert "no longer kept" in first.because
        assert covered(spool, spool.stream) == list(range(1, 61)), "and nothing never measured"
        assert spool.take_back(spool.stream, [(1, 20)]) is None, "told once"


def test_the_tail_is_bounded_in_bytes(path: Path) -> None:
    with spool_at(path, tail_bytes=256 * 1024) as spool:
        for number in range(1_000):
            spool.append(readings(number * 100 + 1, number * 100 + 100), leaving=True)
            spool.forget([spool.newest_no])
        spool.settle()
        ((_, ranges),) = spool.kept().items()
        assert len(ranges) == 1, "the oldest goes first"
        assert ranges[-1][1] == 100_000
        (size,) = spool._conn.execute("SELECT sum(length(payload)) FROM frozen").fetchone()
        assert 100 * 1024 < size < 400 * 1024
        assert spool.backlog() == 0


def test_the_tail_is_bounded_in_time_though_not_while_something_waits_before_it(
    path: Path,
) -> None:
    now_s = [0.0]
    with spool_at(path, tail_s=3_600, monotonic_s=lambda: now_s[0]) as spool:
        for number in range(100):
            now_s[0] += 60
            spool.append(readings(number + 1, number + 1), leaving=True)
            spool.forget([spool.newest_no - 1])
        (kept,) = spool.kept().values()
        assert 36 <= kept[0][0] <= 45


def test_marking_does_not_move_a_row() -> None:
    """A row that grew by a byte would break its page in two, at each acknowledgement."""
    disk = Disk()
    spool = Spool.open(Path("spool.db"), 64 * MIB, connect=disk.connect)
    for number in range(200):
        spool.append(readings(number, number))
    (pages,) = spool._conn.execute("PRAGMA page_count").fetchone()
    spool.mark_leaving(range(1, 201))
    spool.forget(range(1, 201))
    spool.settle()
    assert spool._conn.execute("PRAGMA page_count").fetchone() == (pages,)
    assert set(states(spool)) == {State.ACKNOWLEDGED}


# ------------------------------------------------------------------ lives and clock steps


@pytest.mark.parametrize(
    ("before_ms", "now_ms", "life"),
    [
        (NOW_MS, NOW_MS + 5_000, (NOW_MS + 5_000) // 1000),
        (NOW_MS, NOW_MS, NOW_MS // 1000 + 1),
        (NOW_MS, 0, NOW_MS // 1000 + 1),
        (NOW_MS, 5_000_000_000_000, NOW_MS // 1000 + 1),
        (0, 0, 2),
    ],
)
def test_a_later_start_has_a_greater_life_whatever_the_clock_says(
    path: Path, before_ms: int, now_ms: int, life: int
) -> None:
    with spool_at(path, now_ms=before_ms):
        pass
    with spool_at(path, now_ms=now_ms) as spool:
        assert spool.life == life
        spool.append(readings(1, 1))
        (batch,) = messages(spool)
        assert isinstance(batch, ReadingBatch)
        assert batch.life == life


def test_a_clock_step_takes_one_number_and_its_place_in_the_queue(path: Path) -> None:
    with spool_at(path) as spool:
        spool.append(readings(1, 3))
        step = spool.append_step(-1_500, "the clock was set")
        spool.append(readings(4, 4))
        assert (step.first_seq, step.last_seq) == (4, 4)
        assert [type(one) for one in messages(spool)] == [ReadingBatch, ClockStep, ReadingBatch]
        (said,) = steps(spool)
        assert (said.seq, said.step_ms, said.life) == (4, -1_500, spool.life)
        assert covered(spool, spool.stream) == [1, 2, 3, 4, 5]


# ------------------------------------------------------------------ merging


def test_small_batches_that_never_left_become_one_that_says_the_same(path: Path) -> None:
    with spool_at(path) as spool:
        for number in range(1, 2_501):
            spool.append([*readings(number, number)])
        while spool.compact():
            pass
        sizes = [batch.last_seq - batch.first_seq + 1 for batch in spool.oldest(0, 9)]
        assert sizes == [1_000, 1_000, 1, 1, 1, 1, 1, 1, 1], "the last ones may still grow"
        assert weights(spool) == list(range(1, 2_501))
        assert spool.backlog() == 502
        assert covered(spool, spool.stream) == list(range(1, 2_501))
        spool.append(readings(1, 1))
        assert spool.newest_no == 2_501


def test_what_may_have_left_and_what_is_no_reading_is_not_merged(path: Path) -> None:
    with spool_at(path) as spool:
        for number in range(1, 11):
            spool.append(readings(number, number))
        spool.mark_leaving([5])
        spool.append_step(1, "")
        for number in range(12, 15):
            spool.append([counted(number)])
        stream, left = spool.stream, spool.load(5)
    with spool_at(path) as spool:
        spool.append(readings(1, 1))
        while spool.compact():
            pass
        ranges = [(batch.first_seq, batch.last_seq) for batch in spool.oldest(0, 9)]
        assert ranges == [(1, 4), (5, 5), (6, 10), (11, 11), (12, 14), (1, 1)]
        assert spool.load(5) == left
        assert spool.remembered.counters == {"c1": CounterState(value=14, total=1_014)}
        assert covered(spool, stream) == list(range(1, 15))


# ------------------------------------------------------------------ a disk that fails


def test_a_full_partition_makes_readings_wait_and_costs_none(path: Path) -> None:
    disk = Disk()
    with spool_at(path, connect=disk.connect) as spool:
        spool.append(readings(1, 10))
        spool.append(readings(11, 20), leaving=True)
        disk.room_bytes = 500  # less than a page of the log
        for _ in range(3):
            with pytest.raises(SpoolFullError, match="partition"):
                spool.append(readings(21, 30))
        spool.mark_leaving([1])
        assert spool.load(1), "it may be sent: the mark waits in memory"
        spool.forget([2])
        spool.settle()
        assert (spool.backlog(), spool.unsettled, spool.given_up) == (1, 1, 0)
        assert not spool.compact()
        disk.room_bytes = None
        (batch,) = spool.append(readings(21, 30))
        assert (batch.first_seq, batch.last_seq) == (21, 30), "no number was used up"
        assert spool.unsettled == 0
        assert states(spool) == [State.MAY_HAVE_LEFT, State.ACKNOWLEDGED, State.NEVER_LEFT]
    with spool_at(path, connect=Disk(disk.files()).connect) as spool:
        assert weights(spool) == [*range(1, 11), *range(21, 31)]


@pytest.mark.parametrize("times", [1, -1])
def test_a_sync_that_fails_is_unknown_and_a_restart_finds_the_row_or_not(
    path: Path, times: int
) -> None:
    disk = Disk()
    with spool_at(path, connect=disk.connect) as spool:
        spool.append(readings(1, 10))
        disk.syncs_fail = times
        with pytest.raises(sqlite3.OperationalError):
            spool.append(readings(11, 20))
        stream = spool.stream
        written = disk.files()
        flushed = {name: disk.synced(name) for name in written}
    for part in (written, flushed):
        with spool_at(path, connect=Disk(part).connect) as spool:
            assert weights(spool) in (list(range(1, 11)), list(range(1, 21)))
            assert spool.stream != stream, "what it numbers next is another's"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_partition_that_is_really_full_is_waited_for(tmp_path: Path) -> None:
    partition = tmp_path / "partition"
    partition.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(partition))
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no right to mount here")
    try:
        with spool_at(partition / "spool.db") as spool:
            ballast = partition / "ballast"
            ballast.write_bytes(bytes(250_000))
            number = 0
            with contextlib.suppress(SpoolFullError):
                while number < 1_000_000:
                    spool.append(readings(number + 1, number + 200))
                    number += 200
            with pytest.raises(SpoolFullError, match="partition"):
                spool.append(readings(number + 1, number + 200))
            ballast.unlink()
            spool.append(readings(number + 1, number + 200))
            assert covered(spool, spool.stream) == list(range(1, number + 201))
            assert spool.given_up == 0
        with spool_at(partition / "spool.db") as spool:
            assert weights(spool) == list(range(1, number + 201))
    finally:
        subprocess.run(("umount", str(partition)), check=True)
