import contextlib
import logging
import random
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.core.count import CounterState
from edge_agent.core.reading import Reading, Total, Weight
from edge_agent.sqlite.spool import PAGE_BYTES, Spool, SpoolError, SpoolFullError
from edge_agent.wire import codec
from edge_agent.wire.messages import Gap, ReadingBatch, Stability
from tests.edge_agent.fakes import weights_in

MIB = 1024 * 1024


def reading(weight_mg: int, sensor: str = "s01") -> Reading:
    return Reading(
        sensor=sensor,
        measured_ms=1_700_000_000_000 + weight_mg,
        clock_trusted=True,
        outcome=Weight(weight_mg=weight_mg, stability=Stability.STATED),
    )


def readings(first: int, last: int) -> list[Reading]:
    return [reading(number) for number in range(first, last + 1)]


@contextlib.contextmanager
def spool_at(path: Path, bytes_max: int = 64 * MIB) -> Iterator[Spool]:
    spool = Spool.open(path, bytes_max)
    try:
        yield spool
    finally:
        spool.close()


def payloads(spool: Spool) -> list[bytes]:
    loaded = (spool.load(batch.no) for batch in spool.oldest(0, 1_000_000))
    return [payload for payload in loaded if payload is not None]


def weights(spool: Spool) -> list[int]:
    found = (codec.decode(payload) for payload in payloads(spool))
    batches = (message for message in found if isinstance(message, ReadingBatch))
    return [weight for batch in batches for weight in weights_in(batch)]


def crashed_copy(path: Path) -> Path:
    """What a killed process leaves: the files as they are, without a good-bye."""
    copy = path.with_name("crashed.db")
    for part in path.parent.glob(f"{path.name}*"):
        copy.with_name(part.name.replace(path.name, copy.name)).write_bytes(part.read_bytes())
    return copy


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


def test_the_file_is_set_up_to_survive_a_power_cut(path: Path) -> None:
    with spool_at(path) as spool:
        asked = {
            pragma: spool._conn.execute(f"PRAGMA {pragma}").fetchone()[0]
            for pragma in ("journal_mode", "synchronous", "locking_mode", "mmap_size")
        }
    assert asked == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "locking_mode": "exclusive",
        "mmap_size": 0,
    }


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
    def counted(value: int) -> Reading:
        state = CounterState(value=value, total=1_000 + value)
        outcome = Total(total=state.total, counter=state)
        return Reading(sensor="c1", measured_ms=1, clock_trusted=True, outcome=outcome)

    with spool_at(path) as spool:
        assert spool.counters() == {}
        spool.append([counted(7), counted(9), reading(1)])
    with spool_at(crashed_copy(path)) as spool:
        assert spool.counters() == {"c1": CounterState(value=9, total=1_009)}


def test_a_spool_of_before_there_were_counters_is_taken_over(path: Path) -> None:
    with spool_at(path) as spool:
        spool.append(readings(1, 3))
    with contextlib.closing(sqlite3.connect(path)) as older:
        older.execute("DROP TABLE counter")
        older.execute("PRAGMA user_version = 1")
    with spool_at(path) as spool:
        assert weights(spool) == [1, 2, 3]
        assert spool.counters() == {}
    assert not list(path.parent.glob("*.corrupt-*"))


def test_one_spool_has_one_owner(path: Path) -> None:
    with spool_at(path), pytest.raises(SpoolError, match="another agent"):
        Spool.open(path, MIB)


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="Allowed"):
        Spool.open(tmp_path / "file" / "spool.db", MIB)


def test_when_the_quota_is_reached_the_oldest_are_given_up_and_a_gap_says_so(path: Path) -> None:
    quota = 256 * 1024
    with spool_at(path, quota) as spool:
        number = 0
        while spool.given_up < 5_000:
            spool.append(readings(number + 1, number + 50))
            number += 50
        found = [codec.decode(payload) for payload in payloads(spool)]
        gaps = [message for message in found if isinstance(message, Gap)]
        assert len(gaps) == 1, "gaps beside each other become one"
        assert isinstance(found[0], Gap), "it takes the place of what it stands for"
        assert gaps[0].first_seq == 1
        assert gaps[0].last_seq == spool.given_up
        assert weights(spool) == list(range(spool.given_up + 1, number + 1))
        assert spool.backlog() == len(found)
    assert path.stat().st_size <= quota


def test_nothing_that_may_have_left_is_given_up_or_changed(path: Path) -> None:
    with spool_at(path, 256 * 1024) as spool:
        for number in range(10):
            spool.append(readings(number * 50 + 1, number * 50 + 50))
        spool.mark_leaving(range(1, 6))
        spool.append(readings(501, 550), leaving=True)
        left = {no: spool.load(no) for no in (1, 2, 3, 4, 5, 11)}
        number = 550
        while spool.given_up < 3_000:
            spool.append(readings(number + 1, number + 50))
            number += 50
        assert {no: spool.load(no) for no in left} == left
        covered = covered_seqs(spool)
        assert covered == list(range(1, number + 1))


def test_a_gap_that_may_have_left_stays_as_it_was(path: Path) -> None:
    with spool_at(path, 256 * 1024) as spool:
        number = 0
        while not spool.given_up:
            spool.append(readings(number + 1, number + 50))
            number += 50
        spool.mark_leaving([1])
        sent = spool.load(1)
        before = spool.given_up
        while spool.given_up < before + 2_000:
            spool.append(readings(number + 1, number + 50))
            number += 50
        assert spool.load(1) == sent
        assert covered_seqs(spool) == list(range(1, number + 1))


