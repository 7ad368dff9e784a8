"""KPIs of whole groups, added up where the rows lie: bins, orders and weeks of ten thousand bins.

Made of the very rows that stand behind each number (`kpis`), so that a total and its list say the
same; what is reckoned bin by bin is reckoned as `actions.measure` does it for one bin (a property
test). Runs under whoever is asking (see `asking`).
"""

from datetime import date, datetime
from typing import NamedTuple

import psycopg

from cloud.core.asked import Asked, Group
from cloud.postgres import kpis
from cloud.postgres.kpis import NO_LONGER

Key = (
    int | date | None
)  # a number, the first day of a period; None: the site of bins no longer seen


class GroupBins(NamedTuple):
    """The bins of one group, added up."""

    key: Key
    name: str
    bins: int
    window_ms: int
    known_ms: int
    empty_ms: int
    stock_outs: int
    used: int
    unseen: int
    supply_days: float | None  # the median of the bins
    counts: int
    count_hits: int
    counted: int
    counted_off: int
    counted_net: int
    held: int  # bins whose level at the end is known, and their maximum
    over: int
    over_e4: int
    one_item: bool
    currency: str | None
    year_pieces: float  # use of a year, and what lay there
    mean_pieces: float
    year_e4: float
    mean_e4: float
    upto_at: datetime | None


class GroupOrders(NamedTuple):
    key: Key
    orders: int
    response_hours: float | None
    unanswered: int
    rush: int
    untouched: int
    cycle_hours: float | None
    cycle_hours_p90: float | None
    open_lines: int
    shipped: int  # lines that were said to be shipped, and are over
    as_ordered: int
    as_shipped: int
    mondays: list[date]
    ordered: list[int]  # in each of these weeks


class GroupForecasts(NamedTuple):
    key: Key
    weeks: int
    said: float
    came: int
    scaled: float | None
    missed: float
    in_leads: int


class GroupKept(NamedTuple):
    """What was kept of what was agreed on, beside what the bins came to."""

    key: Key
    cycles: int
    cycles_kept: int
    orders_due: int
    orders_answered: int


class InWeek(NamedTuple):
    key: Key
    week: date
    pieces: int


