"""Findings: what deliveries of known quantity say of a piece's weight, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from cloud.core.deliveries import AFTERWARDS, Announced, Refill
from cloud.core.learning import UnitWeight
from cloud.core.nouns import ITEM
from cloud.core.orders import order_label
from cloud.postgres import nouns

State = Literal["kept", "applied", "waiting", "accepted", "declined", "overtaken"]


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    finding_id: int
    bin_id: int
    item_id: int
    event_at: datetime
    movement_id: int
    order_id: UUID | None
    pieces: int
    weighed: int
    before_mg: int
    after_mg: int
    from_ug: int
    unit_weight_ug: int
    unit_sd_ug: int
    unit_error_ug: int
    says: str
    told_by: str
    told_because: str
    told_at: datetime
    state: State
    answered_by: str | None
    answered_because: str | None
    answered_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewFinding:
    bin_id: int
    item_id: int
    refill: Refill
    order_id: UUID | None
    pieces: int
    from_ug: int
    unit: UnitWeight
    says: str
    told_by: str
    told_because: str
    state: State


_COLUMNS = (
    "finding_id, bin_id, item_id, event_at, movement_id, order_id, pieces, weighed, before_mg,"
    " after_mg, from_ug, unit_weight_ug, unit_sd_ug, unit_error_ug, says, told_by, told_because,"
    " told_at, state, answered_by, answered_because, answered_at"
)

_INSERT = f"""
INSERT INTO findings (bin_id, item_id, event_at, movement_id, order_id, pieces, weighed, before_mg,
                      after_mg, from_ug, unit_weight_ug, unit_sd_ug, unit_error_ug, says, told_by,
                      told_because, told_at, state)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING {_COLUMNS}
"""  # noqa: S608 - made of constants


def insert(conn: psycopg.Connection, new: NewFinding, now: datetime) -> FindingRow:
    refill, unit = new.refill, new.unit
    cursor = conn.cursor(row_factory=class_row(FindingRow))
    row = cursor.execute(
        _INSERT,
        (
            new.bin_id,
            new.item_id,
            refill.event_at,
            refill.movement_id,
            new.order_id,
            new.pieces,
            refill.pieces,
            refill.before_mg,
            refill.after_mg,
            new.from_ug,
            unit.unit_weight_ug,
            round(unit.unit_sd_ug),
            round(unit.unit_error_ug),
            new.says,
            new.told_by,
            new.told_because,
            now,
            new.state,
        ),
    ).fetchone()
    assert row is not None
    return row


def listed(conn: psycopg.Connection, bin_id: int, limit: int) -> list[FindingRow]:
    """Newest first."""
    cursor = conn.cursor(row_factory=class_row(FindingRow))
    return cursor.execute(
        f"SELECT {_COLUMNS} FROM findings WHERE bin_id = %s"  # noqa: S608 - of constants
        " ORDER BY finding_id DESC LIMIT %s",
        (bin_id, limit),
    ).fetchall()


def lock(conn: psycopg.Connection, bin_id: int, finding_id: int) -> FindingRow | None:
    cursor = conn.cursor(row_factory=class_row(FindingRow))
    return cursor.execute(
        f"SELECT {_COLUMNS} FROM findings"  # noqa: S608 - of constants
        " WHERE bin_id = %s AND finding_id = %s FOR NO KEY UPDATE",
        (bin_id, finding_id),
    ).fetchone()


def answer(  # noqa: PLR0917 - who answers what, why and when
    conn: psycopg.Connection,
    finding_id: int,
    state: State,
    by: str,
    because: str,
    now: datetime,
) -> None:
    conn.execute(
        "UPDATE findings SET state = %s, answered_by = %s, answered_because = %s, answered_at = %s"
        " WHERE finding_id = %s",
        (state, by, because, now, finding_id),
    )


def overtake(conn: psycopg.Connection, item_id: int, by: str, because: str, now: datetime) -> None:
    """Whatever waits for consent on the item has lost its ground."""
    conn.execute(
        "UPDATE findings SET state = 'overtaken', answered_by = %s, answered_because = %s,"
        " answered_at = %s WHERE item_id = %s AND state = 'waiting'",
        (by, because, now, item_id),
    )


def is_used(conn: psycopg.Connection, bin_id: int, event_at: datetime) -> bool:
    row = conn.execute(
        "SELECT 1 FROM findings WHERE bin_id = %s AND event_at = %s"
        "   AND state IN ('applied', 'accepted')",
        (bin_id, event_at),
    ).fetchone()
    return row is not None


# ------------------------------------------------------------------ deliveries


_REFILLS = """
SELECT movement_id, event_at, pieces, before_mg, after_mg FROM movements
 WHERE bin_id = %(bin_id)s AND replaced_at IS NULL AND kind = 'refill'
   AND item_id = (SELECT item_id FROM bins WHERE bin_id = %(bin_id)s)
   AND before_mg IS NOT NULL AND after_mg > before_mg
