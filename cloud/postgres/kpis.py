"""What KPIs of a time are made of: days and weeks of bins added up, orders, counts by people.

Runs under whoever is asking (see `asking`). All that KPIs ask of orders is asked here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from cloud.core.asked import Asked, Group
from cloud.core.periods import Period, Stretch, stretches

MS = timedelta(milliseconds=1)
NO_LONGER = "no longer its bins"  # the site of those that were a supplier's


@dataclass(frozen=True, kw_only=True)
class One:
    """One group alone, by its number or its first day; None: of a site that is no longer seen."""

    key: int | date | None


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
    site_id: int | None  # None: it is no longer a bin of who asks
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
    site_id: int | None
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


# A stock-out that goes on over midnight is one: each day counts it, and all but the first of them
# say that they only go on with it. One that the time begins with counts once. A week and a month
# are days that lasted longer, and say the same.
_PIECES = """
SELECT bin_id, {period} AS period, day, day AS last_day, supplier_id, item_id, upto_at, window_ms,
       known_ms, empty_ms, piece_hours, stock_outs, resumed_empty, held, used, filled, counts,
       count_hits, counted, counted_off, counted_net
  FROM bin_days WHERE ({days}) AND {whose}
UNION ALL
SELECT bin_id, {long_period}, first, last_day, supplier_id, item_id, upto_at, window_ms, known_ms,
       empty_ms, piece_hours, stock_outs, resumed_empty, held, used, filled, counts, count_hits,
       counted, counted_off, counted_net
  FROM bin_periods WHERE ({periods}) AND {whose}
"""
# One row for a bin and a piece of the time, while it was one supplier's and held one item; and one
# for every bin in use of which there is no day. What was held at the end is told behind the number
# of its day, so that it is found by the sum, too, and not looked up bin by bin.
_ROWS = """
pieces AS ({pieces}),
sums AS MATERIALIZED (
    SELECT bin_id, period, supplier_id, item_id,
           sum(window_ms)::bigint AS window_ms, sum(known_ms)::bigint AS known_ms,
           sum(empty_ms)::bigint AS empty_ms, sum(piece_hours) AS piece_hours,
           (sum(stock_outs) - count(*) FILTER (WHERE resumed_empty)
               + coalesce(min(day) FILTER (WHERE resumed_empty)
                        = min(day) FILTER (WHERE known_ms > 0), false)::int)::int AS stock_outs,
           sum(used)::int AS used, sum(filled)::int AS filled, max(upto_at) AS upto_at,
           max(((last_day - date '2000-01-01')::bigint << 32) + coalesce(held::bigint + 1, 0))
               AS last_held,
           sum(counts)::int AS counts, sum(count_hits)::int AS count_hits,
           sum(counted)::int AS counted, sum(counted_off)::int AS counted_off,
           sum(counted_net)::int AS counted_net
      FROM pieces GROUP BY 1, 2, 3, 4),
found AS (
    SELECT coalesce(s.bin_id, b.bin_id) AS bin_id, s.period, b.code, b.place, b.site_id,
           coalesce(s.supplier_id, b.supplier_id) AS supplier_id,
           coalesce(s.item_id, b.item_id) AS item_id,
           coalesce(b.order_up_to, b.capacity) AS maximum, s.window_ms,
           coalesce(s.known_ms, 0) AS known_ms, coalesce(s.empty_ms, 0) AS empty_ms,
           coalesce(s.piece_hours, 0) AS piece_hours, coalesce(s.stock_outs, 0) AS stock_outs,
           coalesce(s.used, 0) AS used, coalesce(s.filled, 0) AS filled, s.upto_at,
           (nullif(s.last_held & 4294967295, 0) - 1)::int AS held,
           coalesce(s.counts, 0) AS counts, coalesce(s.count_hits, 0) AS count_hits,
           coalesce(s.counted, 0) AS counted, coalesce(s.counted_off, 0) AS counted_off,
           coalesce(s.counted_net, 0) AS counted_net
      FROM sums s FULL JOIN bins b ON b.bin_id = s.bin_id
     WHERE (s.bin_id IS NOT NULL
            OR b.active AND (%(supplier)s::int IS NULL OR b.supplier_id = %(supplier)s))),
