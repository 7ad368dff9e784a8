"""What an hour came to: the same, in whichever order and however often its readings came."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.take_in import take_in
from cloud.postgres import rollups
from edge_agent.wire import messages
from tests.cloud import ingest_cases, store_cases
from tests.cloud.ingest_cases import arrived, batch, weighed
from tests.cloud.store_cases import THIS_HOUR, TODAY, hours_of, keep_once, put

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
BASE_MS = int((THIS_HOUR - 5 * HOUR).timestamp()) * 1000


@pytest.fixture
def admin(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as conn:
        yield conn


def test_an_hour_says_how_it_began_ended_and_what_lay_between(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    hour = THIS_HOUR - 2 * HOUR
    put(admin, sensor, [(hour + n * MINUTE, w) for n, w in enumerate((900, 100, 1200, 800), 1)])
    keep_once(database)
    ((at, *counts, heard_from, heard_upto, _, first, _, last, low, high, total, _),) = hours_of(
        admin, sensor
    )
    assert (at, counts) == (hour, [4, 0, 4])
    assert (first, last, low, high, total) == (900, 800, 100, 1200, 3000)
    assert (heard_from, heard_upto) == (hour + MINUTE, hour + 4 * MINUTE)


def test_the_hour_that_is_not_over_waits(database: Any, admin: psycopg.Connection) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(THIS_HOUR + MINUTE, 5), (THIS_HOUR - MINUTE, 4)])
    keep_once(database)
    assert [row[0] for row in hours_of(admin, sensor)] == [THIS_HOUR - HOUR]
    keep_once(database, TODAY + HOUR)
    assert len(hours_of(admin, sensor)) == 2


def test_what_comes_late_repairs_its_hour(database: Any, admin: psycopg.Connection) -> None:
    sensor, _ = store_cases.make_site(admin)
    long_ago = THIS_HOUR - timedelta(days=40)
    put(admin, sensor, [(long_ago + MINUTE, 5)])
    keep_once(database)
    put(admin, sensor, [(long_ago + 2 * MINUTE, 7)], first_seq=2)
    keep_once(database)
    ((_, readings, *_),) = hours_of(admin, sensor)
    assert readings == 2
    assert admin.execute("SELECT count(*) FROM rollups_due").fetchone() == (0,)


def test_a_corrected_reading_leaves_one_hour_and_comes_into_another(
    database: Any, admin: psycopg.Connection
) -> None:
    sensor, _ = store_cases.make_site(admin)
    wrong, right = THIS_HOUR - 9 * HOUR, THIS_HOUR - 3 * HOUR
    put(admin, sensor, [(wrong + MINUTE, 5)])
    put(admin, sensor, [(right + 2 * MINUTE, 7)], first_seq=2)
    keep_once(database)
    assert [row[0] for row in hours_of(admin, sensor)] == [wrong, right]
    with database.connect("binline_ingest") as ingest:
        ingest.execute("UPDATE readings SET corrected_at = measured_at + '6 h' WHERE seq = 1")
    keep_once(database)
    ((hour, readings, *_, first_at, first, last_at, last, _, _, _, _),) = hours_of(admin, sensor)
    assert (hour, readings, first, last) == (right, 2, 5, 7)
    assert (first_at, last_at) == (right + MINUTE, right + 2 * MINUTE)


def test_only_one_at_a_time_computes(database: Any, admin: psycopg.Connection) -> None:
    sensor, _ = store_cases.make_site(admin)
    put(admin, sensor, [(THIS_HOUR - HOUR, 5)])
    with database.connect("binline_jobs") as one, database.connect("binline_jobs") as other:
        with one.transaction():
            one.execute("SELECT pg_advisory_xact_lock(%s)", (rollups._ONLY_ONE,))
            assert rollups.keep_next(other, THIS_HOUR) is None
        assert rollups.keep_next(other, THIS_HOUR) == 1


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_order_of_arrival_comes_to_the_same_as_the_clean_one(database: Any, data: Any) -> None:
    spans = data.draw(
        st.lists(
            st.lists(st.tuples(st.integers(0, 4 * 60), st.integers(0, 9)), min_size=1, max_size=6),
            min_size=1,
            max_size=6,
        )
    )
    said, seq = [], 1
    for span in spans:
        readings = [
            weighed(weight * 1_000, after_ms=minute * 60_000, sensor=weight % 2)
            for minute, weight in span
        ]
        said.append(batch(seq, readings, base_ms=BASE_MS))
        seq += len(readings)
    clean = _rolled_up(database, said, [[n] for n in range(len(said))])
    order = data.draw(st.permutations(range(len(said))))
    repeats = data.draw(st.lists(st.sampled_from(range(len(said))), max_size=4))
    cuts = data.draw(st.lists(st.booleans(), min_size=len(order) + 4, max_size=len(order) + 4))
    pieces: list[list[int]] = [[]]
    for place, cut in zip([*order, *repeats], cuts, strict=False):
        pieces[-1].append(place)
        if cut:
            pieces.append([])
    assert _rolled_up(database, said, pieces) == clean


def _rolled_up(
    database: Any, said: list[messages.ReadingBatch], pieces: list[list[int]]
) -> list[Any]:
    """The hours after the messages came in this order; kept after each piece of it."""
    with database.admin() as admin, database.connect("binline_ingest") as ingest:
        admin.execute("TRUNCATE sites, suppliers, items, readings, rollups, rollups_due CASCADE")
        admin.execute("TRUNCATE gateways RESTART IDENTITY CASCADE")
        ingest_cases.make_site(admin)
        for piece in pieces:
            arrivals = [arrived(said[place]) for place in piece]
            take_in(ingest, arrivals, TODAY)
            ingest.commit()
            keep_once(database)
        sensors = admin.execute("SELECT sensor_id FROM sensors ORDER BY name").fetchall()
        return [hours_of(admin, sensor_id) for (sensor_id,) in sensors]