"""


def refill(conn: psycopg.Connection, bin_id: int, movement_id: int) -> Refill | None:
    """Of what lies in the bin now, and as it is booked now."""
    cursor = conn.cursor(row_factory=class_row(Refill))
    return cursor.execute(
        f"{_REFILLS} AND movement_id = %(id)s", {"bin_id": bin_id, "id": movement_id}
    ).fetchone()


def refills(conn: psycopg.Connection, bin_id: int, limit: int) -> list[Refill]:
    """Newest first."""
    cursor = conn.cursor(row_factory=class_row(Refill))
    return cursor.execute(
        f"{_REFILLS} ORDER BY event_at DESC LIMIT %(limit)s", {"bin_id": bin_id, "limit": limit}
    ).fetchall()


def refills_between(
    conn: psycopg.Connection, bin_id: int, since: datetime, upto: datetime
) -> list[Refill]:
    cursor = conn.cursor(row_factory=class_row(Refill))
    return cursor.execute(
        f"{_REFILLS} AND event_at BETWEEN %(since)s AND %(upto)s ORDER BY event_at",
        {"bin_id": bin_id, "since": since, "upto": upto},
    ).fetchall()


# Which quantities are known is this one question: what a supplier says was shipped, else what was
# ordered. An order that is not over yet may still have more to come.
_ANNOUNCED = """
SELECT l.bin_id, o.order_id, o.number, CASE WHEN l.shipped > 0 THEN l.shipped ELSE l.quantity END,
       l.shipped > 0, coalesce(o.sent_at, o.drafted_at) AS sent_at, o.ended_at
  FROM order_lines l JOIN orders o USING (order_id)
  JOIN bins b ON b.bin_id = l.bin_id AND b.item_id = l.item_id
 WHERE o.state = 'closed' AND b.measure = 'weight' AND l.received > 0
   AND greatest(l.shipped, l.quantity) > 0
"""


def announced(
    conn: psycopg.Connection, since: datetime, upto: datetime, limit: int
) -> list[tuple[int, Announced]]:
    """Of all bins what was delivered since then and nobody has looked at, oldest first."""
    rows = conn.execute(
        f"{_ANNOUNCED} AND o.ended_at BETWEEN %s AND %s"
        "   AND NOT EXISTS (SELECT FROM findings f"
        "        WHERE f.order_id = o.order_id AND f.bin_id = l.bin_id)"
        " ORDER BY o.ended_at, l.bin_id LIMIT %s",
        (since, upto - AFTERWARDS, limit),
    ).fetchall()
    return [(row[0], _announced(row[1:])) for row in rows]


def announced_beside(conn: psycopg.Connection, bin_id: int, one: Announced) -> list[Announced]:
    """Other orders of the bin that the same refill may have been."""
    rows = conn.execute(
        "SELECT o.order_id, o.number, l.quantity, false, coalesce(o.sent_at, o.drafted_at),"
        "       coalesce(o.ended_at, %s)"
        "  FROM order_lines l JOIN orders o USING (order_id)"
        " WHERE l.bin_id = %s AND l.quantity > 0 AND o.order_id <> %s"
        "   AND coalesce(o.sent_at, o.drafted_at) <= %s"
        "   AND coalesce(o.ended_at, 'infinity') >= %s",
        (
            one.closed_at + AFTERWARDS,
            bin_id,
            one.order_id,
            one.closed_at + AFTERWARDS,
            one.placed_at - AFTERWARDS,
        ),
    ).fetchall()
    return [_announced(row) for row in rows]


def _announced(row: Sequence[Any]) -> Announced:
    order_id, number, pieces, shipped, placed_at, closed_at = row
    return Announced(
        order_id=order_id,
        label=order_label(number),
        pieces=pieces,
        shipped=shipped,
        placed_at=placed_at,
        closed_at=closed_at,
    )


# ------------------------------------------------------------------ into use


def use(conn: psycopg.Connection, row: FindingRow) -> None:
    """The weight of a piece, for every bin with the item; its triggers write the history."""
    nouns.hold_bins(conn, ITEM, [row.item_id])
    conn.execute(
        "UPDATE items SET unit_weight_ug = %s, unit_sd_ug = %s, unit_error_ug = %s"
        " WHERE item_id = %s",
        (row.unit_weight_ug, row.unit_sd_ug, row.unit_error_ug, row.item_id),
    )
    nouns.have_looked_at(conn, ITEM, [row.item_id])


def bins_with(conn: psycopg.Connection, item_id: int, limit: int) -> list[tuple[int, str, int]]:
    """Id, code and tare of the bins that are counted by an item's weight."""
    return conn.execute(
        "SELECT bin_id, code, tare_mg FROM bins WHERE item_id = %s AND measure = 'weight'"
        "   AND active ORDER BY code LIMIT %s",
        (item_id, limit),
    ).fetchall()
