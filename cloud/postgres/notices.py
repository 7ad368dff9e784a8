"""The outbox: notices owed, written in the transaction that causes them, sent from outside of it.

Who sends one takes it by a lease: its next try is moved ahead, so that nobody else takes it, and
if the sender dies it comes back by itself. Sending may so happen twice, never not at all; the
notice's id is the same each time, so the receiver can tell.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from cloud.core.links import sign_link
from cloud.core.notices import ASKS, Notice, NoticeLine, Told
from cloud.core.orders import order_label


def owe_for_order(
    conn: psycopg.Connection,
    order_id: UUID,
    supplier_id: int,
    now: datetime,
    *,
    told: Told = Told.ORDER_PLACED,
    about: str = "",
) -> int:
    """One notice for each active channel of the supplier; how many that are."""
    return conn.execute(
        "INSERT INTO notices (order_id, supplier_id, channel_id, kind, about, created_at,"
        " next_try_at)"
        " SELECT %s, supplier_id, channel_id, %s, %s, %s, %s FROM supplier_channels"
        "  WHERE supplier_id = %s AND active"
        " ON CONFLICT DO NOTHING",
        (order_id, told, about, now, now, supplier_id),
    ).rowcount


def count_of_order(conn: psycopg.Connection, order_id: UUID) -> int:
    row = conn.execute("SELECT count(*) FROM notices WHERE order_id = %s", (order_id,)).fetchone()
    assert row is not None
    return int(row[0])


def owe_for_breach(
    conn: psycopg.Connection,
    breach_id: int,
    supplier_id: int,
    now: datetime,
    facts: Mapping[str, object],
) -> int:
    """That a bin is low, once for the breach and each channel; `facts` is what held then."""
    return conn.execute(
        "INSERT INTO notices (breach_id, supplier_id, channel_id, kind, created_at, next_try_at,"
        " facts) SELECT %s, supplier_id, channel_id, %s, %s, %s, %s FROM supplier_channels"
        "  WHERE supplier_id = %s AND active"
        " ON CONFLICT DO NOTHING",
        (breach_id, Told.BIN_LOW, now, now, Jsonb(facts), supplier_id),
    ).rowcount


def claim(
    conn: psycopg.Connection,
    *,
    now: datetime,
    lease: timedelta,
    busy_channels: Collection[int],
    repeats: bool,
) -> UUID | None:
    """Take one notice that is due, those never tried first; without `repeats` only such.

    A channel that is busy is passed over: one slow receiver shall not hold up the others.
    """
    row = conn.execute(
        "UPDATE notices SET next_try_at = %(until)s WHERE notice_id = ("
        "  SELECT notice_id FROM notices"
        "   WHERE state = 'owed' AND next_try_at <= %(now)s"
        "     AND coalesce(channel_id, -user_id) <> ALL(%(busy)s)"
        "     AND (tries = 0 OR %(repeats)s)"
        "   ORDER BY tries > 0, next_try_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)"
        " RETURNING notice_id",
        {"until": now + lease, "now": now, "busy": list(busy_channels), "repeats": repeats},
    ).fetchone()
    return None if row is None else UUID(str(row[0]))


def hold(conn: psycopg.Connection, notice_ids: Collection[UUID], *, until: datetime) -> None:
    """They are still being sent: nobody else takes them before `until`."""
    conn.execute(
        "UPDATE notices SET next_try_at = %s WHERE notice_id = ANY(%s) AND state = 'owed'",
        (until, list(notice_ids)),
    )


def load(conn: psycopg.Connection, notice_id: UUID, public_url: str, link_secret: bytes) -> Notice:
    """What is to be told. Level and limits are those the order was placed on."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_LOAD, (notice_id,)).fetchone()
        assert row is not None, f"notice {notice_id} was claimed and is gone"
        facts, breach_id = row.pop("facts"), row.pop("breach_id")
        if row["agreement_id"] is not None:
            lines = []
        elif breach_id is None:
            lines = cursor.execute(_LINES, (row["order_id"],)).fetchall()
        else:
            lines = cursor.execute(_LOW_BIN, (breach_id,)).fetchall()
            for line in lines:
                line |= {"quantity": facts["quantity"], "because": facts["because"]}
                line["evidence"] = facts["evidence"]
            row["because"] = facts["because"]
    told = Told(row["told"])
    link = ""
    if told in ASKS:  # who decides signs in
        page = f"/agreements/{row['agreement_id']}"
        if row["order_number"] is not None:
            page = f"/orders/{order_label(row['order_number'])}"
        link = public_url + page
    elif row["order_id"] is not None:
        token = sign_link(row["order_id"], row["placed_at"], link_secret)
        link = f"{public_url}/a/{token}"
    return Notice(**{**row, "told": told}, link=link, lines=tuple(map(_line, lines)))


def _line(row: dict[str, Any]) -> NoticeLine:
    """What a person asked for rests on no reading: of it only the quantity is told."""
    evidence = row["evidence"]
    rule, level = evidence.get("rule", {}), evidence.get("level", {})
    measured_at = evidence.get("reading", {}).get("measured_at")
    pack = rule.get("pack", row["pack"])
    known = {
        "pack": pack,
        "packs": row["quantity"] // pack,
        "pieces": level.get("pieces", 0),
        "minimum": rule.get("minimum", row["minimum"]),
        "capacity": rule.get("capacity", row["capacity"]),
        "measured_at": None if measured_at is None else datetime.fromisoformat(measured_at),
    }
    return NoticeLine(**{**row, **known})


