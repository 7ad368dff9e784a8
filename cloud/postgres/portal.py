"""What the pages and the API read of orders and readings. Nothing is changed here.

Each function runs under whoever is asking (see `asking`): what belongs to another supplier is not
there, for a page as for a guess in the address bar.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from cloud.core.order_machine import has_left
from cloud.core.order_states import State


@dataclass(frozen=True, kw_only=True)
class LineRow:
    """One line of an order, as both sides read it."""

    order_id: UUID
    number: int
    bin_id: int
    code: str
    place: str
    part: str
    sku: str
    supplier_sku: str
    pack: int
    capacity: int
    minimum: int
    asked: int
    quantity: int
    promised_at: datetime | None
    shipped: int
    received: int
    because: str
    evidence: dict[str, Any]  # written by the rules, shown as it is; empty: a person asked

    @property
    def left(self) -> bool:
        return has_left(self.quantity, self.promised_at)


@dataclass(frozen=True, kw_only=True)
class ActRow:
    """A change that was proposed, or a shipment."""

    order_id: UUID
    kind: str
    act_id: str
    at: datetime
    by: str
    because: str
    expected_at: datetime | None
    lines: list[dict[str, Any]]  # line, pieces and, of a change, at
    state: str
    answered_at: datetime | None
    answered_by: str


@dataclass(frozen=True, kw_only=True)
class ReceiptRow:
    order_id: UUID
    line: int
    pieces: int
    event_at: datetime


@dataclass(frozen=True, kw_only=True)
class OrderRow:
    order_id: UUID
    number: int
    state: str
    site: str
    site_place: str
    time_zone: str
    supplier_id: int
    supplier: str
    consigned: bool
    rush: bool
    agreement_version: int
    calendar_version: int
    because: str
    due_at: datetime | None
    drafted_at: datetime
    drafted_by: str
    expires_at: datetime | None
    escalates_at: datetime | None
    escalated_at: datetime | None
    leaves_at: datetime | None
    approved_at: datetime | None
    approved_by: str
    sent_at: datetime | None
    answered_at: datetime | None
    answered_by: str
    shipped_at: datetime | None
    received_at: datetime | None
    ended_at: datetime | None
    ended_by: str
    ended_because: str
    lines: tuple[LineRow, ...] = ()
    acts: tuple[ActRow, ...] = ()
    receipts: tuple[ReceiptRow, ...] = ()

    @property
    def first(self) -> LineRow:
        return self.lines[0]

    @property
    def part(self) -> str:
        more = sum(not line.left for line in self.lines[1:])
        return self.first.part + (f" and {more} more" if more else "")

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def received(self) -> int:
        return sum(line.received for line in self.lines)

    @property
    def open_change(self) -> ActRow | None:
        return next((act for act in self.acts if act.state == "open"), None)

    @property
    def shipments(self) -> tuple[ActRow, ...]:
        return tuple(act for act in self.acts if act.kind == "shipment")

    @property
    def changes(self) -> tuple[ActRow, ...]:
        return tuple(act for act in self.acts if act.kind == "change")


@dataclass(frozen=True, kw_only=True)
class EventRow:
    at: datetime
    event: str
    actor: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class NoticeRow:
    told: str  # what about
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
SELECT o.order_id, o.number, o.state, si.name AS site, si.place AS site_place, si.time_zone,
       o.supplier_id, su.name AS supplier, o.consigned, o.rush, o.agreement_version,
       o.calendar_version, o.because, o.due_at, o.drafted_at, o.drafted_by, o.expires_at,
       o.escalates_at, o.escalated_at, o.leaves_at, o.approved_at, o.approved_by, o.sent_at,
       o.answered_at, o.answered_by, o.shipped_at, o.received_at, o.ended_at, o.ended_by,
       o.ended_because
  FROM orders o
  JOIN sites si USING (site_id)
  JOIN suppliers su ON su.supplier_id = o.supplier_id
"""
_LINES = """
SELECT l.order_id, l.number, l.bin_id, b.code, b.place, i.name AS part, i.sku,
       coalesce(line.supplier_sku, '') AS supplier_sku,
       coalesce(line.pack, i.pack) AS pack, b.capacity, b.minimum, l.asked, l.quantity,
       l.promised_at, l.shipped, l.received, l.because, l.evidence
  FROM order_lines l
  JOIN orders o USING (order_id)
  JOIN bins b USING (bin_id)
  JOIN items i ON i.item_id = l.item_id
  LEFT JOIN item_suppliers line ON line.item_id = l.item_id AND line.supplier_id = o.supplier_id
 WHERE l.order_id = ANY(%s) ORDER BY l.order_id, l.number
"""
_ACTS = """
SELECT order_id, kind, act_id, at, by, because, expected_at, lines, state, answered_at, answered_by
  FROM order_acts WHERE order_id = ANY(%s) ORDER BY order_id, at, ordinal
"""
_RECEIPTS = """
SELECT order_id, line, pieces, event_at FROM order_receipts
 WHERE order_id = ANY(%s) ORDER BY order_id, event_at, line
"""
ENDED = ("closed", "refused", "cancelled", "expired")


