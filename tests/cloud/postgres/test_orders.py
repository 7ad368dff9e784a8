from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from cloud.core.breaches import Breach
from cloud.core.orders import OrderState, acknowledge, close
from cloud.core.policies.base import Place
from cloud.postgres import bins, breaches, orders

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOW = Breach(opened_at=NOON, opened_pieces=480, lowest_pieces=480)
PLACE = Place(quantity=1_500, packs=3, cycle=1, ordinal=1, rush=False, because="412 left")


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def _place(shelf: Any, conn: psycopg.Connection, breach_id: int) -> UUID:
    shelf.weigh(412, NOON)
    found = bins.lock(conn, shelf.bin_id)
    assert found is not None
    return orders.insert(
        conn, found.bin, PLACE, breach_id=breach_id, evidence={"level": {"pieces": 412}}, now=NOON
    )


def test_an_order_is_kept_and_found_by_id_and_by_breach(
    shelf: Any, conn: psycopg.Connection
) -> None:
    breach_id = breaches.insert(conn, shelf.bin_id, LOW)
    order_id = _place(shelf, conn, breach_id)
    order = orders.lock(conn, order_id)
    assert order is not None
    assert (order.state, order.quantity, order.number) == (OrderState.PLACED, 1_500, 1_001)
    assert orders.lock_of_breach(conn, breach_id) == order
    assert orders.bin_of(conn, order_id) == shelf.bin_id
    assert shelf.the_order()["evidence"] == {"level": {"pieces": 412}}


def test_an_order_that_never_was_is_none(shelf: Any, conn: psycopg.Connection) -> None:
    assert orders.lock(conn, uuid4()) is None
    assert orders.bin_of(conn, uuid4()) is None


def test_answer_and_end_are_kept(shelf: Any, conn: psycopg.Connection) -> None:
    order_id = _place(shelf, conn, breaches.insert(conn, shelf.bin_id, LOW))
    order = orders.lock(conn, order_id)
    assert order is not None
    answered = acknowledge(order, "ferro", NOON)
    orders.save_acknowledged(conn, answered)
    assert orders.lock(conn, order_id) == answered
    closed = close(answered, 1_488, NOON)
    orders.save_closed(conn, closed)
    assert orders.lock(conn, order_id) == replace(closed, received_pieces=1_488)


def test_the_database_holds_one_breach_one_order_and_one_open_order_per_bin(
    shelf: Any, conn: psycopg.Connection
) -> None:
    first = breaches.insert(conn, shelf.bin_id, LOW)
    _place(shelf, conn, first)
    with pytest.raises(psycopg.errors.UniqueViolation):
        _place(shelf, conn, first)
    breaches.close(conn, first, 1_900, NOON)
    second = breaches.insert(conn, shelf.bin_id, LOW)
    with pytest.raises(psycopg.errors.UniqueViolation):
        _place(shelf, conn, second)


def test_events_can_be_added_and_not_changed(shelf: Any, conn: psycopg.Connection) -> None:
    order_id = _place(shelf, conn, breaches.insert(conn, shelf.bin_id, LOW))
    orders.add_event(conn, order_id, NOON, "placed", actor="binline", detail="412 left")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("UPDATE order_events SET actor = 'nobody'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("DELETE FROM order_events")