_LOAD = """
SELECT n.notice_id, n.tries, coalesce(n.channel_id, -n.user_id) AS channel_id,
       coalesce(c.kind, 'email') AS channel, coalesce(c.address, n.facts ->> 'address') AS address,
       coalesce(c.secret, '') AS secret, n.agreement_id,
       n.kind AS told, n.about, n.created_at AS told_at, n.facts, n.breach_id,
       o.order_id, o.number AS order_number,
       coalesce(a.because, p.because, o.because, '') AS because,
       CASE n.kind WHEN 'draft_waits' THEN o.state <> 'draft'
                   WHEN 'change_waits' THEN a.state <> 'open' OR o.state <> 'changed'
                   WHEN 'proposal_waits' THEN p.state <> 'open'
                   ELSE false END AS settled,
       o.ended_at IS NOT NULL AS order_ended,
       coalesce(o.sent_at, o.drafted_at, n.created_at) AS placed_at,
       s.name AS site, s.place AS site_place, s.time_zone, su.name AS supplier
  FROM notices n
  LEFT JOIN supplier_channels c USING (channel_id)
  LEFT JOIN orders o ON o.order_id = n.order_id
  LEFT JOIN order_acts a ON n.kind = 'change_waits' AND a.order_id = n.order_id
        AND a.kind = 'change' AND n.about = a.order_id || ':' || a.act_id
  LEFT JOIN agreements ag ON ag.agreement_id = n.agreement_id
  LEFT JOIN agreement_proposals p ON p.agreement_id = n.agreement_id
        AND n.about = p.agreement_id || ':' || p.number
  LEFT JOIN breaches br ON br.breach_id = n.breach_id
  LEFT JOIN bins b ON b.bin_id = br.bin_id
  JOIN sites s ON s.site_id = coalesce(o.site_id, b.site_id, ag.site_id)
  JOIN suppliers su ON su.supplier_id = n.supplier_id
 WHERE n.notice_id = %s
"""
_OF_BIN = """
       i.sku, coalesce(line.supplier_sku, '') AS supplier_sku, i.name AS item,
       coalesce(line.pack, i.pack) AS pack, b.code AS bin_code, b.place, b.minimum, b.capacity
"""
_LINES = f"""
SELECT l.quantity, l.because, l.evidence, l.promised_at, other.proposed, other.proposed_at,
       {_OF_BIN}
  FROM order_lines l
  LEFT JOIN LATERAL
       (SELECT (one ->> 'pieces')::int AS proposed, (one ->> 'at')::timestamptz AS proposed_at
          FROM order_acts a, jsonb_array_elements(a.lines) one
         WHERE a.order_id = l.order_id AND a.kind = 'change' AND a.state = 'open'
           AND (one ->> 'line')::int = l.number LIMIT 1) other ON true
  JOIN orders o USING (order_id)
  JOIN items i ON i.item_id = l.item_id
  JOIN bins b ON b.bin_id = l.bin_id
  LEFT JOIN item_suppliers line ON line.item_id = l.item_id AND line.supplier_id = o.supplier_id
 WHERE l.order_id = %s
   AND (l.quantity > 0 OR l.promised_at IS NOT NULL)  -- what left before it was sent is none of it
 ORDER BY l.number
"""  # noqa: S608 - made of constants
_LOW_BIN = f"""
SELECT {_OF_BIN}
  FROM breaches br
  JOIN bins b ON b.bin_id = br.bin_id
  JOIN items i ON i.item_id = b.item_id
  LEFT JOIN item_suppliers line ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id
 WHERE br.breach_id = %s
"""  # noqa: S608 - made of constants


def record_sent(conn: psycopg.Connection, notice_id: UUID, at: datetime, detail: str) -> None:
    _record_attempt(conn, notice_id, at, ok=True, detail=detail)
    conn.execute(
        "UPDATE notices SET state = 'sent', sent_at = %s, tries = tries + 1"
        " WHERE notice_id = %s AND state = 'owed'",
        (at, notice_id),
    )


def record_failed(
    conn: psycopg.Connection,
    notice_id: UUID,
    at: datetime,
    detail: str,
    next_try_at: datetime | None,
) -> None:
    """Keep the attempt; without a next try the notice is given up."""
    _record_attempt(conn, notice_id, at, ok=False, detail=detail)
    conn.execute(
        "UPDATE notices SET"
        " state = CASE WHEN %(next)s::timestamptz IS NULL THEN 'given_up' ELSE state END,"
        " next_try_at = coalesce(%(next)s, next_try_at), tries = tries + 1"
        " WHERE notice_id = %(notice)s AND state = 'owed'",
        {"next": next_try_at, "notice": notice_id},
    )


def count_owed(conn: psycopg.Connection) -> int:
    row = conn.execute("SELECT count(*) FROM notices WHERE state = 'owed'").fetchone()
    assert row is not None
    return int(row[0])


def _record_attempt(
    conn: psycopg.Connection, notice_id: UUID, at: datetime, *, ok: bool, detail: str
) -> None:
    conn.execute(
        "INSERT INTO attempts (notice_id, at, ok, detail) VALUES (%s, %s, %s, %s)",
        (notice_id, at, ok, detail),
    )
