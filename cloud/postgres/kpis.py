"""What KPIs of a time are made of: days and weeks of bins added up, orders, counts by people.

Runs under whoever is asking (see `asking`). All that KPIs ask of orders is asked here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row


class Every(StrEnum):
    """By which piece of the time days are added up."""

    TIME = "the whole time"
    MONTH = "month"
    WEEK = "week"


class BinSums(NamedTuple):
    """One bin over a time, or a piece of it, while it was one supplier's and held one item."""

    bin_id: int
    period: date | None  # its first day; None: the whole time
    supplier_id: int
    item_id: int
    code: str | None  # None: it is no longer a bin of who asks
    place: str
    site: str
    sku: str
    part: str
    supplier: str
    maximum: int | None
    price_e4: int | None
    currency: str | None
    window_ms: int | None  # None: not a day of it is known
    known_ms: int
    empty_ms: int
    piece_hours: float
    stock_outs: int
    used: int
    filled: int
    held: int | None  # at the end
    upto_at: datetime | None
    counts: int
    count_hits: int
    counted: int
    counted_off: int
    counted_net: int


class BinWeek(NamedTuple):
    bin_id: int
    supplier_id: int
    item_id: int
    week: date
    used: int
    seen: bool
    forecast: float | None
    square: float | None
    lead_weeks: int
    said_then: bool  # else it was worked out later


class KpiOrder(NamedTuple):
    """One line of an order that left."""

    order_id: UUID
    number: int
    line: int
    bin_id: int
    item_id: int
    supplier_id: int
    asked: int
    quantity: int  # as agreed
    shipped: int
    received: int
    sent_at: datetime
    answered_at: datetime | None  # the first sign of the supplier
    expected_at: datetime | None
    came_at: datetime | None  # the first weight of it
    ended_at: datetime | None
    rush: bool
    touches: int  # what people of ours did to the order

    @property
    def is_over(self) -> bool:
        """It came, or it will not come at all."""
        return self.came_at is not None or self.ended_at is not None


@dataclass(frozen=True, kw_only=True)
class KpiCount:
    bin_id: int
    pieces: int
    level_pieces: int
    counted_at: datetime
    by: str


class Changed(NamedTuple):
    bin_id: int
    code: str
    part: str
    place: str
    at: datetime
    because: str
    before: dict[str, object] | None
    after: dict[str, object]


_PERIODS = {
    Every.TIME: "NULL::date",
    Every.MONTH: "date_trunc('month', day)::date",
    Every.WEEK: "date_trunc('week', day)::date",
}
# A stock-out that goes on over midnight is one: each day counts it, and all but the first of them
# say that they only go on with it. One that the time begins with counts once.
_SUMS = """
WITH sums AS MATERIALIZED (
    SELECT bin_id, {period} AS period, supplier_id, item_id,
           sum(window_ms) AS window_ms, sum(known_ms) AS known_ms, sum(empty_ms) AS empty_ms,
           sum(piece_hours) AS piece_hours,
           sum(stock_outs) - count(*) FILTER (WHERE resumed_empty)
               + coalesce(min(day) FILTER (WHERE resumed_empty)
                        = min(day) FILTER (WHERE known_ms > 0), false)::int AS stock_outs,
           sum(used) AS used, sum(filled) AS filled, max(day) AS last_day,
           sum(counts) AS counts, sum(count_hits) AS count_hits, sum(counted) AS counted,
           sum(counted_off) AS counted_off, sum(counted_net) AS counted_net
      FROM bin_days
     WHERE day >= %(from)s AND day <= %(to)s
       AND (%(supplier)s::int IS NULL OR supplier_id = %(supplier)s)
     GROUP BY 1, 2, 3, 4)
SELECT coalesce(s.bin_id, b.bin_id), s.period, coalesce(s.supplier_id, b.supplier_id),
       coalesce(s.item_id, b.item_id), b.code, coalesce(b.place, ''), coalesce(si.name, ''),
       coalesce(i.sku, ''), coalesce(i.name, ''), coalesce(su.name, ''),
       coalesce(b.order_up_to, b.capacity), {price},
       s.window_ms::bigint, coalesce(s.known_ms, 0)::bigint, coalesce(s.empty_ms, 0)::bigint,
       coalesce(s.piece_hours, 0), coalesce(s.stock_outs, 0)::int, coalesce(s.used, 0)::int,
       coalesce(s.filled, 0)::int, last.held, last.upto_at,
       coalesce(s.counts, 0)::int, coalesce(s.count_hits, 0)::int, coalesce(s.counted, 0)::int,
       coalesce(s.counted_off, 0)::int, coalesce(s.counted_net, 0)::int
  FROM sums s
  FULL JOIN bins b ON b.bin_id = s.bin_id
  LEFT JOIN bin_days last ON last.bin_id = s.bin_id AND last.day = s.last_day
  LEFT JOIN sites si ON si.site_id = b.site_id
  LEFT JOIN items i ON i.item_id = coalesce(s.item_id, b.item_id)
  LEFT JOIN suppliers su ON su.supplier_id = coalesce(s.supplier_id, b.supplier_id)
  LEFT JOIN item_suppliers line ON line.item_id = coalesce(s.item_id, b.item_id)
                               AND line.supplier_id = coalesce(s.supplier_id, b.supplier_id)
  LEFT JOIN item_prices pr ON pr.item_id = coalesce(s.item_id, b.item_id)
 WHERE s.bin_id IS NOT NULL
    OR b.active AND (%(supplier)s::int IS NULL OR b.supplier_id = %(supplier)s)
 ORDER BY si.name, b.place, b.code, 1, 2
"""
# What a supplier asks is its price; what a piece is worth to the books is nobody's business but
# the books'. A page that both sides read goes by the first alone.
_PRICES = {
    True: "line.price_e4, line.currency",
    False: "coalesce(pr.price_e4, line.price_e4),"
    " CASE WHEN pr.price_e4 IS NULL THEN line.currency ELSE pr.currency END",
}
_WEEKS = """
SELECT bin_id, supplier_id, item_id, week, used, seen, forecast, square, lead_weeks,
       said_at IS NOT NULL
  FROM bin_weeks
 WHERE week >= %(from)s AND week + 6 <= %(to)s
   AND (%(supplier)s::int IS NULL OR supplier_id = %(supplier)s)
 ORDER BY bin_id, week
"""
# What came for a line is what was weighed onto it, from the first of it on. What ended without
# anything coming (refused, cancelled, expired) has an end and no arrival.
_ORDERS = """
WITH touched AS (
    SELECT order_id, count(*) AS touches FROM order_events
     WHERE at >= %(from)s AND actor NOT IN ('binline', 'scale')
       AND event IN ('asked', 'approved', 'accepted', 'rejected', 'cancelled', 'closed')
     GROUP BY order_id),
came AS (
    SELECT order_id, line, min(event_at) AS at FROM order_receipts
     WHERE event_at >= %(from)s GROUP BY order_id, line)
SELECT o.order_id, o.number, l.number, l.bin_id, l.item_id, o.supplier_id, l.asked, l.quantity,
       l.shipped, l.received, o.sent_at, coalesce(o.answered_at, o.shipped_at),
       coalesce(l.promised_at, o.due_at),
       CASE WHEN l.received > 0 THEN coalesce(c.at, o.received_at, o.ended_at) END,
       o.ended_at, o.rush, coalesce(t.touches, 0)::int
  FROM orders o JOIN order_lines l USING (order_id)
  LEFT JOIN touched t USING (order_id)
  LEFT JOIN came c ON c.order_id = o.order_id AND c.line = l.number
 WHERE o.sent_at >= %(from)s AND o.sent_at < %(to)s
   AND (%(supplier)s::int IS NULL OR o.supplier_id = %(supplier)s)
 ORDER BY o.sent_at, o.number, l.number
"""


