from pathlib import Path

import pytest

from edge_agent.core.merge import MERGED_BYTES_MAX, MERGED_READINGS_MAX
from edge_agent.core.reading import Condition, Reading
from edge_agent.sqlite.compacting import SMALL_READINGS_MAX, find_run, merged
from edge_agent.sqlite.spool import Spool
from edge_agent.wire.messages import ReadingBatch
from tests.edge_agent.sqlite.spools import covered, messages, payloads, readings, spool_at, weights


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def compacted(spool: Spool) -> list[int]:
    while spool.compact():
        pass
    return [batch.last_seq - batch.first_seq + 1 for batch in spool.oldest(0, 10_000)]


def test_what_is_large_already_is_not_written_again(path: Path) -> None:
    with spool_at(path) as spool:
        for _ in range(40):
            spool.append(readings(1, SMALL_READINGS_MAX + 1))
        assert compacted(spool) == [SMALL_READINGS_MAX + 1] * 40


def test_what_is_merged_is_not_merged_again(path: Path) -> None:
    with spool_at(path) as spool:
        for number in range(3_000):
            spool.append(readings(number, number))
            spool.compact()
        before = payloads(spool)
        assert compacted(spool)[:2] == [MERGED_READINGS_MAX] * 2
        assert payloads(spool) == before


def test_long_words_end_a_batch_before_it_is_long(path: Path) -> None:
    def wordy(number: int) -> Reading:
        said = Condition(condition="fault", because=f"{number} " + "because " * 20)
        return Reading(sensor="s", measured_ms=number, clock_trusted=True, outcome=said)

    with spool_at(path) as spool:
        for number in range(1_000):
            spool.append([wordy(number)])
        assert compacted(spool)[0] > 100
        assert max(map(len, payloads(spool))) <= MERGED_BYTES_MAX
        assert covered(spool, spool.stream) == list(range(1, 1_001))


def test_streams_of_short_lives_are_merged_each_for_itself(path: Path) -> None:
    for _ in range(4):
        with spool_at(path) as spool:
            for number in range(1, 6):
                spool.append(readings(number, number))
    with spool_at(path) as spool:
        spool.append(readings(6, 6))
        assert compacted(spool) == [5, 5, 5, 5, 1]
        assert weights(spool) == [*range(1, 6)] * 4 + [6]
        lives = [one.life for one in messages(spool) if isinstance(one, ReadingBatch)]
        assert lives == sorted(set(lives))


def test_a_damaged_batch_is_not_made_whole_by_merging(path: Path) -> None:
    with spool_at(path) as spool:
        for number in range(1, 6):
            spool.append(readings(number, number))
        spool.append_step(1, "")
        spool.append(readings(7, 7))
        spool._conn.execute("UPDATE frozen SET payload = x'00' WHERE no = 3")
        found = find_run(spool._conn, 0)
        assert found.run is not None
        assert merged(spool._conn, found.run) is None
        compacted(spool)
        assert weights(spool) == [1, 2, 4, 5, 7]
