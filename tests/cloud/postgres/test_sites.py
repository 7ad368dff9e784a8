"""What stands where may be said again and again, and what people changed meanwhile is kept."""

from collections.abc import Callable

import psycopg
import pytest

from cloud.postgres import asking, sites

ITEM = sites.NewItem(sku="10400", name="Lock nut M8", unit_weight_ug=5_600_000, pack=200)


def site(conn: psycopg.Connection) -> int:
    return sites.ensure_site(conn, name="Lindau Pumps", place="Plant 2", time_zone="UTC")


def supplier(conn: psycopg.Connection) -> int:
    return sites.ensure_supplier(conn, "Ferro AG")


def item(conn: psycopg.Connection) -> int:
    return sites.ensure_item(conn, ITEM)


def gateway(conn: psycopg.Connection) -> int:
    return sites.ensure_gateway(conn, name="lindau-1", site_id=site(conn))


def bin_(conn: psycopg.Connection, code: str = "LND-R04-B2") -> int:
    return sites.ensure_bin(
        conn,
        sites.NewBin(
            code=code,
            site_id=site(conn),
            item_id=item(conn),
            supplier_id=supplier(conn),
            place="R04-B2",
            capacity=2000,
            minimum=500,
            margin=60,
            tare_mg=540_000,
            interval_s=15,
        ),
    )


EACH = pytest.mark.parametrize("ensure", [site, supplier, item, gateway, bin_])


@EACH
def test_said_twice_it_is_there_once(database, ensure: Callable[[psycopg.Connection], int]) -> None:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "operations@demo.binline")
        assert ensure(conn) == ensure(conn)


@EACH
def test_a_supplier_may_not_say_it(database, ensure: Callable[[psycopg.Connection], int]) -> None:
    with database.connect("binline_portal") as conn:
        asking.as_supplier(conn, 1)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ensure(conn)


def test_a_sensor_keeps_the_bin_that_somebody_gave_it(database) -> None:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "operations@demo.binline")
        chosen, other = bin_(conn), bin_(conn, "LND-R01-A1")
        for bin_id in (chosen, other):
            sites.ensure_watch(conn, gateway_id=gateway(conn), sensor="s01", bin_id=bin_id)
        assert conn.execute("SELECT name, bin_id FROM sensors").fetchall() == [("s01", chosen)]


def test_a_channel_that_moved_is_still_one_channel(database) -> None:
    was, to = "http://127.0.0.1:1/webhook", "http://127.0.0.1:2/webhook"
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "operations@demo.binline")
        sites.ensure_channel(conn, supplier_id=supplier(conn), kind="webhook", address=was)
    with database.admin() as admin:
        sites.move_channel(admin, kind="webhook", was=was, to=to)
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "operations@demo.binline")
        sites.ensure_channel(conn, supplier_id=supplier(conn), kind="webhook", address=to)
        assert conn.execute("SELECT address FROM supplier_channels").fetchall() == [(to,)]


def test_the_last_weight_of_a_bin_is_found_by_its_code(database) -> None:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "operations@demo.binline")
        weighed = bin_(conn)
        bin_(conn, "LND-R01-A1")
    with database.admin() as admin:
        admin.execute(
            "INSERT INTO bin_state (bin_id, sensor_id, heard_at, received_at, weight_mg)"
            " VALUES (%s, 1, now(), now(), 4550000)",
            (weighed,),
        )
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "operations@demo.binline")
        assert sites.last_weights(conn) == {"LND-R04-B2": 4_550_000}