def sums(
    conn: psycopg.Connection,
    first: date,
    last: date,
    every: Every = Every.TIME,
    *,
    supplier_id: int | None = None,
    supplier_prices: bool = False,
) -> list[BinSums]:
    """Days from `first` to `last`, both of them; and every bin in use of which there is no day."""
    query = _SUMS.format(period=_PERIODS[every], price=_PRICES[supplier_prices])
    values = {"from": first, "to": last, "supplier": supplier_id}
    return [BinSums(*row) for row in conn.execute(query, values).fetchall()]


def weeks(
    conn: psycopg.Connection, first: date, last: date, *, supplier_id: int | None = None
) -> list[BinWeek]:
    """Whole ones, of each bin in order."""
    values = {"from": first, "to": last, "supplier": supplier_id}
    return [BinWeek(*row) for row in conn.execute(_WEEKS, values).fetchall()]


def orders(
    conn: psycopg.Connection,
    from_at: datetime,
    to_at: datetime,
    *,
    supplier_id: int | None = None,
) -> list[KpiOrder]:
    """The lines of orders that left in the time."""
    values = {"from": from_at, "to": to_at, "supplier": supplier_id}
    return [KpiOrder(*row) for row in conn.execute(_ORDERS, values).fetchall()]


def counts(
    conn: psycopg.Connection, bin_ids: Sequence[int], from_at: datetime, to_at: datetime
) -> list[KpiCount]:
    """Where a level was known to hold against; taring is no count of stock."""
    return (
        conn.cursor(row_factory=class_row(KpiCount))
        .execute(
            "SELECT bin_id, pieces, level_pieces, counted_at, by FROM counts"
            " WHERE bin_id = ANY(%s) AND counted_at >= %s AND counted_at < %s"
            "   AND level_pieces IS NOT NULL AND kind <> 'tare' ORDER BY counted_at",
            (list(bin_ids), from_at, to_at),
        )
        .fetchall()
    )


def changes(
    conn: psycopg.Connection, supplier_id: int, from_at: datetime, to_at: datetime, limit: int
) -> list[Changed]:
    """What was changed of the supplier's bins, the newest first; what was new is no change."""
    rows = conn.execute(
        "SELECT b.bin_id, b.code, i.name, b.place, c.at, c.because, c.before, c.after"
        "  FROM changes c JOIN bins b ON b.bin_id = c.noun_id JOIN items i USING (item_id)"
        " WHERE c.noun = 'bin' AND c.supplier_id = %s AND c.at >= %s AND c.at < %s"
        "   AND c.before IS NOT NULL ORDER BY c.change_id DESC LIMIT %s",
        (supplier_id, from_at, to_at, limit),
    ).fetchall()
    return [Changed(*row) for row in rows]


def supplier_name(conn: psycopg.Connection, supplier_id: int) -> str | None:
    """None: there is none, or none that may be seen."""
    row = conn.execute(
        "SELECT name FROM suppliers WHERE supplier_id = %s", (supplier_id,)
    ).fetchone()
    return None if row is None else str(row[0])


def supplier_id(conn: psycopg.Connection, name: str) -> int | None:
    row = conn.execute("SELECT supplier_id FROM suppliers WHERE name = %s", (name,)).fetchone()
    return None if row is None else int(row[0])


def supplier_names(conn: psycopg.Connection) -> list[str]:
    return [name for (name,) in conn.execute("SELECT name FROM suppliers ORDER BY name")]
