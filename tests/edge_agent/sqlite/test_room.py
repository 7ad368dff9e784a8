import contextlib
from pathlib import Path

import pytest

from edge_agent.sqlite.spool import Spool, SpoolFullError
from edge_agent.wire.messages import Condition, Gap, ReadingBatch, Thinned, Weighed
from tests.edge_agent.sqlite.spools import (
    HOUR_MS,
    NOW_MS,
    counted,
    covered,
    gaps,
    messages,
    payloads,
    reading,
    readings,
    silent,
    spool_at,
    weights,
)

QUOTA = 128 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def fill(spool: Spool, number: int, until: int, *, each: int = 50) -> int:
    """A reading a minute of ten sensors, until so many were given up."""
    while spool.given_up < until:
        spool.append(
            [
                reading(at, f"s{at % 10}", NOW_MS + at * 6_000)
                for at in range(number + 1, number + each + 1)
            ]
        )
        number += each
    return number


def test_the_tail_goes_first_and_nothing_is_lost_by_it(path: Path) -> None:
    with spool_at(path, QUOTA) as spool:
        number = 0
        while not spool.given_up and number < 30_000:
            spool.append(readings(number + 1, number + 50), leaving=True)
            spool.forget([spool.newest_no])
            number += 50
        assert spool.given_up == 0
        assert spool.backlog() == 0
        assert sum(len(ranges) for ranges in spool.kept().values()) == 1
    assert path.stat().st_size <= QUOTA


def test_then_the_oldest_bulk_is_thinned_and_says_what_is_left_of_it(path: Path) -> None:
    with spool_at(path, QUOTA) as spool:
        number = fill(spool, 0, 10_000)
        found = messages(spool)
        assert isinstance(found[0], Thinned)
        assert not gaps(spool), "as long as there is bulk, no range is given up whole"
        kinds = [type(one) for one in found]
        assert kinds == sorted(kinds, key=[Thinned, ReadingBatch].index), "the oldest first"
        assert covered(spool, spool.stream) == list(range(1, number + 1))
        left = sum(len(one.readings) for one in found if isinstance(one, Thinned | ReadingBatch))
        assert left + spool.given_up == number, "each that went is counted"
        assert spool.backlog() == len(found)
        hours = {(at % 10, (NOW_MS + at * 6_000) // HOUR_MS) for at in range(1, number + 1)}
        assert {(at % 10, (NOW_MS + at * 6_000) // HOUR_MS) for at in weights(spool)} == hours
    assert path.stat().st_size <= QUOTA


def test_conditions_outlast_the_numbers_around_them(path: Path) -> None:
    with spool_at(path, QUOTA) as spool:
        number = 0
        while spool.given_up < 5_000:
            at_ms = NOW_MS + number * 1_000
            spool.append([*readings(number + 1, number + 50), silent(at_ms), counted(number)])
            number += 50
        said = [row for one in messages(spool) if isinstance(one, Thinned) for row in one.readings]
        conditions = sum(isinstance(row, Condition) for row in said)
        assert conditions > 10 * sum(isinstance(row, Weighed) for row in said)


def test_at_last_whole_ranges_go_and_a_gap_tells_of_each(path: Path) -> None:
    with spool_at(path, QUOTA) as spool:
        number = 0
        while not spool.given_up > 3_000:
            spool.append([silent(NOW_MS + at, f"s{at % 7}") for at in range(100)])
            number += 100
        found = messages(spool)
        assert isinstance(found[0], Gap), "it takes the place of what it stands for"
        assert len(gaps(spool)) == 1, "gaps beside each other become one"
        assert found[0].last_seq == spool.given_up
        assert found[0].life == spool.life
        assert covered(spool, spool.stream) == list(range(1, number + 1))
    assert path.stat().st_size <= QUOTA


def test_nothing_that_may_have_left_is_given_up_or_changed(path: Path) -> None:
    with spool_at(path, QUOTA) as spool:
        for number in range(10):
            spool.append(readings(number * 50 + 1, number * 50 + 50))
        spool.mark_leaving(range(1, 6))
        spool.append(readings(501, 550), leaving=True)
        left = {no: spool.load(no) for no in (1, 2, 3, 4, 5, 11)}
        number = fill(spool, 550, 10_000)
        assert {no: spool.load(no) for no in left} == left
        assert covered(spool, spool.stream) == list(range(1, number + 1))


def test_what_was_thinned_and_may_have_left_stays_as_it_was(path: Path) -> None:
    with spool_at(path, QUOTA) as spool:
        number = fill(spool, 0, 2_000)
        (first, *_) = spool.oldest(0, 1)
        spool.mark_leaving([first.no])
        sent = spool.load(first.no)
        number = fill(spool, number, 6_000)
        assert spool.load(first.no) == sent
        assert covered(spool, spool.stream) == list(range(1, number + 1))


def test_a_spool_full_of_what_may_have_left_takes_nothing_more_and_loses_nothing(
    path: Path,
) -> None:
    with spool_at(path, QUOTA) as spool:
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


def test_a_month_of_a_small_quota_ends_with_what_the_hours_ended_with(path: Path) -> None:
    """Merged, thinned, and what was thinned taken in by what is thinned next."""
    with spool_at(path, QUOTA) as spool:
        number = 0
        for _ in range(60):
            number = fill(spool, number, spool.given_up + 500, each=5)
            while spool.compact():
                pass
        assert covered(spool, spool.stream) == list(range(1, number + 1))
        thinned = [one for one in messages(spool) if isinstance(one, Thinned)]
        kept = sum(len(one.readings) for one in thinned)
        hours = (thinned[-1].last_seq * 6_000) / HOUR_MS
        assert kept < 2 * 10 * hours + 100
        assert payloads(spool)
