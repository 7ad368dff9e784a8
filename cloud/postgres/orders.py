"""Orders, their lines, and what happened to them. What may follow what is the core's to say.

The database holds that a need is ordered once: (bin, cycle, ordinal) of a line is unique. Whoever
changes an order locks the present of all its bins first, in the order of their ids (see
`postgres/bins.py`), then the order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from cloud.core.order_machine import (
    Accept,
    Act,
    Change,
    Count,
    Line,
    Order,
    Other,
    Receive,
    Ship,
)
from cloud.core.order_states import State
from cloud.postgres import order_evidence

_GATHERING = 0x0B1E_0000  # keeps this lock apart from others of two numbers
# Columns of an order that acts change, by the names they have in `core.order_machine.Order`.
_CHANGING = (
    "state", "agreement_version", "leaves_at", "approved_at", "approved_by", "sent_at",
    "answered_at", "answered_by", "shipped_at", "received_at", "ended_at", "ended_by",
    "ended_because",
)  # fmt: skip
_LINE_CHANGING = ("quantity", "promised_at", "shipped", "received")
_KEPT = {field.name for field in fields(Order)} - {
    "lines", "change", "change_open", "shipments", "receipts",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NewOrder:
    """An order as it is drafted; what becomes of it, also that it is sent at once, is an act."""

    supplier_id: int
    site_id: int
    consigned: bool
    rush: bool
    agreement_version: int
    calendar_version: int
    because: str
    due_at: datetime | None
    drafted_by: str
    expires_at: datetime | None = None
    escalates_at: datetime | None = None
    leaves_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NewLine:
    bin_id: int
    item_id: int
    breach_id: int | None
    cycle: int
    ordinal: int
    quantity: int
    because: str
    evidence: Mapping[str, object]


def insert(
    conn: psycopg.Connection, new: NewOrder, lines: Sequence[NewLine], now: datetime
) -> UUID:
    row = conn.execute(
        "INSERT INTO orders (supplier_id, site_id, consigned, rush, agreement_version,"
        " calendar_version, because, due_at, drafted_at, drafted_by, expires_at, escalates_at,"
        " leaves_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " RETURNING order_id",
        (
            new.supplier_id,
            new.site_id,
            new.consigned,
            new.rush,
            new.agreement_version,
            new.calendar_version,
            new.because,
            new.due_at,
            now,
            new.drafted_by,
            new.expires_at,
            new.escalates_at,
            new.leaves_at,
        ),
    ).fetchone()
    assert row is not None
    order_id = UUID(str(row[0]))
    for number, line in enumerate(lines, start=1):
        insert_line(conn, order_id, number, line)
    return order_id


def insert_line(conn: psycopg.Connection, order_id: UUID, number: int, line: NewLine) -> None:
    conn.execute(
        "INSERT INTO order_lines (order_id, number, bin_id, item_id, breach_id, cycle, ordinal,"
        " asked, quantity, because, evidence)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            order_id,
            number,
            line.bin_id,
            line.item_id,
            line.breach_id,
            line.cycle,
            line.ordinal,
            line.quantity,
            line.quantity,
            line.because,
            Jsonb(line.evidence),
        ),
    )


def find_waiting(conn: psycopg.Connection, new: NewOrder, now: datetime) -> UUID | None:
    """The newest order to the same place that waits for others; looked for by one at a time."""
    conn.execute(
        "SELECT pg_advisory_xact_lock(%s, %s)", (_GATHERING + new.supplier_id, new.site_id)
    )
    row = conn.execute(
        "SELECT order_id FROM orders WHERE state = 'approved' AND leaves_at > %s"
        "   AND supplier_id = %s AND site_id = %s AND consigned = %s AND agreement_version = %s"
        " ORDER BY number DESC LIMIT 1 FOR NO KEY UPDATE",
        (now, new.supplier_id, new.site_id, new.consigned, new.agreement_version),
    ).fetchone()
    return None if row is None else UUID(str(row[0]))


def bins_of(conn: psycopg.Connection, order_id: UUID) -> list[int]:
    """Which bins an order is for, ordered. Empty: there is none, or the asker may not see it."""
    rows = conn.execute(
        "SELECT DISTINCT bin_id FROM order_lines WHERE order_id = %s ORDER BY bin_id", (order_id,)
    ).fetchall()
    return [int(bin_id) for (bin_id,) in rows]


def lock(conn: psycopg.Connection, order_id: UUID) -> Order | None:
    """The order as it stands, nobody else changing it meanwhile."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_LOCK, (order_id,)).fetchone()
        if row is None:
            return None
        lines = cursor.execute(_LINES, (order_id,)).fetchall()
        acts = cursor.execute(_ACTS, (order_id,)).fetchall()
        receipts = cursor.execute(_RECEIPTS, (order_id,)).fetchall()
    changes = [act for act in acts if act["kind"] == "change"]
    return Order(
        **{**row, "state": State(row["state"])},
        lines=tuple(Line(**line) for line in lines),
        change=_change(changes[-1]) if changes else None,
        change_open=bool(changes) and changes[-1]["state"] == "open",
        shipments=tuple(_ship(act) for act in acts if act["kind"] == "shipment"),
        receipts=_receipts(receipts),
    )


