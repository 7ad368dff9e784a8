from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.postgres import asking, kpis

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        yield conn


def test_movements_of_a_time_come_with_the_one_it_begins_with_and_without_what_was_replaced(
    shelf: Any, conn: psycopg.Connection
) -> None:
    for day, replaced in ((-3, False), (-2, False), (0, False), (1, True), (2, False)):
        shelf.admin.execute(
            "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
            " event_at, confirmed_at, known_at, after_refs, because, replaced_at)"
            " SELECT bin_id, item_id, 'refill', 1, 9, 10, %s, %s, %s, '{1,1,1,1}', '', %s"
            " FROM bins",
            (*(NOON + day * DAY,) * 3, NOON if replaced else None),
        )
    found = kpis.movements(conn, NOON, NOON + 2 * DAY)
    assert [one.at for one in found] == [NOON - 2 * DAY, NOON]


def test_a_scale_that_is_silent_to_the_end_is_silent_from_when_it_should_have_spoken(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(100, NOON)
    (silence,) = kpis.silences(conn, NOON - DAY, NOON + DAY)
    assert (silence.from_at, silence.upto_at) == (NOON + timedelta(minutes=3), NOON + DAY)
    assert kpis.silences(conn, NOON - DAY, NOON) == []