def _whole(conn: psycopg.Connection, rows: list[OrderRow]) -> list[OrderRow]:
    """With their lines, changes, shipments and receipts: one question for each, of all orders.

    An order into a bin that the asker may see no more has no line to show, and is left out.
    """
    ids = [row.order_id for row in rows]
    if not ids:
        return []
    lines = _by_order(conn.cursor(row_factory=class_row(LineRow)).execute(_LINES, (ids,)))
    acts = _by_order(conn.cursor(row_factory=class_row(ActRow)).execute(_ACTS, (ids,)))
    receipts = _by_order(conn.cursor(row_factory=class_row(ReceiptRow)).execute(_RECEIPTS, (ids,)))
    return [
        replace(
            row,
            lines=tuple(lines[row.order_id]),
            acts=tuple(acts.get(row.order_id, ())),
            receipts=tuple(receipts.get(row.order_id, ())),
        )
        for row in rows
        if row.order_id in lines
    ]


class _OfOrder(Protocol):
    @property
    def order_id(self) -> UUID: ...


_Row = TypeVar("_Row", bound=_OfOrder)


def _by_order(rows: Iterable[_Row]) -> dict[UUID, list[_Row]]:
    found: dict[UUID, list[_Row]] = {}
    for row in rows:
        found.setdefault(row.order_id, []).append(row)
    return found


def _asked(conn: psycopg.Connection, query: str, values: tuple[object, ...]) -> list[OrderRow]:
    cursor = conn.cursor(row_factory=class_row(OrderRow))
    return _whole(conn, cursor.execute(query, values).fetchall())


def orders(conn: psycopg.Connection, states: Sequence[str], limit: int) -> list[OrderRow]:
    """Open ones oldest first, because they are waited for; ended ones newest first."""
    ended = all(state in ENDED for state in states)
    order = "o.ended_at DESC" if ended else "o.drafted_at"
    query = f"{_ORDERS} WHERE o.state = ANY(%s) ORDER BY {order}, o.number LIMIT %s"
    return _asked(conn, query, (list(states), limit))


def time_zones(conn: psycopg.Connection) -> list[str]:
    """Of the sites that are in use."""
    found = conn.execute("SELECT DISTINCT time_zone FROM sites WHERE active ORDER BY 1").fetchall()
    return [str(name) for (name,) in found]


def order(conn: psycopg.Connection, order_id: UUID) -> OrderRow | None:
    return next(iter(_asked(conn, f"{_ORDERS} WHERE o.order_id = %s", (order_id,))), None)


def order_by_number(conn: psycopg.Connection, number: int) -> OrderRow | None:
    return next(iter(_asked(conn, f"{_ORDERS} WHERE o.number = %s", (number,))), None)


_OF_BIN = """
 WHERE o.order_id IN (SELECT l.order_id FROM order_lines l WHERE l.bin_id = %s)
   AND (%s::int IS NULL OR o.number < %s) ORDER BY o.number DESC LIMIT %s
"""


def orders_of_bin(
    conn: psycopg.Connection, bin_id: int, limit: int, before: int | None = None
) -> list[OrderRow]:
    """All there ever were, newest first, from the number `before` on."""
    return _asked(conn, _ORDERS + _OF_BIN, (bin_id, before, before, limit))


def last_order_of_bin(conn: psycopg.Connection, bin_id: int) -> OrderRow | None:
    return next(iter(orders_of_bin(conn, bin_id, 1)), None)


def count_orders(conn: psycopg.Connection) -> dict[str, int]:
    rows = conn.execute("SELECT state, count(*) FROM orders GROUP BY state").fetchall()
    return {str(state): 0 for state in State} | dict(rows)


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
        "SELECT n.kind AS told, c.kind, c.address, n.state, n.tries, n.sent_at, n.next_try_at"
        "  FROM notices n JOIN supplier_channels c USING (channel_id)"
        " WHERE n.order_id = %s ORDER BY n.created_at, c.kind, c.address",
        (order_id,),
    ).fetchall()


def last_of_each_sensor(
    conn: psycopg.Connection, bin_id: int
) -> list[tuple[str, ReadingRow | None]]:
    """By name, for operations: a supplier sees no sensor. None: nothing came in a month."""
    rows = conn.execute(
        "SELECT s.name, s.sensor_id, st.heard_at FROM sensors s JOIN bin_state st USING (bin_id)"
        " WHERE s.bin_id = %s ORDER BY s.name, s.sensor_id",
        (bin_id,),
    ).fetchall()
    return [(name, next(iter(_last(conn, id_, heard_at, 1)), None)) for name, id_, heard_at in rows]


def last_readings(conn: psycopg.Connection, bin_id: int, limit: int) -> list[ReadingRow]:
    """Newest first, by the corrected time; of the month before the last sign of life."""
    row = conn.execute(
        "SELECT sensor_id, heard_at FROM bin_state WHERE bin_id = %s", (bin_id,)
    ).fetchone()
    if row is None:
        return []
    sensor_id, heard_at = row
    return _last(conn, sensor_id, heard_at, limit)


def _last(
    conn: psycopg.Connection, sensor_id: int, heard_at: datetime, limit: int
) -> list[ReadingRow]:
    # Within narrow bounds only the weeks that matter are looked at, and few readings are sorted.
    cursor = conn.cursor(row_factory=class_row(ReadingRow))
    found: list[ReadingRow] = []
    for back in LAST_READINGS:
        where = {"sensor_id": sensor_id, "since": heard_at - back, "limit": limit}
        found = cursor.execute(_LAST_READINGS, where).fetchall()
        if len(found) >= limit:
            break
    return found
