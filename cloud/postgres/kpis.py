"""What is measured of a time: levels, silences, orders and counts, as they happened.

Runs under whoever is asking (see `asking`).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class KpiBin:
    bin_id: int
    code: str
    place: str
    sku: str
    part: str
    site: str
    supplier: str
    pieces: int | None
    maximum: int
    price_e4: int | None
    currency: str | None


@dataclass(frozen=True, kw_only=True)
class Moved:
    bin_id: int
    kind: str
    pieces: int
    after_pieces: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Silence:
    bin_id: int
    from_at: datetime
    upto_at: datetime


@dataclass(frozen=True, kw_only=True)
class KpiOrder:
    order_id: UUID
    number: int
    bin_id: int
    quantity: int
    placed_at: datetime
    acknowledged_at: datetime | None
    closed_at: datetime | None
    rush: bool
    touches: int  # what people of ours did to it


@dataclass(frozen=True, kw_only=True)
class KpiCount:
    bin_id: int
    pieces: int
    level_pieces: int
    counted_at: datetime
    by: str


def bins(conn: psycopg.Connection) -> list[KpiBin]:
    return (
        conn.cursor(row_factory=class_row(KpiBin))
        .execute(
            "SELECT b.bin_id, b.code, b.place, i.sku, i.name AS part, si.name AS site,"
            " su.name AS supplier, l.pieces, coalesce(b.order_up_to, b.capacity) AS maximum,"
            " pr.price_e4, pr.currency"
            "  FROM bins b JOIN sites si USING (site_id) JOIN items i USING (item_id)"
            "  JOIN suppliers su USING (supplier_id)"
            "  LEFT JOIN bin_levels l ON l.bin_id = b.bin_id"
            "  LEFT JOIN item_prices pr ON pr.item_id = b.item_id"
            " WHERE b.active ORDER BY si.name, b.place, b.code"
        )
        .fetchall()
    )


def movements(conn: psycopg.Connection, from_at: datetime, to_at: datetime) -> list[Moved]:
    """In order of time, with the last one before `from_at`: the level the time begins with."""
    return (
        conn.cursor(row_factory=class_row(Moved))
        .execute(
            "SELECT bin_id, kind, pieces, after_pieces, event_at AS at FROM"
            " (SELECT DISTINCT ON (bin_id) bin_id, kind, pieces, after_pieces, event_at,"
            "         movement_id FROM movements WHERE replaced_at IS NULL AND event_at < %(from)s"
            "   ORDER BY bin_id, event_at DESC, movement_id DESC) before"
            " UNION ALL"
            " SELECT bin_id, kind, pieces, after_pieces, event_at FROM movements"
            "  WHERE replaced_at IS NULL AND event_at >= %(from)s AND event_at < %(to)s"
            " ORDER BY at",
            {"from": from_at, "to": to_at},
        )
        .fetchall()
    )


def silences(conn: psycopg.Connection, from_at: datetime, to_at: datetime) -> list[Silence]:
    """From when a scale should have been heard of until it was, or to the end of the time."""
    return (
        conn.cursor(row_factory=class_row(Silence))
        .execute(
            "SELECT bin_id, stale_at AS from_at, next_at AS upto_at FROM"
            " (SELECT r.bin_id, r.heard_last_at + 3 * b.interval_s * interval '1 s' AS stale_at,"
            "         lead(r.heard_first_at) OVER (PARTITION BY r.bin_id ORDER BY r.hour)"
            "           AS next_at"
            "    FROM portal_rollups r JOIN bins b USING (bin_id)"
            "   WHERE r.hour >= %(from)s - interval '7 days' AND r.hour < %(to)s) heard"
            " WHERE next_at > stale_at AND next_at > %(from)s"
            " UNION ALL"
            " SELECT bin_id, heard_at + 3 * interval_s * interval '1 s', %(to)s"
            "   FROM bin_state JOIN bins USING (bin_id)"
            "  WHERE heard_at + 3 * interval_s * interval '1 s' < %(to)s"
            " ORDER BY bin_id, from_at",
            {"from": from_at, "to": to_at},
        )
        .fetchall()
    )


def orders(conn: psycopg.Connection, from_at: datetime, to_at: datetime) -> list[KpiOrder]:
    """The lines of orders that left in the time, and what people of ours did to them."""
    return (
        conn.cursor(row_factory=class_row(KpiOrder))
        .execute(
            "SELECT o.order_id, o.number, l.bin_id, l.quantity, o.sent_at AS placed_at,"
            " o.answered_at AS acknowledged_at,"
            " CASE WHEN l.received > 0 THEN coalesce(o.ended_at, o.received_at) END AS closed_at,"
            " o.rush,"
            " (SELECT count(*) FROM order_events e WHERE e.order_id = o.order_id"
            "   AND e.actor NOT IN ('binline', 'scale') AND e.event IN"
            "       ('asked', 'approved', 'accepted', 'rejected', 'cancelled', 'closed'))::int"
            "   AS touches"
            "  FROM orders o JOIN order_lines l USING (order_id)"
            " WHERE o.sent_at >= %s AND o.sent_at < %s ORDER BY o.sent_at, o.number, l.number",
            (from_at, to_at),
        )
        .fetchall()
    )


def counts(conn: psycopg.Connection, from_at: datetime, to_at: datetime) -> list[KpiCount]:
    """Where a level was known to hold against; taring is no count of stock."""
    return (
        conn.cursor(row_factory=class_row(KpiCount))
        .execute(
            "SELECT bin_id, pieces, level_pieces, counted_at, by FROM counts"
            " WHERE counted_at >= %s AND counted_at < %s AND level_pieces IS NOT NULL"
            "   AND kind <> 'tare' ORDER BY counted_at",
            (from_at, to_at),
        )
        .fetchall()
    )
