"""What pages read of orders and readings, under whoever asks."""

from uuid import uuid4

import pytest

from cloud.postgres import asking, portal
from tests.cloud.http.world import World


@pytest.fixture
def world(database) -> World:
    return World(database).settle().a_morning()


@pytest.fixture
def conn(world):
    with world.database.connect("binline_portal") as conn:
        yield conn


def test_open_orders_come_oldest_first_and_only_one_s_own(conn) -> None:
    asking.as_operations(conn, "test")
    assert [order.number for order in portal.orders(conn, ["sent"], 10)] == [1001, 1002, 1003]
    assert len(portal.orders(conn, ["sent"], 2)) == 2
    conn.commit()
    asking.as_supplier(conn, 1)
    assert {order.supplier for order in portal.orders(conn, ["sent"], 10)} == {"Ferro AG"}
    assert {key: n for key, n in portal.count_orders(conn).items() if n} == {"sent": 2}


def test_of_an_order_of_another_nothing_is_there(world, conn) -> None:
    foreign = world.order_of("HRT-R09-B2")
    asking.as_supplier(conn, 1)
    assert portal.order(conn, foreign) is None
    assert portal.events(conn, foreign) == []
    assert portal.notices(conn, foreign) == []
    assert portal.supplier_of_order(conn, foreign) is None
    assert portal.supplier_name(conn, 2) == ""


def test_an_order_comes_with_its_events_and_notices(world, conn) -> None:
    order_id = world.order_of("LND-R04-B2")
    asking.as_supplier(conn, 1)
    order = portal.order(conn, order_id)
    assert order is not None
    assert order.quantity == 1500
    assert order.first.evidence["level"]["pieces"] == 412
    assert [event.event for event in portal.events(conn, order_id)] == ["sent"]
    (notice,) = portal.notices(conn, order_id)
    assert (notice.told, notice.kind, notice.state, notice.sent_at) == (
        "order_placed",
        "email",
        "owed",
        None,
    )
    assert portal.last_order_of_bin(conn, order.first.bin_id) == order


def test_an_order_that_is_none_is_none(conn) -> None:
    asking.as_operations(conn, "test")
    assert portal.order(conn, uuid4()) is None
    assert portal.supplier_of_order(conn, uuid4()) is None


def test_readings_come_newest_first_and_only_one_s_own(conn) -> None:
    asking.as_operations(conn, "test")
    of_norrby = portal.orders(conn, ["sent"], 10)[2].first.bin_id
    of_ferro = portal.orders(conn, ["sent"], 10)[0].first.bin_id
    conn.commit()
    asking.as_supplier(conn, 1)
    readings = portal.last_readings(conn, of_ferro, 10)
    assert [reading.weight_mg for reading in readings] == [350_000, 3_290_000]
    assert portal.last_readings(conn, of_ferro, 1) == readings[:1]
    assert portal.last_readings(conn, of_norrby, 10) == []


def test_the_zones_of_sites_in_use_are_told_once_each(world, conn) -> None:
    asking.as_operations(conn, "test")
    assert portal.time_zones(conn) == ["Europe/Berlin"]