def covered_seqs(spool: Spool) -> list[int]:
    """Every number that the spool can still account for; one that is twice in it shows."""
    return sorted(
        seq
        for batch in spool.oldest(0, 100_000)
        for seq in range(batch.first_seq, batch.last_seq + 1)
    )


def test_a_spool_full_of_what_may_have_left_takes_nothing_more_and_loses_nothing(
    path: Path,
) -> None:
    with spool_at(path, 128 * 1024) as spool:
        number = 0
        with contextlib.suppress(SpoolFullError):
            while number < 100_000:
                spool.append(readings(number + 1, number + 50), leaving=True)
                number += 50
        assert number < 100_000
        assert weights(spool) == list(range(1, number + 1))
        spool.forget([batch.no for batch in spool.oldest(0, 20)])
        (batch,) = spool.append(readings(number + 1, number + 50))
        assert batch.first_seq == number + 1


def test_a_commit_that_fails_is_raised_and_uses_no_number(path: Path) -> None:
    with spool_at(path) as spool:
        spool.append(readings(1, 1))
        kept = payloads(spool)
        with full_disk(), pytest.raises(sqlite3.OperationalError):
            append_until_it_fails(spool)
        taken = spool._next_seq - 1
        copy = crashed_copy(path)
    with spool_at(copy) as spool:
        assert payloads(spool)[0] == kept[0]
        assert covered_seqs(spool)[:taken] == list(range(1, taken + 1))


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


@pytest.mark.parametrize(
    "damage",
    [
        "payload = CAST(replace(payload, x'02', x'07') AS BLOB)",
        "payload = CAST(x'ff80' AS TEXT)",
        "stream = CAST(x'ff80' AS TEXT)",
        "stream = 5",
        "first_seq = 'two'",
        "last_seq = last_seq + 1",
        "crc = ''",
    ],
)
def test_a_batch_that_is_not_what_it_was_is_kept_and_never_sent(
    path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    with spool_at(path, 128 * 1024) as spool:
        for number in (1, 2, 3):
            spool.append(readings(number, number))
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute(f"UPDATE batch SET {damage} WHERE no = 2")
        conn.commit()
    with spool_at(path, 128 * 1024) as spool:
        assert weights(spool) == [1, 3]
        assert "batch 2 of the spool is damaged" in caplog.text
        assert [batch.no for batch in spool.oldest(0, 10)] == [1, 3]
        assert spool.load(2) is None
        assert spool.backlog() == 2
        while spool.given_up < 1_000:  # the quota does not stumble over it either
            spool.append(readings(1, 50))


@pytest.mark.parametrize("content", [b"this is no database" * 1_000, b"\0" * 20_000])
def test_a_file_that_is_no_spool_is_set_aside_and_a_new_one_begun(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        path.write_bytes(content)
        with spool_at(path) as spool:
            spool.append(readings(1, 1))
        assert path.with_name(f"spool.db.corrupt-{number}").read_bytes() == content
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_what_can_be_read_in_a_damaged_file_is_saved_and_counts_as_sent(path: Path) -> None:
    with spool_at(path) as spool:
        for number in range(200):
            spool.append(readings(number * 50 + 1, number * 50 + 50))
        before = payloads(spool)
    damage = bytearray(path.read_bytes())
    middle = len(damage) // 2 // PAGE_BYTES * PAGE_BYTES
    damage[middle : middle + PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(damage)
    with spool_at(path) as spool:
        saved = payloads(spool)
        assert len(before) - 10 <= len(saved) < len(before)
        assert set(saved) <= set(before)
        states = spool._conn.execute("SELECT DISTINCT state FROM batch").fetchall()
        assert states == [(1,)], "it may have been sent, so its bytes must stay"


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_never_stops_the_spool_and_never_changes_a_reading(
    path: Path, seed: int
) -> None:
    with spool_at(path) as spool:
        for number in range(40):
            spool.append(readings(number * 20 + 1, number * 20 + 20))
        before = set(payloads(spool))
    chance = random.Random(seed)
    damage = bytearray(path.read_bytes())
    # Half of the time in the head, where one byte can mean anything.
    reach = 100 if seed % 2 else len(damage)
    for _ in range(chance.randint(1, 8)):
        damage[chance.randrange(reach)] = chance.randrange(256)
    if chance.random() < 0.2:
        del damage[chance.randrange(len(damage)) :]
    path.write_bytes(damage)
    for _ in range(2):
        with spool_at(path) as spool:
            assert set(payloads(spool)) <= before | {spool.load(spool.newest_no)}
            spool.append(readings(1, 1))
            before |= set(payloads(spool))


@pytest.mark.parametrize("value", [0, 255])
def test_no_byte_in_the_head_of_the_file_stops_the_spool(path: Path, value: int) -> None:
    with spool_at(path) as spool:
        for number in range(3):
            spool.append(readings(number * 20 + 1, number * 20 + 20))
        before = set(payloads(spool))
    whole = path.read_bytes()
    for place in range(100):
        for part in path.parent.iterdir():
            part.unlink()
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        with spool_at(path) as spool:
            assert set(payloads(spool)) <= before
            spool.append(readings(1, 1))


@pytest.mark.parametrize("name", ["payload", "state", "gap", "first_seq", "no"])
def test_a_column_with_another_name_is_damage_and_its_batches_are_saved(
    path: Path, name: str
) -> None:
    with spool_at(path) as spool:
        spool.append(readings(1, 20))
        before = payloads(spool)
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute(f"ALTER TABLE batch RENAME COLUMN {name} TO flipped")
    with spool_at(path) as spool:
        assert payloads(spool) == before
        spool.append(readings(21, 22))