_LOCK = f"SELECT {', '.join(sorted(_KEPT))} FROM orders WHERE order_id = %s FOR NO KEY UPDATE"  # noqa: S608 - names of a dataclass
_LINES = (
    "SELECT number, bin_id, item_id, cycle, ordinal, quantity, promised_at, shipped, received"
    "  FROM order_lines WHERE order_id = %s ORDER BY number"
)
_ACTS = (
    "SELECT kind, act_id, by, because, expected_at, lines, state FROM order_acts"
    " WHERE order_id = %s ORDER BY kind, ordinal"
)
_RECEIPTS = (
    "SELECT receipt_id, line, pieces FROM order_receipts WHERE order_id = %s"
    " ORDER BY event_at, receipt_id, line"
)


def _change(row: Mapping[str, Any]) -> Change:
    return Change(
        change_id=row["act_id"],
        by=row["by"],
        because=row["because"],
        lines=tuple(
            Other(line=one["line"], pieces=one["pieces"], at=datetime.fromisoformat(str(one["at"])))
            for one in row["lines"]
        ),
    )


def _ship(row: Mapping[str, Any]) -> Ship:
    return Ship(
        shipment_id=row["act_id"],
        expected_at=row["expected_at"],
        counts=tuple(Count(line=one["line"], pieces=one["pieces"]) for one in row["lines"]),
    )


def _receipts(rows: Sequence[Mapping[str, Any]]) -> tuple[Receive, ...]:
    counts: dict[str, list[Count]] = {}
    for row in rows:
        counts.setdefault(row["receipt_id"], []).append(
            Count(line=row["line"], pieces=row["pieces"])
        )
    return tuple(Receive(receipt_id=key, counts=tuple(each)) for key, each in counts.items())


# ------------------------------------------------------------------ what acts change


def save(conn: psycopg.Connection, before: Order, after: Order, act: Act, now: datetime) -> None:
    """What differs, and no more: nobody needs a right to what an act does not touch."""
    changed = {
        name: getattr(after, name)
        for name in _CHANGING
        if getattr(after, name) != getattr(before, name)
    }
    if changed:
        _update(conn, "orders", changed, {"order_id": after.order_id})
    for was, is_ in zip(before.lines, after.lines, strict=True):
        moved = {
            name: getattr(is_, name)
            for name in _LINE_CHANGING
            if getattr(is_, name) != getattr(was, name)
        }
        if moved:
            where = {"order_id": after.order_id, "number": is_.number}
            _update(conn, "order_lines", moved, where)
    _save_change(conn, before, after, act, now)
    if isinstance(act, Ship):
        _insert_act(conn, after.order_id, "shipment", act, now)


