"""What was read late, by two scales, by a machine that was refused: each has its place."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from cloud.actions import read_news
from cloud.actions.remember import Memory
from cloud.actions.settle_twins import settle_twins
from tests.cloud import ingest_cases as cases
from tests.cloud.follow_cases import (
    MORNING,
    NOW,
    PIECE_MG,
    TARE_MG,
    USED,
    Come,
    batches,
    count,
    follow,
    level,
    of_minute,
    told,
)


def second_scale(database: Any) -> None:
    with database.admin() as admin:
        admin.execute(
            "INSERT INTO sensors (gateway_id, name, bin_id)"
            " SELECT gateway_id, 's02', bin_id FROM sensors"
        )


def both(seq: int, minute: int, left: int, right: int) -> Any:
    readings = [
        cases.messages.Weighed(
            sensor=n,
            after_ms=(minute * 60 + n) * 1_000,
            weight_mg=TARE_MG // 2 + pieces * PIECE_MG,
            stability=0,
            clock_trusted=True,
        )
        for n, pieces in enumerate((left, right))
    ]
    return cases.batch(seq, readings, sensors=("s01", "s02"))


def test_what_late_readings_take_back_stays_with_the_time_of_its_end(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    first, second, third = batches([480] * 5 + [450] * 5 + [420] * 5, 5)
    come([first, third])
    follow(jobs)
    assert [pieces for _, pieces, *_ in told(jobs, bin_id)] == [480, -60]
    come([second])
    follow(jobs)
    assert [pieces for _, pieces, *_ in told(jobs, bin_id)] == [480, -30, -30]
    gone = jobs.execute("SELECT pieces FROM movements WHERE replaced_at IS NOT NULL").fetchall()
    assert gone == [(-60,)]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_refused_machine_said_is_followed_no_longer(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int, *, restarted: bool
) -> None:
    """Its scale stood elsewhere: of two weights in turn nothing can be said, of one all."""
    ours, memory = batches(MORNING, 8), Memory()
    theirs = batches([1_200] * len(MORNING), 1)
    come(ours[:1])
    follow(jobs, memory)
    come([replace(one, stream=cases.OTHER_STREAM) for one in theirs])
    come(ours[1:])
    follow(jobs, memory)
    assert [pieces for _, pieces, *_ in told(jobs, bin_id)] != USED
    if restarted:
        memory.clear()
    with database.admin() as admin:
        admin.execute("UPDATE streams SET present_heard = now()")  # both have said that they run
        admin.execute(
            "UPDATE gateways SET twin_since = now(), twin_kept = %s, twin_held = %s",
            (cases.STREAM, cases.OTHER_STREAM),
        )
    settle_twins(jobs, "lindau-1", UUID(cases.STREAM), "ada", NOW)
    follow(jobs, memory)
    assert [pieces for _, pieces, *_ in told(jobs, bin_id)] == USED


@pytest.mark.parametrize("memory", [None, Memory()], ids=["anew", "by heart"])
def test_a_count_that_is_entered_late_stands_among_readings_that_were_followed(
    database: Any,
    come: Come,
    jobs: psycopg.Connection,
    bin_id: int,
    memory: Memory | None,
) -> None:
    come([cases.batch(1, [of_minute(n, 480) for n in range(9)], sensors=("s01",))])
    follow(jobs, memory)
    count(database, bin_id, 470, minute=5)
    follow(jobs, memory)
    assert level(jobs, bin_id)[0] == 470
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", -10),
    ]


def test_a_second_scale_under_a_bin_makes_one_level_of_both(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    second_scale(database)
    come([both(1 + 2 * minute, minute, 200, 280) for minute in range(4)])
    come([both(9 + 2 * minute, 4 + minute, 190, 260) for minute in range(4)])
    follow(jobs)
    assert level(jobs, bin_id)[0] == 450
    assert sum(pieces for kind, pieces, *_ in told(jobs, bin_id) if kind == "usage") == -30
    (rows,) = jobs.execute("SELECT count(*) FROM bin_state WHERE bin_id = %s", (bin_id,)).fetchall()
    assert rows == (1,)


@pytest.mark.parametrize("scales", [1, 2])
def test_what_is_more_than_a_transaction_takes_comes_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
    database: Any,
    come: Come,
    jobs: psycopg.Connection,
    bin_id: int,
    *,
    scales: int,
) -> None:
    """Of two scales one has said more than is taken: the other does not overtake it."""
    monkeypatch.setattr(read_news, "SEEN_MAX", 7)
    if scales == 2:
        second_scale(database)
        come([both(1 + 2 * n, n, 200, 280 if n < 12 else 260) for n in range(20)])
    else:
        come(batches([480] * 12 + [460] * 8, 20))
    count(database, bin_id, 479, minute=10.5)
    follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", -1),
        ("usage", -20),
    ]
