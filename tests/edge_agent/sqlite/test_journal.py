"""The journal beside a real spool; a killed process is a spool that is never closed."""

import errno
import os
import random
import threading
from pathlib import Path

import pytest

from edge_agent.core.anchor import Step
from edge_agent.core.count import CounterState
from edge_agent.core.reading import Reading, Sighted
from edge_agent.sqlite import journal as journal_file
from edge_agent.sqlite.journal import Journal
from edge_agent.sqlite.spool import Spool
from tests.edge_agent.sqlite.spools import (
    MIB,
    counted,
    covered,
    crashed_copy,
    messages,
    reading,
    readings,
    steps,
    weights,
)

BOOT = "this start of the machine"


class Life:
    """An agent from its start to whenever it is killed."""

    def __init__(self, path: Path, boot: str = BOOT) -> None:
        self.path = path
        self.journal = Journal(path.with_name(f"{path.name}-taken"), boot)
        self.spool = Spool.open(path, 64 * MIB, journal=self.journal)

    def take(self, first: int, last: int) -> None:
        self.journal.note(readings(first, last))

    def killed(self, boot: str = BOOT) -> "Life":
        copy = crashed_copy(self.path)
        self.spool.close()
        for part in copy.parent.glob(f"{copy.name}*"):
            part.rename(part.with_name(part.name.replace(copy.name, self.path.name)))
        return Life(self.path, boot)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def test_what_was_taken_and_not_committed_is_there_after_a_kill(path: Path) -> None:
    life = Life(path)
    life.take(1, 3)
    life.spool.append(readings(1, 3))
    life.take(4, 8)
    again = life.killed()
    assert weights(again.spool) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert covered(again.spool, life.spool.stream) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_killed_again_and_again_each_is_there_once(path: Path) -> None:
    life = Life(path)
    for kill in range(5):
        life.take(10 * kill + 1, 10 * kill + 10)
        life.spool.append(readings(10 * kill + 1, 10 * kill + 4))
        life = life.killed().killed()
    assert weights(life.spool) == list(range(1, 51))


def test_killed_between_the_commit_and_its_mark_nothing_is_there_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(path)
    life.take(1, 9)
    monkeypatch.setattr(life.journal, "committed", lambda *_: None)
    life.spool.append(readings(1, 4))
    assert weights(life.killed().spool) == list(range(1, 10))


def test_after_a_start_of_the_machine_what_was_noted_is_not_believed(path: Path) -> None:
    life = Life(path)
    life.take(1, 3)
    again = life.killed("another")
    assert weights(again.spool) == []
    assert weights(again.killed("another").spool) == []


def test_where_nobody_knows_which_start_it_is_nothing_is_believed(path: Path) -> None:
    life = Life(path, "")
    life.take(1, 3)
    assert weights(life.killed("").spool) == []


def test_a_step_of_the_clock_goes_before_what_waits_and_moves_it(path: Path) -> None:
    life = Life(path)
    life.take(1, 2)
    life.spool.append(readings(1, 2))
    life.take(3, 3)
    step = Step(step_ms=60_000, because="the clock was set")
    life.spool.know_time(60_000, trusted=True, step=step)
    again = life.killed()
    assert [(one.seq, one.step_ms) for one in steps(again.spool)] == [(3, 60_000)]
    *_, moved = messages(again.spool)
    assert moved.base_ms == reading(3).measured_ms + 60_000  # type: ignore[union-attr]
    assert covered(again.spool, life.spool.stream) == [1, 2, 3, 4]


def test_a_step_that_was_committed_is_not_said_again(path: Path) -> None:
    life = Life(path)
    life.spool.know_time(5_000, trusted=True, step=Step(step_ms=5_000, because="set"))
    life.take(1, 2)
    life.spool.append_step(5_000, "set")
    again = life.killed()
    assert len(steps(again.spool)) == 1
    assert covered(again.spool, life.spool.stream) == [1, 2, 3]