rows AS (
    SELECT f.*, {price}
      FROM found f
      LEFT JOIN item_suppliers line ON line.item_id = f.item_id
                                   AND line.supplier_id = f.supplier_id
      LEFT JOIN item_prices pr ON pr.item_id = f.item_id
     WHERE {only})
"""
# What a supplier asks is its price; what a piece is worth to the books is nobody's business but
# the books'. A page that both sides read goes by the first alone.
_PRICES = {
    True: "line.price_e4, line.currency",
    False: "coalesce(pr.price_e4, line.price_e4) AS price_e4,"
    " CASE WHEN pr.price_e4 IS NULL THEN line.currency ELSE pr.currency END AS currency",
}
_SUMS = """
WITH {rows}
SELECT r.bin_id, r.period, r.supplier_id, r.item_id, r.code, coalesce(r.place, ''),
       coalesce(si.name, ''), coalesce(i.sku, ''), coalesce(i.name, ''), coalesce(su.name, ''),
       r.maximum, r.price_e4, r.currency, r.window_ms, r.known_ms, r.empty_ms, r.piece_hours,
       r.stock_outs, r.used, r.filled, r.held, r.upto_at, r.counts, r.count_hits, r.counted,
       r.counted_off, r.counted_net
  FROM rows r
  LEFT JOIN sites si USING (site_id)
  LEFT JOIN items i USING (item_id)
  LEFT JOIN suppliers su USING (supplier_id)
 ORDER BY si.name, r.place, r.code, 1, 2
"""
# One row of each bin and whole week of the time.
WEEKS = """
SELECT w.bin_id, w.supplier_id, w.item_id, b.site_id, w.week, w.used, w.seen, w.forecast, w.square,
       w.lead_weeks, w.said_at IS NOT NULL AS said_then
  FROM bin_weeks w LEFT JOIN bins b USING (bin_id)
 WHERE w.week >= %(from)s AND w.week + 6 <= %(to)s
   AND (%(supplier)s::int IS NULL OR w.supplier_id = %(supplier)s)
"""
# `lines`, for a WITH. What came for a line is what was weighed onto it, from the first of it on.
# What ended without anything coming (refused, cancelled, expired) has an end and no arrival.
LINES = """
touched AS (
    SELECT order_id, count(*) AS touches FROM order_events
     WHERE at >= %(from_at)s AND actor NOT IN ('binline', 'scale')
       AND event IN ('asked', 'approved', 'accepted', 'rejected', 'cancelled', 'closed')
     GROUP BY order_id),
came AS (
    SELECT order_id, line, min(event_at) AS at FROM order_receipts
     WHERE event_at >= %(from_at)s GROUP BY order_id, line),
lines AS (
    SELECT o.order_id, o.number, l.number AS line, l.bin_id, l.item_id, o.supplier_id, b.site_id,
           l.asked, l.quantity, l.shipped, l.received, o.sent_at,
           coalesce(o.answered_at, o.shipped_at) AS answered_at,
           coalesce(l.promised_at, o.due_at) AS expected_at,
           CASE WHEN l.received > 0 THEN coalesce(c.at, o.received_at, o.ended_at) END AS came_at,
           o.ended_at, o.rush, coalesce(t.touches, 0)::int AS touches
      FROM orders o
      JOIN order_lines l USING (order_id)
      LEFT JOIN bins b USING (bin_id)
      LEFT JOIN touched t USING (order_id)
      LEFT JOIN came c ON c.order_id = o.order_id AND c.line = l.number
     WHERE o.sent_at >= %(from_at)s AND o.sent_at < %(to_at)s
       AND (l.quantity > 0 OR l.promised_at IS NOT NULL)
       AND (%(supplier)s::int IS NULL OR o.supplier_id = %(supplier)s))
