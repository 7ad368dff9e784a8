"""What stands where: customers, sites, places, suppliers, items, bins, gateways, sensors.

Every function says what should be there and may be repeated: what is there already is kept as it
is, with what people have changed since. They run as operations (see `asking`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg


@dataclass(frozen=True, kw_only=True)
class NewItem:
    sku: str
    name: str
    unit_weight_ug: int
    pack: int


@dataclass(frozen=True, kw_only=True)
class NewLine:
    """How a supplier supplies an item."""

    item_id: int
    supplier_id: int
    supplier_sku: str
    pack: int
    moq: int
    lead_time_days: int
    price_e4: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class NewBin:
    code: str
    site_id: int
    item_id: int
    supplier_id: int
    place: str
    capacity: int
    minimum: int
    margin: int
    tare_mg: int
    interval_s: int
    place_id: int | None = None
    scale_sd_mg: int = 0


def ensure_customer(conn: psycopg.Connection, name: str) -> int:
    return _id(
        conn,
        "INSERT INTO customers (name) VALUES (%s)"
        " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING customer_id",
        (name,),
    )


def ensure_place(
    conn: psycopg.Connection, *, site_id: int, path: Sequence[tuple[str, str]]
) -> int | None:
    """`path` from the top down: kind and name of each. The id of the last."""
    parent_id = None
    for kind, name in path:
        found = conn.execute(
            "SELECT place_id FROM places WHERE site_id = %s AND name = %s"
            " AND parent_id IS NOT DISTINCT FROM %s",
            (site_id, name, parent_id),
        ).fetchone()
        parent_id = (
            found[0]
            if found
            else _id(
                conn,
                "INSERT INTO places (site_id, parent_id, kind, name) VALUES (%s, %s, %s, %s)"
                " RETURNING place_id",
                (site_id, parent_id, kind, name),
            )
        )
    return parent_id


def ensure_site(
    conn: psycopg.Connection,
    *,
    name: str,
    place: str,
    time_zone: str,
    customer_id: int | None = None,
) -> int:
    # A no-op update, because "do nothing" would not return the id of what is there.
    return _id(
        conn,
        "INSERT INTO sites (name, place, time_zone, customer_id) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING site_id",
        (name, place, time_zone, customer_id),
    )


def ensure_supplier(conn: psycopg.Connection, name: str) -> int:
    return _id(
        conn,
        "INSERT INTO suppliers (name) VALUES (%s)"
        " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING supplier_id",
        (name,),
    )


def ensure_channel(
    conn: psycopg.Connection, *, supplier_id: int, kind: str, address: str, secret: str = ""
) -> None:
    conn.execute(
        "INSERT INTO supplier_channels (supplier_id, kind, address, secret) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (supplier_id, kind, address) DO NOTHING",
        (supplier_id, kind, address, secret),
    )


def ensure_item(conn: psycopg.Connection, item: NewItem) -> int:
    return _id(
        conn,
        "INSERT INTO items (sku, name, unit_weight_ug, pack) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (sku) DO UPDATE SET sku = excluded.sku RETURNING item_id",
        (item.sku, item.name, item.unit_weight_ug, item.pack),
    )


def ensure_price(conn: psycopg.Connection, item_id: int, price_e4: int, currency: str) -> None:
    conn.execute(
        "INSERT INTO item_prices (item_id, price_e4, currency) VALUES (%s, %s, %s)"
        " ON CONFLICT (item_id) DO NOTHING",
        (item_id, price_e4, currency),
    )


def ensure_line(conn: psycopg.Connection, line: NewLine) -> None:
    conn.execute(
        "INSERT INTO item_suppliers (item_id, supplier_id, supplier_sku, pack, moq, lead_time_days,"
        " price_e4, currency) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (item_id, supplier_id) DO NOTHING",
        (
            line.item_id,
            line.supplier_id,
            line.supplier_sku,
            line.pack,
            line.moq,
            line.lead_time_days,
            line.price_e4,
            line.currency,
        ),
    )


def ensure_bin(conn: psycopg.Connection, new: NewBin) -> int:
    return _id(
        conn,
        "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum, margin,"
        " tare_mg, interval_s, place_id, scale_sd_mg)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (code) DO UPDATE SET code = excluded.code RETURNING bin_id",
        (
            new.code,
            new.site_id,
            new.item_id,
            new.supplier_id,
            new.place,
            new.capacity,
            new.minimum,
            new.margin,
            new.tare_mg,
            new.interval_s,
            new.place_id,
            new.scale_sd_mg,
        ),
    )


def ensure_gateway(conn: psycopg.Connection, *, name: str, site_id: int) -> int:
    return _id(
        conn,
        "INSERT INTO gateways (name, site_id) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING gateway_id",
        (name, site_id),
    )


def ensure_watch(conn: psycopg.Connection, *, gateway_id: int, sensor: str, bin_id: int) -> None:
    """The sensor watches the bin, unless somebody has given either of them another partner."""
    conn.execute(
        "INSERT INTO sensors (gateway_id, name, bin_id) SELECT %s, %s, %s"
        " WHERE NOT EXISTS (SELECT FROM sensors WHERE bin_id = %s) ON CONFLICT DO NOTHING",
        (gateway_id, sensor, bin_id, bin_id),
    )


def last_weights(conn: psycopg.Connection) -> dict[str, int]:
    """By code of the bin: the newest weight, in milligrams."""
    rows = conn.execute(
        "SELECT b.code, s.weight_mg FROM bins b JOIN bin_state s USING (bin_id)"
        " WHERE s.weight_mg IS NOT NULL"
    ).fetchall()
    return {str(code): int(weight_mg) for code, weight_mg in rows}


def move_channel(admin: psycopg.Connection, *, kind: str, was: str, to: str) -> None:
    """Whoever was told at `was` is told at `to`. A portal has no right to do this."""
    admin.execute(
        "UPDATE binline.supplier_channels SET address = %s WHERE kind = %s AND address = %s",
        (to, kind, was),
    )


def _id(conn: psycopg.Connection, statement: str, values: tuple[object, ...]) -> int:
    row = conn.execute(statement, values).fetchone()
    assert row is not None
    return int(row[0])