# What was probably wanted of an empty bin is as much as of a filled one in the same time, by whole
# thousandths of a piece a day, rounded bin by bin; a bin lasts by its own use of a day.
_BINS = """
WITH {rows},
each AS (
    SELECT {key} AS key, r.*, greatest(0, used) AS taken,
           CASE WHEN known_ms > empty_ms
                THEN div(greatest(0, used)::numeric * 86400000000, known_ms - empty_ms)
                ELSE 0 END::float8 AS rate_milli,
           CASE WHEN known_ms > 0 THEN 31536000000 / known_ms::float8 END AS of_year,
           CASE WHEN known_ms > 0 THEN piece_hours / (known_ms / 3600000::float8) END AS mean
      FROM rows r WHERE {key} IS NOT NULL OR {null_is_group})
SELECT key, {name}, count(*)::int, sum(coalesce(window_ms, %(whole_ms)s))::bigint,
       sum(known_ms)::bigint, sum(empty_ms)::bigint, sum(stock_outs)::int, sum(taken)::bigint,
       sum(round(rate_milli / 1000 * (empty_ms / 86400000::float8)))::bigint,
       percentile_cont(0.5) WITHIN GROUP (
           ORDER BY CASE WHEN taken > 0 AND known_ms > 0
                         THEN held * (known_ms / 86400000::float8) / taken END),
       sum(counts)::bigint, sum(count_hits)::bigint, sum(counted)::bigint,
       sum(counted_off)::bigint, sum(counted_net)::bigint,
       count(held + maximum)::int, count(*) FILTER (WHERE held > maximum)::int,
       coalesce(sum(greatest(0, held - maximum)::bigint * coalesce(price_e4, 0)), 0)::bigint,
       min(each.item_id) = max(each.item_id),
       CASE WHEN min(currency) FILTER (WHERE price_e4 IS NOT NULL)
               = max(currency) FILTER (WHERE price_e4 IS NOT NULL)
            THEN min(currency) FILTER (WHERE price_e4 IS NOT NULL) END,
       coalesce(sum(taken * of_year), 0), coalesce(sum(mean), 0),
       coalesce(sum(taken * of_year * price_e4), 0), coalesce(sum(mean * price_e4), 0),
       max(upto_at)
  FROM each {named}
 GROUP BY key, 2
"""
_NAMED = {
    Group.SITE: (
        f"coalesce(n.name, '{NO_LONGER}')",
        "LEFT JOIN sites n ON n.site_id = key",
    ),
    Group.ITEM: (
        "coalesce(n.sku || ' ' || n.name, ' ')",
        "LEFT JOIN items n ON n.item_id = key",
    ),
    Group.SUPPLIER: ("coalesce(n.name, '')", "LEFT JOIN suppliers n ON n.supplier_id = key"),
    Group.AGREEMENT: (
        "coalesce(n.name || ', ' || m.name, '')",
        (
            "LEFT JOIN sites n ON n.site_id = key >> 32"
            " LEFT JOIN suppliers m ON m.supplier_id = key & 4294967295"
        ),
    ),
    Group.MONTH: ("to_char(key, 'YYYY-MM')", ""),
    Group.WEEK: ("to_char(key, 'YYYY-MM-DD')", ""),
}
# An order is answered and touched once, however many bins it is for; what arrives, arrives by the
# line. It is given up when it ended and nothing of it came.
_ORDERS = f"""
WITH {kpis.LINES},
each AS (SELECT {{key}} AS key, lines.* FROM lines),
whole AS (
    SELECT key, order_id, min(sent_at) AS sent_at, min(answered_at) AS answered_at,
           bool_and(ended_at IS NOT NULL AND came_at IS NULL) AS given_up, bool_or(rush) AS rush,
           max(touches) AS touches
      FROM each GROUP BY key, order_id),
by_order AS (
    SELECT key, count(*)::int AS orders,
           percentile_cont(0.5) WITHIN GROUP (
               ORDER BY extract(epoch FROM answered_at - sent_at)::float8 / 3600) AS response,
           count(*) FILTER (WHERE answered_at IS NULL AND NOT given_up)::int AS unanswered,
           count(*) FILTER (WHERE rush)::int AS rush,
           count(*) FILTER (WHERE touches = 0)::int AS untouched
      FROM whole GROUP BY key),
by_line AS (
    SELECT key, avg(hours) AS hours, percentile_cont(0.9) WITHIN GROUP (ORDER BY hours) AS p90,
           count(*) FILTER (WHERE came_at IS NULL AND ended_at IS NULL)::int AS open,
           count(*) FILTER (WHERE is_told)::int AS told,
           count(*) FILTER (WHERE is_told AND shipped = quantity)::int AS as_ordered,
           count(*) FILTER (WHERE is_told AND abs(received - shipped) <= %(tolerance)s)::int
               AS as_shipped
      FROM (SELECT *, extract(epoch FROM came_at - sent_at)::float8 / 3600 AS hours,
                   shipped > 0 AND (came_at IS NOT NULL OR ended_at IS NOT NULL) AS is_told
              FROM each) e
     GROUP BY key),
by_week AS (
    SELECT key, array_agg(monday) AS mondays, array_agg(ordered) AS ordered
      FROM (SELECT key, date_trunc('week', sent_at AT TIME ZONE 'UTC')::date AS monday,
                   sum(asked)::bigint AS ordered FROM each GROUP BY 1, 2) w
     GROUP BY key)
SELECT o.key, orders, response, unanswered, rush, untouched, hours, p90, open, told, as_ordered,
       as_shipped, mondays, ordered
  FROM by_order o
  JOIN by_line l ON coalesce(o.key::text, '') = coalesce(l.key::text, '')
  JOIN by_week w ON coalesce(o.key::text, '') = coalesce(w.key::text, '')
"""  # noqa: S608 - made of constants, as all below
_USED = f"""
SELECT {{key}}, week, sum(used)::bigint FROM ({kpis.WEEKS}) w GROUP BY 1, 2
"""  # noqa: S608 - as above
# A lead time counts if every week of it was forecast and seen: then as many rows that were seen lie
# between its first and its last one as it has weeks.
_FORECASTS = f"""
WITH told AS (
    SELECT {{key}} AS key, w.*, row_number() OVER ordered AS number, sum(used) OVER ordered AS till
      FROM ({kpis.WEEKS}) w WHERE forecast IS NOT NULL AND seen
    WINDOW ordered AS (PARTITION BY bin_id, {{key}} ORDER BY week, supplier_id))
SELECT a.key, count(*)::int, sum(a.forecast::float8), sum(a.used)::bigint,
       avg((a.forecast::float8 - a.used) ^ 2 / nullif(a.square::float8, 0)),
       coalesce(sum(abs(a.forecast::float8 * a.lead_weeks - e.till + a.till - a.used)), 0)::float8,
       coalesce(sum(e.till - a.till + a.used), 0)::bigint
  FROM told a
  LEFT JOIN told e ON e.bin_id = a.bin_id AND e.key IS NOT DISTINCT FROM a.key
                  AND e.week = a.week + 7 * (a.lead_weeks - 1)
                  AND e.number = a.number + a.lead_weeks - 1
 GROUP BY a.key
"""  # noqa: S608 - as above


