"""What is booked of a bin, and what is written of one that rests."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.remember import Memory
from tests.cloud import ingest_cases as cases
from tests.cloud.follow_cases import (
    MINUTE_MS,
    NOW,
    Come,
    batches,
    follow,
    level,
    of_minute,
    told,
)


def test_a_count_is_a_correction_never_usage_and_stands_in_its_time(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    come(batches([480] * 10 + [450] * 10, 20))
    follow(jobs)
    jobs.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'cycle', 478, %s, %s, 'ann', 'counted by hand'"
        " FROM bins WHERE bin_id = %s",
        (cases.NOW + timedelta(minutes=5, seconds=30), NOW, bin_id),
    )
    follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", -2),
        ("usage", -30),
    ]
    follow(jobs)
    known = level(jobs, bin_id)
    assert known[0] == 448


@pytest.mark.parametrize("late", [False, True])
def test_what_was_counted_while_the_scale_was_silent_is_not_taken_off_again_with_the_weight(
    come: Come, jobs: psycopg.Connection, bin_id: int, *, late: bool
) -> None:
    memory = Memory()
    before, silent, after = batches([480] * 10 + [None] * 10 + [455] * 10, 10)
    come([before] if late else [before, silent])
    follow(jobs, memory)
    jobs.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'cycle', 460, %s, %s, 'ann', 'counted by hand'"
        " FROM bins WHERE bin_id = %s",
        (cases.NOW + timedelta(minutes=19, seconds=30), NOW, bin_id),
    )
    follow(jobs, memory)
    assert level(jobs, bin_id)[0] == 460
    come([after])
    follow(jobs, memory)
    if late:
        come([silent])
        follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", -20),
        ("usage", -5),
    ]
    assert level(jobs, bin_id)[0] == 455


def test_a_counter_of_what_is_taken_moves_the_level_that_somebody_counted(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    with database.admin() as admin:
        admin.execute("UPDATE bins SET measure = 'counter_out', pieces_per_count = 10")

    def counted(seq: int, minute: int, *totals: int) -> Any:
        readings = [
            cases.messages.Counted(
                sensor=0, after_ms=(minute + n) * MINUTE_MS, total=total, clock_trusted=True
            )
            for n, total in enumerate(totals)
        ]
        return cases.batch(seq, readings, sensors=("s01",))

    come([counted(1, 0, 100, 100)])
    follow(jobs)
    jobs.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'audit', 500, %s, %s, 'ann', 'first count' FROM bins",
        (cases.NOW + timedelta(minutes=2), NOW),
    )
    come([counted(3, 3, 103, 103, 110)])
    follow(jobs)
    assert level(jobs, bin_id)[0] == 400
    moved = [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)]
    assert moved == [("opening", 500), ("usage", -30), ("usage", -70)]


def test_a_bin_that_rests_is_written_down_four_times_an_hour_of_its_readings(
    come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    """Its level says that it was followed; what is remembered is found again from there."""
    memory = Memory()
    versions = set()
    for minute in range(46):
        come([cases.batch(minute + 1, [of_minute(minute, 480)], sensors=("s01",))])
        follow(jobs, memory)
        assert level(jobs, bin_id)[3] == cases.NOW + timedelta(minutes=minute)
        versions.add(jobs.execute("SELECT version FROM bin_tracks").fetchone())
    assert len(versions) == 1 + 46 // 15
    assert jobs.execute("SELECT bin_id FROM bin_due").fetchall() == [(bin_id,)]
