"""Weeks of readings: made ahead, made for late ones, dropped when old. Nothing is refused."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.postgres import migrate, partitions, timescale
from cloud.postgres.timescale import Store
from tests.cloud import store_cases
from tests.cloud.postgres.test_migrate import Blank, make_blank
from tests.cloud.store_cases import TODAY, hours_of, keep_once, put

DAY = timedelta(days=1)


@pytest.fixture
def admin(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as conn:
        if timescale.store_of(conn) is not Store.WEEKS:
            pytest.skip("readings are in TimescaleDB here, whose chunks make themselves")
        yield conn


def waiting(admin: psycopg.Connection) -> int:
    row = admin.execute("SELECT count(*) FROM binline_store.readings_other").fetchone()
    assert row is not None
    return int(row[0])


def test_four_weeks_ahead_are_there_and_stay_so(database: Any, admin: psycopg.Connection) -> None:
    keep_once(database, TODAY + 28 * DAY)
    for ahead in range(0, 56, 7):
        week = TODAY + ahead * DAY
        monday = (week - week.weekday() * DAY).strftime("readings_%Y%m%d")
        assert monday in store_cases.partitions(admin)


def test_late_readings_wait_in_no_week_until_theirs_is_made(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(TODAY - days * DAY, days) for days in range(40, 60)])
    assert waiting(admin) == 20
    keep_once(database)
    assert waiting(admin) == 0
    assert admin.execute("SELECT count(*) FROM readings").fetchone() == (20,)
    assert len(hours_of(admin, sensor)) == 20


def test_a_time_that_no_week_is_made_for_is_kept_all_the_same(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    since_1970 = datetime(1970, 1, 1, 0, 5, tzinfo=TODAY.tzinfo)
    before = store_cases.partitions(admin)
    put(admin, sensor, [(since_1970, 5)], corrected=TODAY - 3 * DAY - since_1970)
    keep_once(database)
    assert waiting(admin) == 1
    assert store_cases.partitions(admin) == before
    assert [row[0].date() for row in hours_of(admin, sensor)] == [(TODAY - 3 * DAY).date()]
    with database.connect("binline_jobs") as jobs:
        partitions.drop_before(jobs, TODAY - 31 * DAY)
    assert waiting(admin) == 1, "it is three days old, whatever its clock said"


def test_weeks_that_are_over_the_age_are_dropped_and_their_hours_stay(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(TODAY - days * DAY, days) for days in (10, 100, 200)])
    keep_once(database)
    with database.connect("binline_jobs") as jobs:
        dropped = partitions.drop_before(jobs, TODAY - 60 * DAY)
    assert dropped == 2
    assert admin.execute("SELECT weight_mg FROM readings").fetchall() == [(10,)]
    assert [row[7] for row in hours_of(admin, sensor)] == [200, 100, 10]


def test_an_hour_whose_readings_are_gone_is_not_computed_from_what_comes_later(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    long_ago = TODAY - 200 * DAY
    put(admin, sensor, [(long_ago, 1), (long_ago + timedelta(seconds=9), 2)])
    keep_once(database)
    with database.connect("binline_jobs") as jobs:
        partitions.drop_before(jobs, TODAY - 60 * DAY)
    put(admin, sensor, [(long_ago + timedelta(seconds=20), 3)], first_seq=3)
    keep_once(database)
    ((_, readings, *_),) = hours_of(admin, sensor)
    assert readings == 2
    assert admin.execute("SELECT count(*) FROM rollups_due").fetchone() == (0,)


def test_a_week_with_a_reading_that_turned_out_younger_stays(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(TODAY - 100 * DAY, 1)], corrected=98 * DAY)
    keep_once(database)
    with database.connect("binline_jobs") as jobs:
        assert partitions.drop_before(jobs, TODAY - 60 * DAY) == 0
        assert partitions.drop_before(jobs, TODAY - 31 * DAY) == 0
    assert admin.execute("SELECT count(*) FROM readings").fetchone() == (1,)


def test_ingest_goes_on_while_a_week_is_made(database: Any, admin: psycopg.Connection) -> None:
    """Whoever makes the week waits for the writer, and the writer for nobody."""
    sensor, _ = store_cases.make_site(admin)
    with database.connect("binline_ingest") as ingest, database.connect("binline_jobs") as jobs:
        ingest.execute(
            "INSERT INTO readings (sensor_id, measured_at, stream_no, seq, received_at, weight_mg,"
            " stability, quality, clock_trusted) VALUES (%s, %s, 1, 1, %s, 5, 0, 0, true)",
            (sensor, TODAY - 60 * DAY, TODAY),
        )
        jobs.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            partitions.make_ahead(jobs, TODAY - 60 * DAY, TODAY - 400 * DAY)
        jobs.rollback()
        ingest.execute("SELECT 1 FROM readings")
        ingest.commit()
        assert partitions.make_ahead(jobs, TODAY, TODAY - 400 * DAY) == 1


def test_readings_from_before_are_carried_over_and_rolled_up(
    postgres_server: Any, database: Any, admin: psycopg.Connection
) -> None:
    blank: Blank = make_blank(postgres_server, "carried_over")
    before = [one for one in migrate.shipped() if one.name < "0004"]
    blank.migrate(before)
    with blank.connect() as conn:
        conn.execute("SET search_path = binline")
        sensor, _ = store_cases.make_site(conn)
        put(conn, sensor, [(TODAY - n * DAY, n) for n in (1, 90, 900)], due=False)
        assert blank.migrate()[0] == "0004_store"
        conn.execute("SET search_path = binline")
        rows = conn.execute("SELECT weight_mg FROM readings ORDER BY 1").fetchall()
        assert rows == [(1,), (90,), (900,)]
        assert waiting(conn) == 1, "older than readings are kept"
        due = conn.execute("SELECT count(*) FROM rollups_due").fetchone()
        assert due == (3,)
        conn.execute("SET search_path = public")
