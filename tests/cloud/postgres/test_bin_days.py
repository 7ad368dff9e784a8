"""Days of bins in the database: what is due, what is silent, what makes a day to be due again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.postgres import asking, bin_days
from cloud.postgres.bin_days import Due

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def jobs(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        asking.as_operations(conn, "binline")
        conn.execute("DELETE FROM bin_days_due")
        yield conn


def _heard(shelf: Any, first: datetime, last: datetime) -> None:
    shelf.admin.execute(
        "INSERT INTO rollups (sensor_id, hour, readings, conditions, heard_first_at,"
        " heard_last_at, weights) VALUES (%s, date_trunc('hour', %s), 1, 0, %s, %s, 1)",
        (shelf.sensor_id, first, first, last),
    )


def test_a_scale_that_is_silent_to_the_end_is_silent_from_when_it_should_have_spoken(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    shelf.weigh(100, NOON)
    asked = [Due(shelf.bin_id, NOON - DAY)]
    (silence,) = bin_days.silences(jobs, asked, NOON + DAY)
    assert (silence.from_at, silence.upto_at) == (NOON + timedelta(minutes=3), NOON + DAY)
    assert bin_days.silences(jobs, asked, NOON) == []


def test_hours_that_follow_each_other_have_no_silence_between_them(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    for hour in (0, 1, 4):
        _heard(shelf, NOON + hour * HOUR, NOON + hour * HOUR + timedelta(minutes=59))
    (silence,) = bin_days.silences(jobs, [Due(shelf.bin_id, NOON)], NOON + 5 * HOUR)
    assert (silence.from_at, silence.upto_at) == (
        NOON + timedelta(hours=2, minutes=2),
        NOON + 4 * HOUR,
    )


def test_of_two_scales_under_a_bin_one_is_enough(shelf: Any, jobs: psycopg.Connection) -> None:
    (other,) = shelf.admin.execute(
        "INSERT INTO sensors (gateway_id, name, bin_id) SELECT gateway_id, 's02', bin_id"
        "  FROM sensors RETURNING sensor_id"
    ).fetchone()
    for hour in (0, 1):
        _heard(shelf, NOON + hour * HOUR, NOON + hour * HOUR + timedelta(minutes=59))
    shelf.admin.execute(
        "INSERT INTO rollups (sensor_id, hour, readings, conditions, heard_first_at,"
        " heard_last_at, weights) VALUES (%s, %s, 1, 0, %s, %s, 1)",
        (other, NOON, NOON + timedelta(minutes=1), NOON + timedelta(minutes=5)),
    )
    assert bin_days.silences(jobs, [Due(shelf.bin_id, NOON)], NOON + 2 * HOUR) == []


def test_a_count_and_another_supplier_make_days_due(
    shelf: Any, database: Any, jobs: psycopg.Connection
) -> None:
    jobs.commit()
    shelf.admin.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'audit', 5, %s, %s, 'ada', 'turn' FROM bins",
        (NOON, NOON),
    )
    with shelf.admin.transaction():
        asking.because(shelf.admin, "another tare", NOON - DAY)
        shelf.admin.execute("UPDATE bins SET tare_mg = 1")
    marked = {row["from_at"] for row in shelf.rows("bin_days_due")}
    assert {NOON, NOON - DAY} <= marked
    (due,) = bin_days.take(jobs, 10, 100) or []
    assert (due.bin_id, due.from_at) == (shelf.bin_id, min(marked))
    assert bin_days.take(jobs, 10, 100) == []


def test_the_newest_days_are_added_up_first(
    shelf: Any, make_shelf: Any, jobs: psycopg.Connection
) -> None:
    other = make_shelf("HRT-R02-B5")
    jobs.execute("DELETE FROM bin_days_due")
    jobs.execute(
        "INSERT INTO bin_days_due VALUES (%s, %s), (%s, %s)",
        (shelf.bin_id, NOON - 300 * DAY, other.bin_id, NOON),
    )
    assert bin_days.take(jobs, 1, 1) == [Due(other.bin_id, NOON)]


def test_what_is_older_than_it_is_kept_goes(shelf: Any, jobs: psycopg.Connection) -> None:
    shelf.admin.execute(
        "INSERT INTO bin_weeks SELECT bin_id, date_trunc('week', %s), supplier_id, item_id, 1,"
        " true, 1 FROM bins",
        (NOON,),
    )
    assert bin_days.prune(jobs, NOON - 30 * DAY) == 0
    assert bin_days.prune(jobs, NOON + 30 * DAY) == 1
