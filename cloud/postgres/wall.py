"""The present of every bin, as the wall and the pages show it: one row with all that a tile needs.

Each function runs under whoever is asking (see `asking`): operations get every bin, a supplier its
own, and gateways only operations.

What changed is asked by transaction, not by time: a page remembers `horizon`, below which no
transaction was still open, and asks next for every bin that was touched at or above it. A
transaction that commits late is therefore never missed; one that was seen already may come
again, which does no harm.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class BinRow:
    bin_id: int
    code: str
    place: str
    capacity: int
    minimum: int
    margin: int
    tare_mg: int
    interval_s: int
    site_id: int
    site: str
    site_place: str
    time_zone: str
    sku: str
    part: str
    supplier_sku: str
    unit_weight_ug: int
    pack: int
    supplier: str
    gateway: str | None
    presence: str | None
    twins: bool  # two machines use the gateway's name
    heard_at: datetime | None
    received_at: datetime | None
    condition: str | None
    measured_at: datetime | None
    weight_mg: int | None
    stability: int | None
    quality: int | None
    clock_trusted: bool | None
    low_since: datetime | None
    order_id: UUID | None
    order_number: int | None
    order_state: str | None
    order_quantity: int | None
    sent_at: datetime | None  # None: a draft, or one that waits for others
    answered_at: datetime | None
    measure: str
    unit_sd_ug: int
    unit_error_ug: int
    scale_sd_mg: int
    pieces: int | None  # what whoever follows the bin holds it for; None: no level is known
    unconfirmed: int | None  # pieces; a change that is seen and not confirmed yet
    sd_pieces: float | None
    exact: bool | None
    level_at: datetime | None
    plateau_since: datetime | None
    followed_at: datetime | None
    doubts: list[list[str]] | None
    zero_error_mg: int | None
    usage_per_day: float | None
    usage_sd: float | None
    usage_days: int | None
    several: bool = False  # scales under it
    withheld: bool = False  # the asking supplier is not shown what lies in it
    pieces_per_count: int = 1


@dataclass(frozen=True, kw_only=True)
class GatewayRow:
    name: str
    site_id: int
    presence: str
    presence_at: datetime | None
    backlog_batches: int


_BINS = """
SELECT b.bin_id, b.code, b.place, b.capacity, b.minimum, b.margin, b.tare_mg, b.interval_s,
       b.site_id, si.name AS site, si.place AS site_place, si.time_zone,
       i.sku, i.name AS part, coalesce(line.supplier_sku, '') AS supplier_sku,
       i.unit_weight_ug, coalesce(line.pack, i.pack) AS pack, su.name AS supplier,
       g.name AS gateway, g.presence, g.twin_since IS NOT NULL AS twins,
       st.heard_at, st.received_at, st.condition, st.measured_at, st.weight_mg,
       st.stability, st.quality, st.clock_trusted,
       br.opened_at AS low_since,
       o.order_id, o.order_number, o.order_state, o.order_quantity, o.sent_at, o.answered_at,
       (SELECT count(*) > 1 FROM sensors o WHERE o.bin_id = b.bin_id) AS several,
       b.measure, b.pieces_per_count, i.unit_sd_ug, i.unit_error_ug, b.scale_sd_mg,
       l.pieces, l.unconfirmed, l.sd_pieces, l.exact, l.level_at, l.plateau_since, l.followed_at,
       l.doubts, l.zero_error_mg, l.usage_per_day, l.usage_sd, l.usage_days,
       b.site_id IN (SELECT sites_withheld()) AS withheld
  FROM bins b
  JOIN sites si USING (site_id)
  JOIN items i USING (item_id)
  JOIN suppliers su USING (supplier_id)
  LEFT JOIN item_suppliers line ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id
  LEFT JOIN bin_state st
         ON st.bin_id = b.bin_id AND b.site_id NOT IN (SELECT sites_withheld())
  LEFT JOIN bin_levels l ON l.bin_id = b.bin_id
  LEFT JOIN LATERAL
       -- Of several sensors the one that was heard last, or any of them.
       (SELECT gateway_id FROM sensors WHERE bin_id = b.bin_id
         ORDER BY sensor_id = st.sensor_id DESC NULLS LAST, sensor_id LIMIT 1) se ON true
  LEFT JOIN gateways g USING (gateway_id)
  LEFT JOIN breaches br ON br.bin_id = b.bin_id AND br.closed_at IS NULL
  LEFT JOIN LATERAL
       -- Of several orders on their way the newest, because it is the one for this breach.
       (SELECT o.order_id, o.number AS order_number, o.state AS order_state,
               l.quantity AS order_quantity, o.sent_at, o.answered_at
          FROM order_lines l JOIN orders o USING (order_id)
         WHERE l.bin_id = b.bin_id AND o.ended_at IS NULL
           AND (l.quantity > 0 OR l.promised_at IS NOT NULL)
         ORDER BY o.number DESC LIMIT 1) o ON true
"""


def horizon(conn: psycopg.Connection) -> str:
    """Where to ask from next time. Taken before the rows, so nothing falls between the two."""
    row = conn.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text").fetchone()
    assert row is not None
    return str(row[0])


def all_bins(conn: psycopg.Connection) -> list[BinRow]:
    cursor = conn.cursor(row_factory=class_row(BinRow))
    return cursor.execute(f"{_BINS} WHERE b.active ORDER BY si.name, b.place, b.code").fetchall()


def bins_changed_since(conn: psycopg.Connection, since: str) -> list[BinRow]:
    cursor = conn.cursor(row_factory=class_row(BinRow))
    return cursor.execute(
        f"{_BINS} WHERE st.changed_xid >= %(since)s::xid8 OR l.changed_xid >= %(since)s::xid8",
        {"since": since},
    ).fetchall()


def one_bin(conn: psycopg.Connection, code: str) -> BinRow | None:
    cursor = conn.cursor(row_factory=class_row(BinRow))
    return cursor.execute(f"{_BINS} WHERE b.code = %s", (code,)).fetchone()


def bin_by_id(conn: psycopg.Connection, bin_id: int) -> BinRow | None:
    cursor = conn.cursor(row_factory=class_row(BinRow))
    return cursor.execute(f"{_BINS} WHERE b.bin_id = %s", (bin_id,)).fetchone()


def all_gateways(conn: psycopg.Connection) -> list[GatewayRow]:
    cursor = conn.cursor(row_factory=class_row(GatewayRow))
    return cursor.execute(
        "SELECT name, site_id, presence, presence_at, backlog_batches FROM gateways ORDER BY name"
    ).fetchall()
