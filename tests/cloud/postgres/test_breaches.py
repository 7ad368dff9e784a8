from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.core.breaches import Breach
from cloud.postgres import breaches

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOW = Breach(opened_at=NOON, opened_pieces=480, lowest_pieces=480)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def test_a_breach_is_found_while_it_is_open(shelf: Any, conn: psycopg.Connection) -> None:
    assert breaches.find_open(conn, shelf.bin_id) is None
    breach_id = breaches.insert(conn, shelf.bin_id, LOW)
    breaches.save_lowest(conn, breach_id, 412)
    found = breaches.find_open(conn, shelf.bin_id)
    assert found is not None
    assert (found.breach_id, found.breach.lowest_pieces) == (breach_id, 412)
    breaches.close(conn, breach_id, 1_900, NOON + timedelta(hours=1))
    assert breaches.find_open(conn, shelf.bin_id) is None


def test_the_database_holds_that_a_bin_has_one_open_breach(
    shelf: Any, conn: psycopg.Connection
) -> None:
    breaches.insert(conn, shelf.bin_id, LOW)
    with pytest.raises(psycopg.errors.UniqueViolation):
        breaches.insert(conn, shelf.bin_id, LOW)
