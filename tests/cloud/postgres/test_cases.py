from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.core.exceptions import Snooze
from cloud.postgres import asking, cases

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = Snooze(key="no_answer:1", by="ada", because="they called", until=NOON + HOUR)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        yield conn


def test_of_each_key_the_last_word_holds_while_its_time_lasts(conn: psycopg.Connection) -> None:
    cases.put_off(conn, FIRST, NOON)
    assert cases.snoozes(conn, NOON) == [FIRST]
    shorter = Snooze(key=FIRST.key, by="bob", because="no", until=NOON + timedelta(minutes=1))
    cases.put_off(conn, shorter, NOON)
    assert cases.snoozes(conn, NOON) == [shorter]
    # The first one is not heard again when the second is over.
    assert cases.snoozes(conn, shorter.until) == []


def test_every_bin_in_use_is_one_row_heard_or_not(shelf: Any, conn: psycopg.Connection) -> None:
    (row,) = cases.rows(conn)
    assert (row.bin_id, row.heard_at, row.pieces, row.order_id) == (shelf.bin_id, None, None, None)
    assert (row.grace_hours, row.lead_time_said, row.usage_days) == (24, False, None)
    shelf.admin.execute("UPDATE bins SET active = false")
    assert cases.rows(conn) == []
