"""Readings in TimescaleDB: late ones into packed chunks, aggregates that stay true, and isolation.

Runs on the server of `BINLINE_TEST_DSN` when that has the extension; skipped aloud otherwise. So do
all other tests of the cloud then: the same promises, the same questions.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.take_in import take_in
from cloud.core.readings import to_ms
from cloud.postgres import migrate, rollups, timescale
from cloud.postgres.timescale import NotPossible, Store
from cloud.settings import Keeping
from tests.cloud import store_cases
from tests.cloud.ingest_cases import arrived, batch, weighed
from tests.cloud.postgres.test_migrate import make_blank
from tests.cloud.store_cases import THIS_HOUR, TODAY, hours_of, keep_once, put

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def admin(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as conn:
        if timescale.store_of(conn) is not Store.COLUMNSTORE:
            pytest.skip("NO TIMESCALEDB: give a server that has it in BINLINE_TEST_DSN")
        yield conn


def pack_all(database: Any) -> int:
    with database.connect("binline_jobs") as jobs:
        jobs.autocommit = True
        weeks = 0
        while timescale.pack_next(jobs, TODAY - 8 * DAY):
            weeks += 1
        return weeks


def packed(admin: psycopg.Connection) -> int:
    row = admin.execute(
        "SELECT count(*) FROM timescaledb_information.chunks"
        " WHERE hypertable_name = 'readings' AND is_compressed"
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.skipif("BINLINE_TEST_DSN" in os.environ, reason="it is there")
def test_without_the_extension_the_answer_says_what_is_missing(database: Any) -> None:
    with database.admin() as conn, pytest.raises(NotPossible, match="not installed"):
        timescale.adopt(conn)


def test_chunks_are_packed_and_late_readings_still_come_in_once(
    database: Any, admin: psycopg.Connection
) -> None:
    store_cases.make_site(admin)
    base_ms = to_ms(TODAY - 40 * DAY)
    first = arrived(batch(1, [weighed(n, after_ms=n * 60_000) for n in range(50)], base_ms=base_ms))
    late = arrived(
        batch(51, [weighed(n, after_ms=n * 60_000 + 7) for n in range(50)], base_ms=base_ms)
    )
    with database.connect("binline_ingest") as ingest:
        take_in(ingest, [first], TODAY)
        ingest.commit()
        assert pack_all(database) == 1
        assert take_in(ingest, [late, first], TODAY).readings == 50
        ingest.commit()
    assert admin.execute("SELECT count(*) FROM readings").fetchone() == (100,)
    keep_once(database)
    assert sum(row[1] for row in hours_of(admin, 1)) == 100


def test_the_aggregate_is_repaired_as_far_back_as_late_readings_are_accepted(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    long_ago = THIS_HOUR - 390 * DAY
    put(admin, sensor, [(long_ago, 1), (THIS_HOUR - 40 * DAY, 2)])
    keep_once(database)
    assert len(hours_of(admin, sensor)) == 2
    put(admin, sensor, [(long_ago + MINUTE, 3)], first_seq=3)
    keep_once(database)
    assert [row[1] for row in hours_of(admin, sensor)] == [2, 1]


def test_a_reading_of_the_far_future_hides_no_fresh_hour(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(TODAY + 27_000 * DAY, 1), (THIS_HOUR - 2 * HOUR, 2)])
    keep_once(database)
    put(admin, sensor, [(THIS_HOUR - HOUR, 3)], first_seq=3)
    keep_once(database)
    assert [row[7] for row in hours_of(admin, sensor)] == [2, 3]


def test_corrected_readings_count_in_their_right_hour_beside_the_aggregate(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    hour = THIS_HOUR - 3 * HOUR
    put(admin, sensor, [(hour + MINUTE, 5), (hour + 3 * MINUTE, 9)])
    put(admin, sensor, [(hour - 50 * DAY, 7)], first_seq=3, corrected=50 * DAY + 2 * MINUTE)
    put(admin, sensor, [(hour - 50 * DAY, 2)], first_seq=4, corrected=50 * DAY + 4 * MINUTE)
    keep_once(database)
    ((at, readings, *_, first, _, last, low, high, total, _),) = hours_of(admin, sensor)
    assert (at, readings, first, last, low, high, total) == (hour, 4, 5, 2, 2, 9, 23)


def test_no_limit_of_a_statement_cuts_refreshing_or_packing_off(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    monday = TODAY - (TODAY.weekday() + 42) * DAY
    admin.execute(
        "INSERT INTO readings (sensor_id, measured_at, stream_no, seq, received_at, weight_mg,"
        " stability, quality, clock_trusted)"
        " SELECT %s, %s::timestamptz + n * interval '1 second', 1, n, now(), n, 0, 0, true"
        "  FROM generate_series(1, 100000) n",
        (sensor, monday),
    )
    limited = psycopg.connect(
        database.dsn("binline_jobs"), autocommit=True, options="-c statement_timeout=100"
    )
    with limited as jobs:
        timescale.refresh(jobs, monday - DAY, THIS_HOUR)
        assert timescale.pack_next(jobs, TODAY - 8 * DAY)
        assert jobs.execute("SHOW statement_timeout").fetchone() == ("100ms",)
    assert sum(row[1] for row in hours_of(admin, sensor)) == 100_000
    assert packed(admin) == 1


def test_each_week_is_packed_on_its_own_the_oldest_first(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(TODAY - days * DAY, days) for days in (60, 50, 40)])
    with database.connect("binline_jobs") as jobs:
        assert timescale.pack_next(jobs, TODAY - 8 * DAY)
        assert packed(admin) == 0, "before the transaction ends"
        jobs.commit()
        assert packed(admin) == 1
    assert pack_all(database) == 2
    assert pack_all(database) == 0


def test_hours_of_long_ago_go_and_no_refresh_brings_them_back(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(THIS_HOUR - days * DAY, days) for days in (2, 100, 300)])
    keep_once(database)
    ages = Keeping(readings=60 * DAY, accepted=60 * DAY, rollups=200 * DAY)
    for _ in range(2):
        keep_once(database, keeping=ages)
        assert [row[7] for row in hours_of(admin, sensor)] == [100, 2]


def test_a_packed_reading_can_be_corrected(database: Any, admin: psycopg.Connection) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(TODAY - 40 * DAY, 5), (TODAY - 40 * DAY + HOUR, 6)])
    pack_all(database)
    assert packed(admin) == 1
    with database.connect("binline_ingest") as ingest:
        ingest.execute(
            "UPDATE readings SET corrected_at = measured_at + '2 d'"
            " WHERE stream_no = 1 AND seq >= 1 AND seq < 2"
        )
    keep_once(database)
    assert [row[7] for row in hours_of(admin, sensor)] == [6, 5]


def test_dropping_readings_leaves_their_hours_and_so_does_every_later_refresh(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(THIS_HOUR - days * DAY, days) for days in (2, 100, 200)])
    keep_once(database)
    with database.connect("binline_jobs") as jobs:
        jobs.autocommit = True
        assert jobs.execute("SELECT readings_drop(%s)", (TODAY - 60 * DAY,)).fetchone() == (2,)
        for _ in range(2):
            timescale.refresh(jobs, THIS_HOUR - 60 * DAY, THIS_HOUR)
    put(admin, sensor, [(THIS_HOUR - 3 * DAY, 3)], first_seq=9)
    keep_once(database)
    assert [row[7] for row in hours_of(admin, sensor)] == [200, 100, 3, 2]


def test_hours_from_before_the_extension_stay_when_their_readings_are_gone(
    postgres_server: Any, database: Any, admin: psycopg.Connection
) -> None:
    blank = make_blank(postgres_server, "adopting")
    blank.migrate()
    with blank.connect() as conn:
        conn.execute("SET search_path = binline, public")
        sensor, _ = store_cases.make_site(conn)
        put(conn, sensor, [(THIS_HOUR - days * DAY, days) for days in (2, 100)])
        conn.execute("SET ROLE binline_jobs")
        while rollups.keep_next(conn, THIS_HOUR) is not None:
            pass
        conn.execute("SELECT readings_drop(%s)", (TODAY - 60 * DAY,))
        conn.execute("RESET ROLE")
        assert timescale.adopt(conn) is Store.COLUMNSTORE
        assert timescale.adopt(conn) is Store.COLUMNSTORE
        assert blank.migrate() == []
        conn.execute("SET ROLE binline_jobs")
        timescale.refresh(conn, THIS_HOUR - 60 * DAY, THIS_HOUR)
        conn.execute("RESET ROLE")
        assert [row[7] for row in hours_of(conn, sensor)] == [100, 2]
        rights = "SELECT has_table_privilege('binline_ingest', 'readings', 'INSERT')"
        assert conn.execute(rights).fetchone() == (True,)


def test_moving_in_changes_nothing_of_who_sees_what(
    postgres_server: Any, admin: psycopg.Connection
) -> None:
    blank = make_blank(postgres_server, "adopting")
    blank.migrate()
    told = "SELECT viewname, definition FROM pg_views WHERE viewname LIKE 'portal_%' ORDER BY 1"
    with blank.connect() as conn:
        conn.execute("SET search_path = binline, public")
        was = conn.execute(told).fetchall()
        assert timescale.adopt(conn) is timescale.store_of(admin)
        assert conn.execute(told).fetchall() == was


def test_who_moved_in_before_hours_had_a_view_of_their_own_still_sees_all_of_them(
    postgres_server: Any, admin: psycopg.Connection
) -> None:
    blank = make_blank(postgres_server, "adopting")
    blank.migrate([one for one in migrate.shipped() if one.name < "0014"])
    with blank.connect() as conn:
        conn.execute("SET search_path = binline, public")
        assert timescale.adopt(conn) is timescale.store_of(admin)
        sensor, _ = store_cases.make_site(conn)
        put(conn, sensor, [(THIS_HOUR - days * DAY, days) for days in (2, 100)])
        conn.execute("SET ROLE binline_jobs")
        timescale.refresh(conn, THIS_HOUR - 200 * DAY, THIS_HOUR)
        conn.execute("RESET ROLE")
        assert blank.migrate()[0].startswith("0014")
        assert [row[7] for row in hours_of(conn, sensor)] == [100, 2]


def test_under_the_apache_licence_it_is_a_hypertable_with_our_own_hours(database: Any) -> None:
    """On a server that is started with `-c timescaledb.license=apache`."""
    with database.admin() as conn:
        if timescale.store_of(conn) is not Store.HYPERTABLE:
            pytest.skip("NO TIMESCALEDB UNDER APACHE: give such a server in BINLINE_TEST_DSN")
        sensor, _ = store_cases.make_site(conn)
        put(conn, sensor, [(THIS_HOUR - days * DAY, days) for days in (2, 100)])
        conn.execute("UPDATE readings SET corrected_at = measured_at + '1 h' WHERE weight_mg = 2")
        keep_once(database)
        conn.execute("SET ROLE binline_jobs")
        assert conn.execute("SELECT readings_drop(%s)", (TODAY - 60 * DAY,)).fetchone() == (1,)
        conn.execute("RESET ROLE")
        assert [(row[0], row[7]) for row in hours_of(conn, sensor)] == [
            (THIS_HOUR - 100 * DAY, 100),
            (THIS_HOUR - 2 * DAY + HOUR, 2),
        ]


def test_migrations_are_told_apart_from_what_the_extension_changed(
    database: Any, admin: psycopg.Connection
) -> None:
    assert migrate.still_to_run(admin) == []
