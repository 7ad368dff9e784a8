"""What stands where: sites, suppliers, items, bins, gateways and the sensors that watch bins.

Every function says what should be there and may be repeated: what is there already is kept as it
is, with what people have changed since. They run as operations (see `asking`).
"""

from dataclasses import dataclass

import psycopg


@dataclass(frozen=True, kw_only=True)
class NewItem:
    sku: str
    name: str
    supplier_sku: str
    unit_weight_ug: int
    pack: int


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


def ensure_site(conn: psycopg.Connection, *, name: str, place: str, time_zone: str) -> int:
    # A no-op update, because "do nothing" would not return the id of what is there.
    return _id(
        conn,
        "INSERT INTO sites (name, place, time_zone) VALUES (%s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING site_id",
        (name, place, time_zone),
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
        "INSERT INTO items (sku, name, supplier_sku, unit_weight_ug, pack)"
        " VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (sku) DO UPDATE SET sku = excluded.sku RETURNING item_id",
        (item.sku, item.name, item.supplier_sku, item.unit_weight_ug, item.pack),
    )


def ensure_bin(conn: psycopg.Connection, new: NewBin) -> int:
    return _id(
        conn,
        "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum, margin,"
        " tare_mg, interval_s) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
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