def test_what_follows_from_readings_is_remembered_with_them(path: Path) -> None:
    life = Life(path)
    sighted = Reading(
        sensor="t",
        measured_ms=1,
        clock_trusted=True,
        outcome=Sighted(code="tag", change="present"),
        identity="serial",
    )
    life.journal.note([counted(7), sighted])
    remembered = life.killed().spool.remembered
    assert remembered.counters == {"c1": CounterState(value=7, total=1_007)}
    assert remembered.tags == {"t": ("tag",)}
    assert remembered.identities == {"t": "serial"}


def test_numbers_of_what_was_acknowledged_and_trimmed_do_not_come_back(path: Path) -> None:
    life = Life(path)
    life.take(1, 9)
    (batch,) = life.spool.append(readings(1, 4), leaving=True)
    life.spool.forget([batch.no])
    life.spool.settle()
    life.spool._conn.execute("DELETE FROM frozen")
    again = life.killed()
    assert weights(again.spool) == [5, 6, 7, 8, 9]
    assert covered(again.spool, life.spool.stream) == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("seed", range(6))
def test_however_notes_commits_and_kills_follow_each_other_all_is_there_once_and_in_order(
    path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "TURN_BYTES", 300)
    rng = random.Random(seed)
    life, taken, committed = Life(path), 0, 0
    for _ in range(300):
        if rng.random() < 0.6:
            count = rng.randrange(1, 12)
            life.take(taken + 1, taken + count)
            taken += count
        elif rng.random() < 0.9:
            count = min(taken - committed, rng.choice((1, 5, 40)))
            if count:
                life.spool.append(readings(committed + 1, committed + count))
                committed += count
        elif rng.random() < 0.3:
            life.spool.know_time(0, trusted=True, step=Step(step_ms=0, because="set"))
            life.spool.append_step(0, "set")
        else:
            life, committed = life.killed(), taken
    assert weights(life.killed().spool) == list(range(1, taken + 1))


def test_the_file_stays_small_while_commits_keep_up(path: Path) -> None:
    life = Life(path)
    for number in range(2_000):
        life.take(number + 3, number + 3)
        if number % 100 == 99:
            life.spool.append(readings(1, 100))
    touched = [half.end for half in life.journal._halves]
    assert max(touched) < 2 * journal_file.TURN_BYTES
    assert life.journal._path.stat().st_blocks * 512 < 4 * journal_file.TURN_BYTES


def test_where_it_cannot_be_written_the_agent_goes_on_and_says_so_once(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(path)

    def fails(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", fails)
    life.take(1, 3)
    life.take(4, 4)
    life.spool.append(readings(1, 4))
    assert weights(life.spool) == [1, 2, 3, 4]
    assert caplog.text.count("cannot be noted") == 1


def test_what_found_no_room_in_the_journal_makes_no_hole_in_the_numbers(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(path)
    monkeypatch.setattr(journal_file, "HALF_BYTES", 400)
    for number in range(1, 41):
        life.take(number, number)
    monkeypatch.setattr(journal_file, "HALF_BYTES", 1024 * 1024)
    again = life.killed()
    kept = weights(again.spool)
    assert kept == list(range(1, len(kept) + 1))
    assert covered(again.spool, life.spool.stream) == kept


def test_a_place_that_is_no_file_does_not_stop_the_agent(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.with_name("spool.db-taken").mkdir()
    spool = Spool.open(path, 64 * MIB, journal=Journal.beside(path))
    spool.append(readings(1, 2))
    assert weights(spool) == [1, 2]
    assert "cannot be noted" in caplog.text
    spool.close()


def test_many_threads_may_note_at_once(path: Path) -> None:
    life = Life(path)

    def note() -> None:
        for _ in range(200):
            life.take(1, 2)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(weights(life.killed().spool)) == 4 * 200 * 2