def with_room(conn: psycopg.Connection) -> None:
    """For the rest of the transaction: what is sorted of ten thousand bins stays in memory."""
    conn.execute("SET LOCAL work_mem = '64MB'")


# A cycle is over with its refill, and was kept if the bin did not run out. An order is to be
# answered within the time of the version it was ordered under.
_KEPT = """
WITH low AS (
    SELECT {key} AS key, count(*)::int AS cycles,
           count(*) FILTER (WHERE lowest_pieces > 0)::int AS kept
      FROM (SELECT r.lowest_pieces, b.site_id, b.supplier_id
              FROM breaches r JOIN bins b USING (bin_id)
             WHERE r.closed_at >= %(from_at)s AND r.closed_at < %(to_at)s
               AND (%(supplier)s::int IS NULL OR b.supplier_id = %(supplier)s)) l
     GROUP BY 1),
due AS (
    SELECT {key} AS key, count(*)::int AS orders,
           count(*) FILTER (WHERE answered_at <= until_at)::int AS answered
      FROM (SELECT o.site_id, o.supplier_id, o.ended_at,
                   coalesce(o.answered_at, o.shipped_at) AS answered_at,
                   o.sent_at + v.answer_hours * interval '1 hour' AS until_at
              FROM orders o
              JOIN agreements a USING (site_id, supplier_id)
              JOIN agreement_versions v ON v.agreement_id = a.agreement_id
                                       AND v.number = o.agreement_version
             WHERE o.sent_at >= %(from_at)s AND o.sent_at < %(to_at)s
               AND (%(supplier)s::int IS NULL OR o.supplier_id = %(supplier)s)) d
     WHERE answered_at IS NOT NULL OR until_at < least(%(to_at)s, coalesce(ended_at, 'infinity'))
     GROUP BY 1)
SELECT coalesce(l.key, d.key), coalesce(l.cycles, 0), coalesce(l.kept, 0), coalesce(d.orders, 0),
       coalesce(d.answered, 0)
  FROM low l FULL JOIN due d ON d.key = l.key
"""


def kept(conn: psycopg.Connection, asked: Asked) -> list[GroupKept]:
    assert asked.group is Group.AGREEMENT, "only what was agreed on can be kept"
    query = _KEPT.format(key=kpis.key_of(asked.group, ""))
    return [GroupKept(*row) for row in conn.execute(query, kpis.values_of(asked))]


def bins(conn: psycopg.Connection, asked: Asked) -> list[GroupBins]:
    name, named = _NAMED[asked.group]
    query = _BINS.format(
        rows=kpis.rows_of(asked),
        key="period" if asked.group.period else kpis.key_of(asked.group, ""),
        null_is_group="false" if asked.group.period else "true",
        name=name,
        named=named,
    )
    whole = asked.to_at - asked.from_at
    values = kpis.values_of(asked) | {"whole_ms": whole // kpis.MS}
    return [GroupBins(*row) for row in conn.execute(query, values)]


def orders(conn: psycopg.Connection, asked: Asked, tolerance: int) -> list[GroupOrders]:
    """`tolerance`: pieces by which a weight may differ from what was said to be shipped."""
    query = _ORDERS.format(key=kpis.key_of(asked.group, kpis.SENT_ON))
    values = kpis.values_of(asked) | {"tolerance": tolerance}
    return [GroupOrders(*row) for row in conn.execute(query, values)]


def forecasts(conn: psycopg.Connection, asked: Asked) -> list[GroupForecasts]:
    query = _FORECASTS.format(key=kpis.key_of(asked.group, "week"))
    return [GroupForecasts(*row) for row in conn.execute(query, kpis.values_of(asked))]


def used(conn: psycopg.Connection, asked: Asked) -> list[InWeek]:
    query = _USED.format(key=kpis.key_of(asked.group, "week"))
    return [InWeek(*row) for row in conn.execute(query, kpis.values_of(asked))]
