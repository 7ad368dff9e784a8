"""Orders that have not left, for which a time has come, or which lost the ground they stood on."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class Timed:
    """An order for which a time has come."""

    order_id: UUID
    expires: bool
    escalates: bool
    leaves: bool
    refilled: bool = False  # what it began with is low no longer
    eased: bool = False  # of a bin that came along there is more than it comes along for


def timed(conn: psycopg.Connection, now: datetime, limit: int) -> list[Timed]:
    with conn.cursor(row_factory=class_row(Timed)) as cursor:
        return cursor.execute(
            "SELECT order_id,"
            " state = 'draft' AND coalesce(expires_at <= %(now)s, false) AS expires,"
            " state = 'draft' AND escalated_at IS NULL AND coalesce(escalates_at <= %(now)s, false)"
            "   AS escalates,"
            " state = 'approved' AND coalesce(leaves_at, %(now)s) <= %(now)s AS leaves,"
            " refilled, eased"
            "  FROM orders o, LATERAL (SELECT EXISTS (SELECT FROM order_lines l"
            "        JOIN breaches br USING (breach_id) WHERE l.order_id = o.order_id"
            "         AND br.closed_at IS NOT NULL) AS refilled,"
            "       EXISTS (SELECT FROM order_lines l JOIN bin_levels v USING (bin_id)"
            "        JOIN bin_policies p USING (bin_id) JOIN bins b USING (bin_id)"
            "       WHERE l.order_id = o.order_id"
            "         AND l.breach_id IS NULL AND l.quantity > 0 AND p.policy = 'can_order'"
            "         AND v.pieces > (l.evidence #>> '{level,pieces}')::int"
            "         AND v.pieces > least(coalesce(b.order_up_to, b.capacity) - 1,"
            "             CASE jsonb_typeof(p.parameters -> 'can_order') WHEN 'number'"
            "                  THEN (p.parameters ->> 'can_order')::numeric END)) AS eased) x"
            " WHERE state IN ('draft', 'approved') AND ended_at IS NULL"
            "   AND (refilled OR eased"
            "        OR (state = 'draft' AND (expires_at <= %(now)s"
            "                              OR (escalated_at IS NULL AND escalates_at <= %(now)s)))"
            "        OR (state = 'approved' AND coalesce(leaves_at, %(now)s) <= %(now)s))"
            " ORDER BY drafted_at LIMIT %(limit)s",
            {"now": now, "limit": limit},
        ).fetchall()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A bin on an order: whether it was low when it was put on, and whether it is low now."""

    code: str
    began: bool
    low: bool


def ground_of(conn: psycopg.Connection, order_id: UUID) -> list[Ground]:
    with conn.cursor(row_factory=class_row(Ground)) as cursor:
        return cursor.execute(
            "SELECT b.code, l.breach_id IS NOT NULL AS began,"
            "       EXISTS (SELECT FROM breaches br WHERE br.bin_id = b.bin_id"
            "                  AND br.closed_at IS NULL) AS low"
            "  FROM order_lines l JOIN bins b USING (bin_id)"
            " WHERE l.order_id = %s AND l.quantity > 0 ORDER BY l.number",
            (order_id,),
        ).fetchall()


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A line for a bin that only came along, and how many lay there then."""

    number: int
    bin_id: int
    code: str
    pieces: int


def came_along(conn: psycopg.Connection, order_id: UUID) -> list[Beside]:
    """As was decided of them then: that they would, as the order goes anyway."""
    with conn.cursor(row_factory=class_row(Beside)) as cursor:
        return cursor.execute(
            "SELECT l.number, l.bin_id, b.code, (l.evidence #>> '{level,pieces}')::int AS pieces"
            "  FROM order_lines l JOIN bins b USING (bin_id)"
            " WHERE l.order_id = %s AND l.breach_id IS NULL AND l.quantity > 0"
            "   AND EXISTS (SELECT FROM decisions d WHERE d.bin_id = l.bin_id"
            "        AND d.order_id = l.order_id AND d.inputs::jsonb -> 'joins' = 'true')"
            " ORDER BY l.number",
            (order_id,),
        ).fetchall()


def note_escalated(conn: psycopg.Connection, order_id: UUID, now: datetime) -> bool:
    """Whether it was not noted before."""
    return (
        conn.execute(
            "UPDATE orders SET escalated_at = %s WHERE order_id = %s AND escalated_at IS NULL",
            (now, order_id),
        ).rowcount
        == 1
    )
