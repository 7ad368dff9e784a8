"""What charts are drawn from: minutes for a day, hours for more, and the rest of today by both."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.postgres import asking, history
from tests.cloud import store_cases
from tests.cloud.store_cases import THIS_HOUR, TODAY, keep_once, put

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def admin(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as conn:
        yield conn


@pytest.fixture
def bin_id(admin: psycopg.Connection) -> int:
    """Of the first sensor, which was heard now."""
    sensor, _ = store_cases.make_site(admin)
    row = admin.execute(
        "INSERT INTO bin_state (bin_id, sensor_id, heard_at, received_at)"
        " SELECT bin_id, sensor_id, %s, %s FROM sensors WHERE sensor_id = %s RETURNING bin_id",
        (TODAY, TODAY, sensor),
    ).fetchone()
    assert row is not None
    return int(row[0])


def asked(database: Any, read: Any, *what: object) -> list[Any]:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "test")
        return read(conn, *what)


def weights(told: list[history.Told]) -> list[tuple[int | None, int | None]]:
    return [(one.first_weight_mg, one.last_weight_mg) for one in told]


def test_a_bin_nobody_heard_of_has_no_history(database: Any, admin: psycopg.Connection) -> None:
    assert asked(database, history.by_minutes, 1, TODAY - DAY, TODAY) == []
    assert asked(database, history.by_hours, 1, TODAY - DAY, TODAY) == []


def test_a_day_is_read_by_the_minute_and_by_corrected_time(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    at = TODAY - 3 * HOUR
    put(admin, 1, [(at, 1), (at + timedelta(seconds=20), 2), (at + MINUTE, 3)])
    put(admin, 1, [(at - 900 * DAY, 4)], first_seq=4, corrected=900 * DAY + 2 * MINUTE)
    told = asked(database, history.by_minutes, bin_id, TODAY - DAY, TODAY)
    assert weights(told) == [(1, 2), (3, 3), (4, 4)]
    assert told[0].readings == 2


def test_weeks_are_read_from_the_hours_and_the_rest_from_the_readings(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    put(admin, 1, [(THIS_HOUR - 50 * HOUR, 1), (THIS_HOUR - 50 * HOUR + MINUTE, 2)])
    keep_once(database)
    admin.execute("DELETE FROM readings")
    put(admin, 1, [(THIS_HOUR - 2 * HOUR, 3), (THIS_HOUR + MINUTE, 4)])
    told = asked(database, history.by_hours, bin_id, TODAY - 30 * DAY, TODAY)
    assert weights(told) == [(1, 2), (3, 3), (4, 4)], "the keeper need not be up to date"


def test_the_level_before_the_chart_comes_first(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    put(admin, 1, [(THIS_HOUR - 48 * HOUR, 1), (THIS_HOUR - 30 * HOUR, 2), (THIS_HOUR - HOUR, 3)])
    keep_once(database)
    told = asked(database, history.by_minutes, bin_id, TODAY - DAY, TODAY)
    assert weights(told) == [(2, 2), (3, 3)]


def test_a_supplier_sees_the_history_of_its_own_bins_alone(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    put(admin, 1, [(THIS_HOUR - 2 * HOUR, 3), (THIS_HOUR + MINUTE, 4)])
    keep_once(database)
    for supplier, seen in ((1, 2), (2, 0)):
        with database.connect("binline_portal") as conn:
            asking.as_supplier(conn, supplier)
            told = history.by_hours(conn, bin_id, TODAY - DAY, TODAY)
        assert len(told) == seen


def test_what_is_dated_after_now_is_not_told(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    put(admin, 1, [(TODAY + MINUTE, 9), (TODAY - MINUTE, 5)])
    told = asked(database, history.by_minutes, bin_id, TODAY - DAY, TODAY)
    assert weights(told) == [(5, 5)]
