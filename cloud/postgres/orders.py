"""Orders and what happened to them. The database holds: one breach, one order; one open per bin."""

from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from cloud.core.bins import Bin
from cloud.core.orders import Order, OrderState
from cloud.core.policies.base import Place
from cloud.postgres import order_evidence

_SELECT = (
    "SELECT order_id, number, bin_id, supplier_id, quantity, state, placed_at,"
    " acknowledged_at, acknowledged_by, closed_at, received_pieces,"
    " expected_at FROM orders"
)


def insert(
    conn: psycopg.Connection,
    bin_: Bin,
    place: Place,
    *,
    breach_id: int,
    evidence: Mapping[str, object],
    now: datetime,
    expected_at: datetime | None = None,
) -> UUID:
    row = conn.execute(
        "INSERT INTO orders (breach_id, bin_id, item_id, supplier_id, quantity, because, evidence,"
        " placed_at, expected_at, rush) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " RETURNING order_id",
        (
            breach_id,
            bin_.bin_id,
            bin_.item_id,
            bin_.supplier_id,
            place.quantity,
            place.because,
            Jsonb(evidence),
            now,
            expected_at,
            place.rush,
        ),
    ).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def bin_of(conn: psycopg.Connection, order_id: UUID) -> int | None:
    """Which bin an order is for. None: there is none, or the asker may not see it."""
    row = conn.execute("SELECT bin_id FROM orders WHERE order_id = %s", (order_id,)).fetchone()
    return None if row is None else int(row[0])


def lock(conn: psycopg.Connection, order_id: UUID) -> Order | None:
    return _lock(conn, _SELECT + " WHERE order_id = %s FOR NO KEY UPDATE", order_id)


def lock_of_breach(conn: psycopg.Connection, breach_id: int) -> Order | None:
    return _lock(conn, _SELECT + " WHERE breach_id = %s FOR NO KEY UPDATE", breach_id)


def _lock(conn: psycopg.Connection, query: LiteralString, key: UUID | int) -> Order | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, (key,)).fetchone()
    return None if row is None else Order(**{**row, "state": OrderState(row["state"])})


def save_acknowledged(conn: psycopg.Connection, order: Order) -> None:
    conn.execute(
        "UPDATE orders SET state = %s, acknowledged_at = %s, acknowledged_by = %s"
        " WHERE order_id = %s",
        (order.state, order.acknowledged_at, order.acknowledged_by, order.order_id),
    )


def save_closed(conn: psycopg.Connection, order: Order) -> None:
    conn.execute(
        "UPDATE orders SET state = %s, closed_at = %s, received_pieces = %s WHERE order_id = %s",
        (order.state, order.closed_at, order.received_pieces, order.order_id),
    )


def add_event(
    conn: psycopg.Connection,
    order_id: UUID,
    at: datetime,
    event: str,
    *,
    actor: str,
    detail: str = "",
) -> None:
    """What happened, for people to read, and in the chain of what the order rests on."""
    conn.execute(
        "INSERT INTO order_events (order_id, at, event, actor, detail) VALUES (%s, %s, %s, %s, %s)",
        (order_id, at, event, actor, detail),
    )
    body = {"at": at, "event": event, "actor": actor, "detail": detail}
    order_evidence.add_event(conn, order_id, body)
