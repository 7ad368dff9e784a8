"""The keeper: each step in its time, and a database that does not obey holds up the others not."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.loops import keep
from cloud.postgres import bin_parameters, timescale
from cloud.postgres.timescale import Store
from cloud.settings import Keeping
from tests.cloud import store_cases
from tests.cloud.postgres.test_migrate import wait_for
from tests.cloud.store_cases import THIS_HOUR, TODAY, hours_of, put

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def admin(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as conn:
        yield conn


def keeper(**ages: timedelta) -> keep.KeepLoop:
    return keep.KeepLoop(Keeping(**ages), threading.Event(), lambda: TODAY)


def test_a_round_does_each_thing_once_and_the_next_round_waits(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    loop = keeper()
    with database.connect("binline_jobs") as jobs:
        jobs.autocommit = True
        put(admin, sensor, [(THIS_HOUR - HOUR, 1)])
        loop.round(jobs)
        assert len(hours_of(admin, sensor)) == 1
        put(admin, sensor, [(THIS_HOUR - 2 * HOUR, 1)], first_seq=2)
        loop.round(jobs)
        assert len(hours_of(admin, sensor)) == 1


def test_old_readings_go_and_their_hours_go_when_they_are_old_themselves(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(THIS_HOUR - days * DAY, days) for days in (5, 60, 150)])
    store_cases.keep_once(database)
    assert len(hours_of(admin, sensor)) == 3
    ages = Keeping(readings=40 * DAY, accepted=35 * DAY, rollups=100 * DAY)
    store_cases.keep_once(database, keeping=ages)
    assert admin.execute("SELECT count(*) FROM readings").fetchone() == (1,)
    kept = {(TODAY - row[0]).days for row in hours_of(admin, sensor)}
    assert {5, 60} <= kept


def test_what_is_in_the_way_is_tried_again_and_stops_nothing_else(
    database: Any, admin: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(THIS_HOUR - HOUR, 1)])
    with database.connect("binline_jobs") as jobs, admin.transaction():
        jobs.autocommit = True
        jobs.execute("SET lock_timeout = '100ms'")
        admin.execute("LOCK TABLE rollups_due IN ACCESS EXCLUSIVE MODE")
        keeper().round(jobs)
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


def test_a_keeper_that_is_told_to_stop_begins_nothing(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(THIS_HOUR - HOUR, 1)])
    stop = threading.Event()
    stop.set()
    with database.connect("binline_jobs") as jobs:
        jobs.autocommit = True
        keep.KeepLoop(Keeping(), stop, lambda: TODAY).round(jobs)
    assert hours_of(admin, sensor) == []


def test_what_bins_use_a_day_is_computed_and_old_checkpoints_go(
    database: Any, admin: psycopg.Connection
) -> None:
    store_cases.make_site(admin)
    admin.execute("INSERT INTO bin_levels (bin_id, pieces, level_at) VALUES (1, 80, %s)", (TODAY,))
    for days, kind, pieces in ((9, "opening", 100), (3, "usage", -20)):
        at = TODAY - days * DAY
        admin.execute(
            "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
            " event_at, confirmed_at, known_at, after_refs, because) SELECT 1, item_id, %s, %s,"
            " 100, 100 + %s, %s, %s, %s, '{1,1,1,1}', 'so' FROM bins WHERE bin_id = 1",
            (kind, pieces, pieces, at, at, at),
        )
    for hours in (1, 50, 51, 24 * 36):
        admin.execute("INSERT INTO checkpoints VALUES (1, %s, '{}')", (TODAY - hours * HOUR,))
    store_cases.keep_once(database)
    rate = admin.execute("SELECT usage_per_day, usage_days FROM bin_levels").fetchone()
    assert rate == (pytest.approx(20 / 8), 8)
    assert admin.execute("SELECT count(*) FROM checkpoints").fetchone() == (2,)


def test_each_night_bins_are_estimated_once_whoever_gets_there_first(
    database: Any, admin: psycopg.Connection
) -> None:
    store_cases.make_site(admin)

    def computed() -> list[Any]:
        rows = admin.execute("SELECT DISTINCT computed_at FROM bin_parameters").fetchall()
        return [at for (at,) in rows]

    night = TODAY.replace(hour=2, minute=0)
    for at, last in (
        (TODAY, TODAY),  # a night that was missed, or the first of all, is made up for
        (TODAY + HOUR, TODAY),
        (night + DAY - HOUR, TODAY),
        (night + DAY, night + DAY),
        (night + DAY + HOUR, night + DAY),
    ):
        store_cases.keep_once(database, at)
        assert computed() == [last]
    with database.connect("binline_jobs") as other:
        bin_parameters.take_turn(other)  # another process is at it
        store_cases.keep_once(database, night + 2 * DAY)
        assert computed() == [night + DAY]
    store_cases.keep_once(database, night + 2 * DAY)
    assert computed() == [night + 2 * DAY]


def test_who_tells_a_keeper_to_stop_does_not_wait_for_the_database(
    database: Any, admin: psycopg.Connection
) -> None:
    if timescale.store_of(admin) is not Store.COLUMNSTORE:
        pytest.skip("NO TIMESCALEDB: give a server that has it in BINLINE_TEST_DSN")
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(THIS_HOUR - HOUR, 1)])
    stop = threading.Event()
    loop = keep.KeepLoop(Keeping(), stop, lambda: TODAY)
    with database.connect("binline_jobs") as jobs, admin.transaction():
        jobs.autocommit = True
        jobs.execute("SET lock_timeout = 0")
        admin.execute("LOCK TABLE readings IN ACCESS EXCLUSIVE MODE")
        working = threading.Thread(target=loop.round, args=(jobs,))
        working.start()
        wait_for(lambda: is_waiting(database, jobs.info.backend_pid), 30)
        stop.set()
        working.join(15)
        assert not working.is_alive()
        assert jobs.execute("SELECT 1").fetchone() == (1,)


def is_waiting(database: Any, pid: int) -> bool:
    """Whether a connection waits for a lock."""
    with database.admin() as conn:
        waits = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
        return conn.execute(waits, (pid,)).fetchone() is not None
