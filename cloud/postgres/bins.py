"""Bins and their present, for the loop that assesses them.

Every transaction that decides on a bin locks in one order: its `bin_state` first, as ingest does,
then the bin, then what hangs on it. So ingest, an assessment and an answer never wait in a ring.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row, dict_row

from cloud.core.bins import Bin
from cloud.core.breaches import Limits
from cloud.core.followed import Measure
from cloud.core.levels import Calibration
from cloud.core.trust import BinState
from cloud.postgres import bin_levels


@dataclass(frozen=True, kw_only=True)
class Due:
    bin_id: int
    known: tuple[datetime, datetime | None, str | None]  # changes whenever more is known of it


@dataclass(frozen=True, kw_only=True)
class Source:
    """The reading that the present number came from: named, so that a decision can be checked."""

    gateway: str
    sensor: str
    stream: str
    seq: int
    received_at: datetime
    stability: int


@dataclass(frozen=True, kw_only=True)
class SureLevel:
    """What whoever follows the bin holds it for."""

    pieces: int
    sd_pieces: float
    exact: bool
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Assessable:
    bin: Bin
    state: BinState
    level: SureLevel | None  # None: none is known, or the newest number is still to be followed
    source: Source | None


def due(conn: psycopg.Connection, limit: int) -> list[Due]:
    """Bins that somebody should look at; nothing is locked or taken yet.

    Those that fell below their minimum just now come first: after an outage, or when what all of
    them are is changed, thousands are due, and nearly all for nothing.
    """
    rows = conn.execute(
        "SELECT bin_id, heard_at, followed_at, l.changed_xid::text"
        "  FROM bin_due d JOIN bin_state USING (bin_id) LEFT JOIN bin_levels l USING (bin_id)"
        "  LEFT JOIN bins b USING (bin_id)"
        " ORDER BY l.pieces <= b.minimum AND NOT EXISTS (SELECT FROM breaches o"
        "  WHERE o.bin_id = d.bin_id AND o.closed_at IS NULL) DESC NULLS LAST"
        " LIMIT %s",
        (limit,),
    ).fetchall()
    return [Due(bin_id=bin_id, known=tuple(known)) for bin_id, *known in rows]


def mark_low(conn: psycopg.Connection) -> None:
    """Look at every low bin again: for some policies what is right to do changes with the day."""
    conn.execute(
        "INSERT INTO bin_due SELECT bin_id FROM breaches WHERE closed_at IS NULL ORDER BY bin_id"
        " ON CONFLICT DO NOTHING"
    )


def may_join(
    conn: psycopg.Connection,
    bin_id: int,
    *,
    supplier_id: int,
    site_id: int,
    consigned: bool | None,
    limit: int,
) -> list[int]:
    """Bins that may come along with an order for `bin_id`: nothing is locked or decided yet.

    Those that are nearest to the level at which they join come first; `consigned` None: whosoever
    the goods are. Of a bin with planned usage the position is below what lies in it.
    """
    rows = conn.execute(
        _MAY_JOIN,
        {
            "bin": bin_id,
            "supplier": supplier_id,
            "site": site_id,
            "ownership": None if consigned is None else "consignment" if consigned else "owned",
            "limit": limit,
        },
    ).fetchall()
    return [int(found) for (found,) in rows]


_MAY_JOIN = """
SELECT b.bin_id
  FROM bins b
  JOIN bin_policies p USING (bin_id)
  JOIN bin_levels l USING (bin_id)
 CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(p.parameters -> 'can_order') WHEN 'number'
                            THEN (p.parameters ->> 'can_order')::numeric END AS joins_at) at
 WHERE b.supplier_id = %(supplier)s AND b.site_id = %(site)s AND b.active AND b.bin_id <> %(bin)s
   AND (%(ownership)s::text IS NULL OR b.ownership = %(ownership)s::text)
   AND p.policy = 'can_order' AND l.pieces > b.minimum
   AND (l.pieces <= joins_at OR EXISTS (SELECT FROM planned_usage u
                                         WHERE u.bin_id = b.bin_id AND u.withdrawn_at IS NULL))
   AND NOT EXISTS (SELECT FROM breaches o WHERE o.bin_id = b.bin_id AND o.closed_at IS NULL)
 ORDER BY l.pieces - joins_at, b.bin_id LIMIT %(limit)s