def _update(
    conn: psycopg.Connection, table: str, changed: Mapping[str, object], where: Mapping[str, object]
) -> None:
    query = sql.SQL("UPDATE {} SET {} WHERE {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changed),
        sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in where),
    )
    conn.execute(query, (*changed.values(), *where.values()))


def _save_change(
    conn: psycopg.Connection, before: Order, after: Order, act: Act, now: datetime
) -> None:
    """What became of the change that was open, and the one that is proposed now."""
    if before.change_open and (not after.change_open or after.change is not before.change):
        assert before.change is not None
        accepts = isinstance(act, Accept)
        state = "accepted" if accepts else "rejected" if act.verb == "reject" else "replaced"
        conn.execute(
            "UPDATE order_acts SET state = %s, answered_at = %s, answered_by = %s"
            " WHERE order_id = %s AND kind = 'change' AND act_id = %s",
            (state, now, getattr(act, "by", ""), after.order_id, before.change.change_id),
        )
    if isinstance(act, Change):
        _insert_act(conn, after.order_id, "change", act, now)


def _insert_act(
    conn: psycopg.Connection, order_id: UUID, kind: str, act: Change | Ship, now: datetime
) -> None:
    if isinstance(act, Change):
        act_id, by, because, expected_at, state = act.change_id, act.by, act.because, None, "open"
        lines = [
            {"line": one.line, "pieces": one.pieces, "at": one.at.isoformat()} for one in act.lines
        ]
    else:
        act_id, by, because, expected_at, state = act.shipment_id, "", "", act.expected_at, "taken"
        lines = [{"line": one.line, "pieces": one.pieces} for one in act.counts]
    conn.execute(
        "INSERT INTO order_acts (order_id, kind, act_id, ordinal, at, by, because, expected_at,"
        " lines, state) SELECT %(order)s, %(kind)s, %(act)s, count(*) + 1, %(at)s, %(by)s,"
        " %(because)s, %(expected)s, %(lines)s, %(state)s"
        "   FROM order_acts WHERE order_id = %(order)s AND kind = %(kind)s",
        {
            "order": order_id,
            "kind": kind,
            "act": act_id,
            "at": now,
            "by": by,
            "because": because,
            "expected": expected_at,
            "lines": Jsonb(lines),
            "state": state,
        },
    )


def insert_receipt(
    conn: psycopg.Connection, order: Order, receive: Receive, event_at: datetime
) -> None:
    bins = {line.number: line.bin_id for line in order.lines}
    for count in receive.counts:
        conn.execute(
            "INSERT INTO order_receipts (order_id, line, receipt_id, bin_id, pieces, event_at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                order.order_id,
                count.line,
                receive.receipt_id,
                bins[count.line],
                count.pieces,
                event_at,
            ),
        )


def packs_of(conn: psycopg.Connection, order_id: UUID) -> dict[int, int]:
    """In multiples of how many pieces each line is delivered."""
    rows = conn.execute(
        "SELECT l.number, coalesce(line.pack, i.pack) FROM order_lines l"
        "  JOIN orders o USING (order_id) JOIN items i ON i.item_id = l.item_id"
        "  LEFT JOIN item_suppliers line"
        "    ON line.item_id = l.item_id AND line.supplier_id = o.supplier_id"
        " WHERE l.order_id = %s",
        (order_id,),
    ).fetchall()
    return {int(number): int(pack) for number, pack in rows}


def asked_by(conn: psycopg.Connection, order_id: UUID, name: str) -> bool:
    row = conn.execute("SELECT drafted_by FROM orders WHERE order_id = %s", (order_id,)).fetchone()
    return row is not None and row[0] == name


def due_no_later(conn: psycopg.Connection, order_id: UUID, due_at: datetime | None) -> None:
    """What is added to an order may be needed sooner."""
    conn.execute(
        "UPDATE orders SET due_at = least(due_at, %s) WHERE order_id = %s", (due_at, order_id)
    )


# ------------------------------------------------------------------ what happened


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
