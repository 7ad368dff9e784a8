"""What the pages and the API read of orders and readings. Nothing is changed here.

Each function runs under whoever is asking (see `asking`): what belongs to another supplier is not
there, for a page as for a guess in the address bar.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class OrderRow:
    order_id: UUID
    number: int
    bin_id: int
    code: str
    place: str
    site: str
    site_place: str
    time_zone: str
    part: str
    sku: str
    supplier_sku: str
    pack: int
    capacity: int
    minimum: int
    supplier_id: int
    supplier: str
    quantity: int
    state: str
    because: str
    evidence: dict[str, Any]  # written by the rules, shown as it is
    placed_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    received_pieces: int | None


@dataclass(frozen=True, kw_only=True)
class EventRow:
    at: datetime
    event: str
    actor: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class NoticeRow:
    kind: str  # of the channel: email, webhook
    address: str
    state: str
    tries: int
    sent_at: datetime | None
    next_try_at: datetime


@dataclass(frozen=True, kw_only=True)
class ReadingRow:
    at: datetime  # measured at, as well as we know
    corrected: bool  # because the gateway's clock was set later
    received_at: datetime
    seq: int
    weight_mg: int | None
    total: int | None
    condition: str | None
    because: str | None
    stability: int
    quality: int
    clock_trusted: bool


LAST_READINGS = (timedelta(hours=1), timedelta(days=1), timedelta(days=30))

_READING = """
SELECT at, corrected_at IS NOT NULL AS corrected, received_at, seq, weight_mg, total, condition,
       because, stability, quality, clock_trusted, stream
  FROM portal_readings WHERE sensor_id = %(sensor_id)s
"""
_LAST_READINGS = f"""
SELECT at, corrected, received_at, seq, weight_mg, total, condition, because, stability, quality,
       clock_trusted
  FROM (({_READING} AND corrected_at IS NULL AND measured_at >= %(since)s
          ORDER BY measured_at DESC LIMIT %(limit)s)
        UNION ALL
        ({_READING} AND corrected_at >= %(since)s
          ORDER BY corrected_at DESC LIMIT %(limit)s)) r
 ORDER BY at DESC, stream, seq DESC LIMIT %(limit)s
"""  # noqa: S608 - made of the constants above

_ORDERS = """
SELECT o.order_id, o.number, o.bin_id, b.code, b.place, si.name AS site, si.place AS site_place,
       si.time_zone, i.name AS part, i.sku,
       coalesce(line.supplier_sku, i.supplier_sku) AS supplier_sku,
       coalesce(line.pack, i.pack) AS pack, b.capacity, b.minimum,
       o.supplier_id, su.name AS supplier, o.quantity, o.state, o.because, o.evidence,
       o.placed_at, o.acknowledged_at, o.acknowledged_by, o.closed_at, o.received_pieces
  FROM orders o
  JOIN bins b USING (bin_id)
  JOIN sites si USING (site_id)
  JOIN items i ON i.item_id = o.item_id
  JOIN suppliers su ON su.supplier_id = o.supplier_id
  LEFT JOIN item_suppliers line ON line.item_id = o.item_id AND line.supplier_id = o.supplier_id
"""


def orders(conn: psycopg.Connection, states: list[str], limit: int) -> list[OrderRow]:
    """Open ones oldest first, because they are waited for; closed ones newest first."""
    order = "o.closed_at DESC" if states == ["closed"] else "o.placed_at"
    cursor = conn.cursor(row_factory=class_row(OrderRow))
    return cursor.execute(
        f"{_ORDERS} WHERE o.state = ANY(%s) ORDER BY {order}, o.number LIMIT %s", (states, limit)
    ).fetchall()


def order(conn: psycopg.Connection, order_id: UUID) -> OrderRow | None:
    cursor = conn.cursor(row_factory=class_row(OrderRow))
    return cursor.execute(f"{_ORDERS} WHERE o.order_id = %s", (order_id,)).fetchone()


def order_by_number(conn: psycopg.Connection, number: int) -> OrderRow | None:
    cursor = conn.cursor(row_factory=class_row(OrderRow))
    return cursor.execute(f"{_ORDERS} WHERE o.number = %s", (number,)).fetchone()


def last_order_of_bin(conn: psycopg.Connection, bin_id: int) -> OrderRow | None:
    cursor = conn.cursor(row_factory=class_row(OrderRow))
    return cursor.execute(
        f"{_ORDERS} WHERE o.bin_id = %s ORDER BY o.number DESC LIMIT 1", (bin_id,)
    ).fetchone()


def count_orders(conn: psycopg.Connection) -> dict[str, int]:
    rows = conn.execute("SELECT state, count(*) FROM orders GROUP BY state").fetchall()
    return {"placed": 0, "acknowledged": 0, "closed": 0} | dict(rows)


def supplier_of_order(conn: psycopg.Connection, order_id: UUID) -> int | None:
    row = conn.execute("SELECT supplier_id FROM orders WHERE order_id = %s", (order_id,)).fetchone()
    return None if row is None else int(row[0])


def supplier_name(conn: psycopg.Connection, supplier_id: int) -> str:
    row = conn.execute(
        "SELECT name FROM suppliers WHERE supplier_id = %s", (supplier_id,)
    ).fetchone()
    return "" if row is None else str(row[0])


def events(conn: psycopg.Connection, order_id: UUID) -> list[EventRow]:
    cursor = conn.cursor(row_factory=class_row(EventRow))
    return cursor.execute(
        "SELECT at, event, actor, detail FROM order_events WHERE order_id = %s"
        " ORDER BY order_event_id",
        (order_id,),
    ).fetchall()


def notices(conn: psycopg.Connection, order_id: UUID) -> list[NoticeRow]:
    cursor = conn.cursor(row_factory=class_row(NoticeRow))
    return cursor.execute(
        "SELECT c.kind, c.address, n.state, n.tries, n.sent_at, n.next_try_at"
        "  FROM notices n JOIN supplier_channels c USING (channel_id)"
        " WHERE n.order_id = %s ORDER BY c.kind, c.address",
        (order_id,),
    ).fetchall()


def last_readings(conn: psycopg.Connection, bin_id: int, limit: int) -> list[ReadingRow]:
    """Newest first, by the corrected time; of the month before the last sign of life."""
    row = conn.execute(
        "SELECT sensor_id, heard_at FROM bin_state WHERE bin_id = %s", (bin_id,)
    ).fetchone()
    if row is None:
        return []
    # Within narrow bounds only the weeks that matter are looked at, and few readings are sorted.
    sensor_id, heard_at = row
    cursor = conn.cursor(row_factory=class_row(ReadingRow))
    found: list[ReadingRow] = []
    for back in LAST_READINGS:
        where = {"sensor_id": sensor_id, "since": heard_at - back, "limit": limit}
        found = cursor.execute(_LAST_READINGS, where).fetchall()
        if len(found) >= limit:
            break
    return found
