"""What would have been ordered, and beside it what people did: the comparison of a shadow.

Runs under whoever is asking (see `asking`): operations alone see it.
"""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from cloud.core.bins import Bin
from cloud.core.policies.base import Place


def insert(
    conn: psycopg.Connection,
    bin_: Bin,
    place: Place,
    *,
    breach_id: int,
    agreement_version: int,
    due_at: datetime,
    now: datetime,
) -> bool:
    """Whether it was not written down before: one for each time the bin is low."""
    return (
        conn.execute(
            "INSERT INTO shadow_orders (bin_id, item_id, supplier_id, breach_id, cycle,"
            " agreement_version, at, quantity, price_e4, currency, due_at, because)"
            " SELECT %s, %s, %s, %s, %s, %s, %s, %s, p.price_e4, p.currency, %s, %s"
            "   FROM (SELECT 1) one LEFT JOIN item_prices p ON p.item_id = %s"
            " ON CONFLICT (bin_id, cycle) DO NOTHING",
            (
                bin_.bin_id,
                bin_.item_id,
                bin_.supplier_id,
                breach_id,
                place.cycle,
                agreement_version,
                now,
                place.quantity,
                due_at,
                place.because,
                bin_.item_id,
            ),
        ).rowcount
        == 1
    )


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One bin over a time: what the rules would have ordered, and what people filled in."""

    bin_id: int
    code: str
    place: str
    site: str
    supplier: str
    part: str
    sku: str
    shadow_orders: int
    shadow_pieces: int
    shadow_value_e4: int | None  # None: no price was known
    refills: int
    refilled_pieces: int
    refilled_value_e4: int | None
    currency: str | None
    breaches: int
    empty_times: int  # how often it fell to nothing
    last_because: str


_COMPARED = """
SELECT b.bin_id, b.code, b.place, si.name AS site, su.name AS supplier, i.name AS part, i.sku,
       s.orders AS shadow_orders, s.pieces AS shadow_pieces, s.value_e4 AS shadow_value_e4,
       coalesce(m.refills, 0) AS refills, coalesce(m.pieces, 0) AS refilled_pieces,
       coalesce(m.pieces, 0) * p.price_e4 AS refilled_value_e4,
       coalesce(s.currency, p.currency) AS currency,
       (SELECT count(*) FROM breaches br WHERE br.bin_id = b.bin_id
           AND br.opened_at >= %(from)s AND br.opened_at < %(to)s)::int AS breaches,
       coalesce(m.empty_times, 0) AS empty_times, s.last_because
  FROM (SELECT bin_id, count(*)::int AS orders, sum(quantity)::int AS pieces,
               CASE WHEN count(*) = count(price_e4) THEN sum(quantity * price_e4)::bigint END
                 AS value_e4,
               max(currency) AS currency,
               (array_agg(because ORDER BY at DESC))[1] AS last_because
          FROM shadow_orders WHERE at >= %(from)s AND at < %(to)s GROUP BY bin_id) s
  JOIN bins b USING (bin_id)
  JOIN sites si USING (site_id)
  JOIN suppliers su ON su.supplier_id = b.supplier_id
  JOIN items i USING (item_id)
  LEFT JOIN item_prices p ON p.item_id = b.item_id
  LEFT JOIN LATERAL
       (SELECT count(*) FILTER (WHERE filled)::int AS refills,
               coalesce(sum(pieces) FILTER (WHERE filled), 0)::int AS pieces,
               count(*) FILTER (WHERE after_pieces = 0 AND before_pieces > 0)::int AS empty_times
          FROM (SELECT *, kind IN ('refill', 'swap') AND pieces > 0 AS filled FROM movements) f
         WHERE bin_id = b.bin_id AND replaced_at IS NULL
           AND event_at >= %(from)s AND event_at < %(to)s) m ON true
 ORDER BY si.name, b.place, b.code
"""


def compared(conn: psycopg.Connection, from_at: datetime, to_at: datetime) -> list[Compared]:
    """Of every bin for which something would have been ordered in the time."""
    cursor = conn.cursor(row_factory=class_row(Compared))
    return cursor.execute(_COMPARED, {"from": from_at, "to": to_at}).fetchall()