"""
SENT_ON = "(sent_at AT TIME ZONE 'UTC')"
_KEYS = {
    Group.SITE: "{0}site_id",
    Group.ITEM: "{0}item_id",
    Group.SUPPLIER: "{0}supplier_id",
    Group.AGREEMENT: "(({0}site_id::bigint << 32) + {0}supplier_id)",
}
_OF_PERIOD = {
    Period.MONTH: "date_trunc('month', {})::date",
    Period.WEEK: "date_trunc('week', {})::date",
}


def sums(conn: psycopg.Connection, asked: Asked, one: One | None = None) -> list[BinSums]:
    """Of each bin all days of the time; and every bin in use of which there is no day."""
    query = _SUMS.format(rows=rows_of(asked, one))
    return [BinSums(*row) for row in conn.execute(query, values_of(asked, one)).fetchall()]


def weeks(conn: psycopg.Connection, asked: Asked, one: One | None = None) -> list[BinWeek]:
    """Whole ones, of each bin in order."""
    query = f"SELECT * FROM ({WEEKS}) w WHERE {only(asked, one, 'week')} ORDER BY bin_id, week"  # noqa: S608 - of constants
    return [BinWeek(*row) for row in conn.execute(query, values_of(asked, one)).fetchall()]


def orders(conn: psycopg.Connection, asked: Asked, one: One | None = None) -> list[KpiOrder]:
    """The lines of orders that left in the time."""
    query = (
        f"WITH {LINES} SELECT {', '.join(KpiOrder._fields)} FROM lines"  # noqa: S608 - of constants
        f" WHERE {only(asked, one, SENT_ON)} ORDER BY sent_at, number, line"
    )
    return [KpiOrder(*row) for row in conn.execute(query, values_of(asked, one)).fetchall()]


def find(conn: psycopg.Connection, group: Group, name: str) -> One | None:
    """The one of that name as a group is called; None: there is none that may be seen."""
    match group:
        case Group.SITE:
            query = "SELECT site_id FROM sites WHERE name = %(name)s"
            if name == NO_LONGER:
                return One(key=None)
        case Group.ITEM:
            query = "SELECT item_id FROM items WHERE sku || ' ' || name = %(name)s"
        case Group.SUPPLIER:
            query = "SELECT supplier_id FROM suppliers WHERE name = %(name)s"
        case Group.AGREEMENT:
            query = (
                "SELECT (si.site_id::bigint << 32) + su.supplier_id FROM sites si JOIN suppliers su"
                " ON su.name = substr(%(name)s, length(si.name) + 3)"
                " WHERE si.name || ', ' || su.name = %(name)s"
            )
        case Group.MONTH | Group.WEEK:
            return None
    row = conn.execute(query, {"name": name}).fetchone()
    return None if row is None else One(key=row[0])


# ------------------------------------------------------------------ how it is asked


def rows_of(asked: Asked, one: One | None = None) -> str:
    """`rows`, for a WITH: one of each bin and piece of the time."""
    told = stretches(asked.first, asked.last, asked.group.period or Period.MONTH)
    period = asked.group.period
    of = _OF_PERIOD[period] if period else "NULL::date"
    pieces = _PIECES.format(
        period=of.format("day"),
        long_period=of.format("first"),
        days=_any(told, "day BETWEEN '{0.first}' AND '{0.last}'", Period.DAY),
        periods=_any(
            told,
            "period = '{0.period}' AND first BETWEEN '{0.first}' AND '{0.last}'",
            Period.WEEK,
            Period.MONTH,
        ),
        whose="(%(supplier)s::int IS NULL OR supplier_id = %(supplier)s)",
    )
    return _ROWS.format(
        pieces=pieces,
        price=_PRICES[asked.supplier_prices],
        only="true" if period else only(asked, one, "", "f."),
    )


def _any(told: Sequence[Stretch], condition: str, *periods: Period) -> str:
    """Days are written by us, and are no values: a plan then knows how many rows there are."""
    some = [condition.format(one) for one in told if one.period in periods]
    return " OR ".join(some) or "false"


def only(asked: Asked, one: One | None, day: str, of: str = "") -> str:
    """Of rows that know their site, item and supplier, and the day that `day` says."""
    if one is None:
        return "true"
    return f"{key_of(asked.group, day, of)} IS NOT DISTINCT FROM %(key)s"


def key_of(group: Group, day: str, of: str = "") -> str:
    """What a row belongs to: a number, or the first day of a period."""
    return _OF_PERIOD[group.period].format(day) if group.period else _KEYS[group].format(of)


def agreement_key(*, site_id: int, supplier_id: int) -> int:
    """The number of a group of these two."""
    return (site_id << 32) + supplier_id


def values_of(asked: Asked, one: One | None = None) -> dict[str, object]:
    return {
        "from": asked.first,
        "to": asked.last,
        "from_at": asked.from_at,
        "to_at": asked.to_at,
        "supplier": asked.supplier_id,
        "key": None if one is None else one.key,
    }


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