"""


class Held(NamedTuple):
    behind: bool  # something was read that is still to be followed


def lock_state_if_free(conn: psycopg.Connection, bin_id: int) -> Held | None:
    """None: ingest or another worker has it in hand, and the bin stays due."""
    row = conn.execute(
        "SELECT coalesce(l.followed_at < coalesce(s.measured_at, s.heard_at), true)"
        "  FROM bin_state s LEFT JOIN bin_levels l USING (bin_id)"
        " WHERE s.bin_id = %s FOR NO KEY UPDATE OF s SKIP LOCKED",
        (bin_id,),
    ).fetchone()
    return None if row is None else Held(*row)


def lock_state(conn: psycopg.Connection, bin_id: int) -> None:
    conn.execute("SELECT 1 FROM bin_state WHERE bin_id = %s FOR NO KEY UPDATE", (bin_id,))


def take_due(conn: psycopg.Connection, bin_id: int) -> bool:
    """Whether it was still due: false when another worker was quicker."""
    return conn.execute("DELETE FROM bin_due WHERE bin_id = %s", (bin_id,)).rowcount == 1


def make_due(conn: psycopg.Connection, bin_ids: Iterable[int]) -> None:
    """Somebody should look at them again, although nothing was heard."""
    for bin_id in bin_ids:
        conn.execute("INSERT INTO bin_due VALUES (%s) ON CONFLICT DO NOTHING", (bin_id,))


def touch(conn: psycopg.Connection, bin_id: int) -> None:
    """Tell open pages that something about this bin changed."""
    conn.execute(
        "UPDATE bin_state SET changed_xid = pg_current_xact_id() WHERE bin_id = %s", (bin_id,)
    )


def lock_levels(conn: psycopg.Connection, bin_id: int) -> tuple[Limits, int | None]:
    """Minimum, margin and capacity, and the order-up-to level; nobody else changes them meanwhile.

    The present of the bin is held before (`lock_state`).
    """
    row = conn.execute(
        "SELECT minimum, margin, capacity, order_up_to FROM bins WHERE bin_id = %s"
        " FOR NO KEY UPDATE",
        (bin_id,),
    ).fetchone()
    assert row is not None, "asked for a bin that is there"
    return Limits(minimum=row[0], margin=row[1], capacity=row[2]), row[3]


def save_levels(
    conn: psycopg.Connection, bin_id: int, minimum: int, order_up_to: int | None
) -> None:
    """Of a bin that is held. Who asks and why is remembered with it."""
    conn.execute(
        "UPDATE bins SET minimum = %s, order_up_to = %s WHERE bin_id = %s",
        (minimum, order_up_to, bin_id),
    )


def look_again(conn: psycopg.Connection, bin_id: int) -> None:
    """Open pages and whoever assesses look at a bin that was heard of."""
    conn.execute(
        "WITH moved AS (UPDATE bin_state SET changed_xid = pg_current_xact_id()"
        " WHERE bin_id = %s RETURNING bin_id)"
        " INSERT INTO bin_due (bin_id) SELECT bin_id FROM moved ON CONFLICT (bin_id) DO NOTHING",
        (bin_id,),
    )


def find(conn: psycopg.Connection, bin_id: int) -> Bin | None:
    """To be shown, whether it was ever heard of or not: nothing is held, nothing decided on it."""
    row = conn.execute(
        "SELECT b.code, b.item_id, b.supplier_id, b.site_id, b.ownership, b.minimum, b.margin,"
        "       b.capacity, coalesce(line.pack, i.pack)"
        "  FROM bins b JOIN items i USING (item_id)"
        "  LEFT JOIN item_suppliers line"
        "    ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id"
        " WHERE b.bin_id = %s",
        (bin_id,),
    ).fetchone()
    if row is None:
        return None
    code, item_id, supplier_id, site_id, ownership, minimum, margin, capacity, pack = row
    return Bin(
        bin_id=bin_id,
        code=code,
        item_id=item_id,
        supplier_id=supplier_id,
        site_id=site_id,
        consigned=ownership == "consignment",
        limits=Limits(minimum=minimum, margin=margin, capacity=capacity),
        pack=pack,
    )


def lock(conn: psycopg.Connection, bin_id: int) -> Assessable | None:
    """The bin and its present, nobody else deciding on it meanwhile.

    None: never heard of, or out of use.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_LOCK, (bin_id,)).fetchone()
    if row is None:
        return None
    return Assessable(
        bin=Bin(
            bin_id=bin_id,
            code=row["code"],
            item_id=row["item_id"],
            supplier_id=row["supplier_id"],
            site_id=row["site_id"],
            consigned=row["ownership"] == "consignment",
            limits=Limits(minimum=row["minimum"], margin=row["margin"], capacity=row["capacity"]),
            pack=row["pack"],
        ),
        state=BinState(
            interval_s=row["interval_s"],
            calibration=Calibration(
                tare_mg=row["tare_mg"],
                unit_weight_ug=row["unit_weight_ug"],
                unit_sd_ug=row["unit_sd_ug"],
                unit_error_ug=row["unit_error_ug"],
                scale_sd_mg=row["scale_sd_mg"],
            ),
            heard_at=row["heard_at"],
            condition=row["condition"],
            measured_at=row["measured_at"],
            weight_mg=row["weight_mg"],
            quality=row["quality"],
            clock_trusted=row["clock_trusted"],
            gateway=row["gateway"],
            gateway_presence=row["presence"],
            gateway_twins=row["twins"],
            measure=Measure(row["measure"]),
            several=row["several"],
            doubts=bin_levels.doubts_of(row["doubts"]),
        ),
        level=_level(row),
        source=_source(row),
    )


