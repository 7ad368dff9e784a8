"""What is new goes in by few statements; more, through real messages, is in test_take_in.py."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from cloud.actions.store import BISECT_TRIES_MAX, POISON, New, store
from cloud.core import times
from cloud.core.readings import Batch, to_ms
from cloud.postgres import streams
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, STREAM, arrived, batch, counting, weighed

SPAN = times.believed(to_ms(NOW), timedelta(days=400))


@pytest.fixture
def site(database: Any) -> Any:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        key = (1, UUID(STREAM))
        yield admin, conn, streams.lock(conn, {key: 0}, NOW)[key]


def new(stream: streams.Stream, message: Any) -> New:
    content = arrived(message).content
    assert isinstance(content, Batch)
    return New(1, stream, content)


def test_the_hours_that_are_touched_are_due(site: Any) -> None:
    admin, conn, stream = site
    two_hours = batch(1, [weighed(1, after_ms=-3_600_000), weighed(2)], sensors=["s01"])
    store(conn, [new(stream, two_hours)], NOW, SPAN)
    conn.commit()
    rows = admin.execute("SELECT hour, sensor_ids FROM rollups_due ORDER BY hour").fetchall()
    assert rows == [(cases.at(-3_600), [1]), (NOW, [1])]


def test_a_few_bad_rows_of_the_largest_batch_are_found_within_the_tries(site: Any) -> None:
    admin, conn, stream = site
    bad = (1, 2_500, 4_999)
    admin.execute(f"ALTER TABLE readings ADD CONSTRAINT sound CHECK (seq NOT IN {bad})")
    said = batch(1, [weighed(seq, after_ms=-seq) for seq in range(1, 5_001)], sensors=["s01"])
    stored = store(conn, [new(stream, said)], NOW, SPAN, bisecting=True)
    conn.commit()
    assert tuple(sorted(reading.seq for reading, _ in stored.spoiled)) == bad
    assert all("sound" in because for _, because in stored.spoiled)
    assert stored.readings == 4_997
    assert admin.execute("SELECT count(*) FROM readings").fetchone() == (4_997,)
    assert 2 * len(bad) * 13 < BISECT_TRIES_MAX, "so that there is room for these"


def test_without_looking_for_it_one_bad_row_stops_all(site: Any) -> None:
    admin, conn, stream = site
    admin.execute("ALTER TABLE readings ADD CONSTRAINT sound CHECK (seq <> 2)")
    with pytest.raises(POISON):
        store(conn, [new(stream, counting(1, 3))], NOW, SPAN)
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
