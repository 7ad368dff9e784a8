"""The present of the bins, as asked for by a wall."""

import pytest

from cloud.postgres import asking, wall
from tests.cloud.http.world import BINS, World


@pytest.fixture
def world(database) -> World:
    return World(database).settle().a_morning()


@pytest.fixture
def portal(world):
    with world.database.connect("binline_portal") as conn:
        yield conn


def test_without_saying_who_asks_nothing_is_there(portal) -> None:
    assert wall.all_bins(portal) == []
    assert wall.all_gateways(portal) == []


def test_operations_see_all_and_a_supplier_its_own(portal) -> None:
    asking.as_operations(portal, "test")
    assert len(wall.all_bins(portal)) == len(BINS)
    assert len(wall.all_gateways(portal)) == 2
    portal.commit()
    asking.as_supplier(portal, 1)
    assert {row.supplier for row in wall.all_bins(portal)} == {"Ferro AG"}
    assert wall.all_gateways(portal) == []
    assert {row.gateway for row in wall.all_bins(portal)} == {None}


def test_a_bin_that_was_never_heard_is_there_all_the_same(world, portal) -> None:
    with world.database.admin() as conn:
        conn.execute("DELETE FROM bin_state")
    asking.as_operations(portal, "test")
    rows = wall.all_bins(portal)
    assert len(rows) == len(BINS)
    assert {row.heard_at for row in rows} == {None}


def test_only_what_changed_since_comes_again(world, portal) -> None:
    def ask(since: str) -> tuple[list[str], str]:
        with portal.transaction():
            asking.as_operations(portal, "test")
            horizon = wall.horizon(portal)
            return [row.code for row in wall.bins_changed_since(portal, since)], horizon

    asking.as_operations(portal, "test")
    horizon = wall.horizon(portal)
    portal.commit()
    assert ask(horizon)[0] == []
    world.weigh("LND-R02-C7", 5)
    codes, horizon = ask(horizon)
    assert codes == ["LND-R02-C7"]
    assert ask(horizon)[0] == []


def test_an_order_and_its_breach_stand_with_their_bin(portal) -> None:
    asking.as_operations(portal, "test")
    row = wall.one_bin(portal, "LND-R04-B2")
    assert row is not None
    assert (row.order_number, row.order_state, row.order_quantity) == (1002, "sent", 1500)
    assert row.low_since is not None
    assert wall.bin_by_id(portal, row.bin_id) == row
    assert wall.one_bin(portal, "NONE") is None


def test_a_bin_that_two_sensors_watch_is_there_once_with_the_one_heard_last(world, portal) -> None:
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO sensors (gateway_id, name, bin_id)"
            " SELECT g.gateway_id, 'second', b.bin_id FROM gateways g, bins b"
            " WHERE g.name = 'hartmann-1' AND b.code = 'LND-R04-B2'"
        )
        conn.execute(
            "UPDATE bin_state SET sensor_id = (SELECT sensor_id FROM sensors WHERE name = 'second')"
            " WHERE bin_id = (SELECT bin_id FROM bins WHERE code = 'LND-R04-B2')"
        )
    asking.as_operations(portal, "test")
    assert len(wall.all_bins(portal)) == len(BINS)
    row = wall.one_bin(portal, "LND-R04-B2")
    assert row is not None
    assert row.gateway == "hartmann-1"


def test_a_bin_out_of_use_is_not_on_the_wall(world, portal) -> None:
    with world.database.admin() as conn:
        conn.execute("UPDATE bins SET active = false WHERE code = 'LND-R04-B2'")
    asking.as_operations(portal, "test")
    assert "LND-R04-B2" not in {row.code for row in wall.all_bins(portal)}