@dataclass(frozen=True, kw_only=True)
class Fillable:
    """What is asked of a bin by somebody who wants to fill it."""

    bin_id: int
    item_id: int
    supplier_id: int
    site_id: int
    consigned: bool
    capacity: int
    order_up_to: int | None
    pieces: int | None  # the last known level; None: none is, or it is not shown to the asker


def fillable(conn: psycopg.Connection, code: str) -> Fillable | None:
    return (
        conn.cursor(row_factory=class_row(Fillable))
        .execute(
            "SELECT b.bin_id, b.item_id, b.supplier_id, b.site_id,"
            " b.ownership = 'consignment' AS consigned, b.capacity, b.order_up_to, l.pieces"
            "  FROM bins b LEFT JOIN bin_levels l USING (bin_id) WHERE b.code = %s AND b.active",
            (code,),
        )
        .fetchone()
    )


_LOCK = """
SELECT b.code, b.item_id, b.supplier_id, b.site_id, b.ownership,
       b.minimum, b.margin, b.capacity, b.tare_mg, b.interval_s,
       i.unit_weight_ug, coalesce(line.pack, i.pack) AS pack,
       s.heard_at, s.received_at, s.condition, s.measured_at, s.weight_mg, s.stability, s.quality,
       s.clock_trusted, s.seq, st.stream, se.name AS sensor, g.name AS gateway, g.presence,
       g.twin_since IS NOT NULL AS twins,
       (SELECT count(*) > 1 FROM sensors o WHERE o.bin_id = b.bin_id) AS several,
       b.measure, b.scale_sd_mg, i.unit_sd_ug, i.unit_error_ug,
       l.pieces, l.sd_pieces, l.exact, l.level_at, l.doubts, l.followed_at
  FROM bins b
  JOIN items i USING (item_id)
  LEFT JOIN item_suppliers line ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id
  JOIN bin_state s USING (bin_id)
  JOIN sensors se USING (sensor_id)
  JOIN gateways g ON g.gateway_id = se.gateway_id
  LEFT JOIN bin_levels l ON l.bin_id = b.bin_id
  LEFT JOIN streams st ON st.stream_no = s.stream_no
 WHERE b.bin_id = %s AND b.active
   FOR NO KEY UPDATE OF b
"""


def _level(row: dict[str, Any]) -> SureLevel | None:
    heard = row["measured_at"] or row["heard_at"]
    if row["pieces"] is None or row["followed_at"] is None or row["followed_at"] < heard:
        return None
    return SureLevel(
        pieces=row["pieces"],
        sd_pieces=row["sd_pieces"],
        exact=row["exact"],
        at=row["level_at"] or row["followed_at"],
    )


def _source(row: dict[str, object]) -> Source | None:
    stream, seq, received_at, stability = (
        row[name] for name in ("stream", "seq", "received_at", "stability")
    )
    if stream is None or not isinstance(seq, int) or not isinstance(received_at, datetime):
        return None
    return Source(
        gateway=str(row["gateway"]),
        sensor=str(row["sensor"]),
        stream=str(stream).replace("-", ""),
        seq=seq,
        received_at=received_at,
        stability=stability if isinstance(stability, int) else 0,
    )
