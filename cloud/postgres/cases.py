"""What holds of every bin that could need a person, and what people have put off.

Runs under whoever is asking (see `asking`). `candidates` names the bins that can have a case: its
conditions are necessary ones, so that of twenty thousand bins that are fine none is looked at
more closely. Whether there is a case is the rule's to say (`core.exceptions`), never a query's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from cloud.core.cases import GatewayFacts, Snooze
from cloud.core.followed import Measure
from cloud.core.levels import Calibration
from cloud.core.trust import INTERVALS_UNTIL_STALE, BinState
from cloud.postgres.bin_levels import doubts_of


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One bin in use: its present, its breach and order, the newest decision, count and finding."""

    bin_id: int
    code: str
    place: str
    site: str
    time_zone: str
    part: str
    supplier: str
    critical: bool
    capacity: int
    order_up_to: int | None
    pack: int
    interval_s: int
    measure: str
    tare_mg: int
    unit_weight_ug: int
    unit_sd_ug: int
    unit_error_ug: int
    scale_sd_mg: int
    gateway: str | None
    presence: str | None
    twins: bool
    heard_at: datetime | None
    condition: str | None
    measured_at: datetime | None
    weight_mg: int | None
    quality: int | None
    clock_trusted: bool | None
    seq: int | None
    pieces: int | None
    sd_pieces: float | None
    unconfirmed: int | None
    several: bool  # scales under it
    level_at: datetime | None
    plateau_since: datetime | None
    doubts: list[list[str]] | None
    breach_id: int | None
    breach_since: datetime | None
    order_id: UUID | None
    order_number: int | None
    quantity: int | None
    received: int | None
    shipped: bool | None
    sent_at: datetime | None
    answered_at: datetime | None
    drafted_at: datetime | None  # None: it is no draft, or is one no longer
    expires_at: datetime | None
    escalates_at: datetime | None
    changed_at: datetime | None  # None: no change of the supplier's waits
    change_because: str | None
    promised_at: datetime | None
    due_at: datetime | None  # by the calendar
    grace_hours: int
    answer_hours: int | None  # None: nothing was agreed on
    lead_time_said: bool  # else when an order comes is a guess, and nobody is called late by it
    ask: str | None
    ask_because: str | None
    ask_since: datetime | None
    count_id: int | None
    counted: int | None
    counted_at: datetime | None
    finding_id: int | None
    finding_at: datetime | None
    finding_says: str | None
    usage_per_day: float | None  # of the last weeks, see `usage`
    usage_days: int | None  # that this rests on

    @property
    def calibration(self) -> Calibration:
        return Calibration(
            tare_mg=self.tare_mg,
            unit_weight_ug=self.unit_weight_ug,
            unit_sd_ug=self.unit_sd_ug,
            unit_error_ug=self.unit_error_ug,
            scale_sd_mg=self.scale_sd_mg,
        )

    @property
    def state(self) -> BinState:
        return BinState(
            interval_s=self.interval_s,
            calibration=self.calibration,
            heard_at=self.heard_at,
            condition=self.condition,
            measured_at=self.measured_at,
            weight_mg=self.weight_mg,
            quality=self.quality,
            clock_trusted=self.clock_trusted,
            gateway=self.gateway or "",
            gateway_presence=self.presence or "silent",
            gateway_twins=self.twins,
            measure=Measure(self.measure),
            several=self.several,
            doubts=doubts_of(self.doubts),
        )


_ROWS = """
WITH agreed AS (
    SELECT DISTINCT ON (agreement_id) a.site_id, a.supplier_id, v.grace_hours, v.answer_hours
      FROM agreements a JOIN agreement_versions v USING (agreement_id)
     ORDER BY agreement_id, v.number DESC)
SELECT b.bin_id, b.code, b.place, si.name AS site, si.time_zone, i.name AS part,
       su.name AS supplier, b.critical, b.capacity, b.order_up_to,
       coalesce(line.pack, i.pack) AS pack, b.interval_s, b.measure, b.tare_mg, i.unit_weight_ug,
       i.unit_sd_ug, i.unit_error_ug, b.scale_sd_mg,
       g.name AS gateway, g.presence, g.twin_since IS NOT NULL AS twins,
       st.heard_at, st.condition, st.measured_at, st.weight_mg, st.quality, st.clock_trusted,
       st.seq, l.pieces, l.sd_pieces, l.unconfirmed, l.level_at, l.plateau_since, l.doubts,
       (SELECT count(*) > 1 FROM sensors s WHERE s.bin_id = b.bin_id) AS several,
       br.breach_id, br.opened_at AS breach_since,
       o.order_id, o.order_number, o.quantity, o.received, o.shipped, o.sent_at, o.answered_at,
       o.drafted_at, o.expires_at, o.escalates_at, o.changed_at, o.change_because,
       o.promised_at, o.due_at,
       coalesce(p.grace_hours, ag.grace_hours, 24) AS grace_hours, ag.answer_hours,
       c.supplier_id IS NOT NULL OR coalesce(p.lead_time_days, line.lead_time_days) IS NOT NULL
           AS lead_time_said,
       d.ask, d.because AS ask_because, d.at AS ask_since,
       co.count_id, co.pieces AS counted, co.counted_at,
       f.finding_id, f.told_at AS finding_at, f.says AS finding_says,
       l.usage_per_day, l.usage_days
  FROM bins b
  JOIN sites si USING (site_id)
  JOIN items i USING (item_id)
  JOIN suppliers su ON su.supplier_id = b.supplier_id
  LEFT JOIN item_suppliers line ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id
  LEFT JOIN bin_policies p ON p.bin_id = b.bin_id
  LEFT JOIN agreed ag ON ag.site_id = b.site_id AND ag.supplier_id = b.supplier_id
  LEFT JOIN supplier_calendars c ON c.supplier_id = b.supplier_id
  LEFT JOIN bin_state st ON st.bin_id = b.bin_id
  LEFT JOIN bin_levels l ON l.bin_id = b.bin_id
  LEFT JOIN LATERAL
       (SELECT gateway_id FROM sensors WHERE bin_id = b.bin_id
         ORDER BY sensor_id = st.sensor_id DESC NULLS LAST, sensor_id LIMIT 1) se ON true
  LEFT JOIN gateways g USING (gateway_id)
  LEFT JOIN breaches br ON br.bin_id = b.bin_id AND br.closed_at IS NULL
  LEFT JOIN LATERAL
       (SELECT o.order_id, o.number AS order_number, l.quantity, l.received,
               l.shipped > 0 AS shipped, o.sent_at, o.answered_at, o.expires_at, o.escalates_at,
               CASE o.state WHEN 'draft' THEN o.drafted_at END AS drafted_at,
               l.promised_at, o.due_at, a.at AS changed_at, a.because AS change_because
          FROM order_lines l JOIN orders o USING (order_id)
          LEFT JOIN order_acts a
                 ON o.state = 'changed' AND a.order_id = o.order_id AND a.kind = 'change'
                AND a.state = 'open'
         WHERE l.bin_id = b.bin_id AND o.ended_at IS NULL
         ORDER BY o.number DESC, a.ordinal DESC LIMIT 1) o ON true
  LEFT JOIN LATERAL
       (SELECT ask, because, at FROM decisions WHERE bin_id = b.bin_id
         ORDER BY decision_id DESC LIMIT 1) d ON true
  LEFT JOIN LATERAL
       (SELECT count_id, pieces, counted_at FROM counts WHERE bin_id = b.bin_id
         ORDER BY counted_at DESC LIMIT 1) co ON true
  LEFT JOIN findings f ON f.bin_id = b.bin_id AND f.state = 'waiting'
       AND f.item_id = b.item_id AND f.from_ug = i.unit_weight_ug
 WHERE b.active AND b.bin_id = ANY(%s)
 ORDER BY b.bin_id
"""
_CANDIDATES = """
SELECT b.bin_id
  FROM bins b
  JOIN items i USING (item_id)
  LEFT JOIN item_suppliers line ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id
  LEFT JOIN bin_state st ON st.bin_id = b.bin_id
  LEFT JOIN bin_levels l ON l.bin_id = b.bin_id
 WHERE b.active AND (
       -- its number may not be acted on
       st.heard_at IS NULL OR st.heard_at < %(now)s - b.interval_s * %(stale)s::interval
    OR st.condition IS NOT NULL
    OR st.weight_mg IS NULL AND b.measure = 'weight'
    OR b.tare_mg > 0 AND 2 * st.weight_mg <= b.tare_mg
    OR coalesce(st.quality, CASE b.measure WHEN 'weight' THEN 1 ELSE 0 END) <> 0
    OR NOT coalesce(st.clock_trusted, b.measure <> 'weight')
    OR l.doubts <> '[]'
    OR b.bin_id IN (SELECT s.bin_id FROM sensors s JOIN gateways g USING (gateway_id)
                     WHERE g.twin_since IS NOT NULL AND s.bin_id IS NOT NULL)
       -- its level is more than it should be, or another one than is weighed or counted
    OR l.unconfirmed <> 0
    OR l.pieces > least(b.capacity, b.order_up_to + coalesce(line.pack, i.pack) - 1)
    OR b.measure = 'weight'
       AND abs((st.weight_mg - b.tare_mg) * 1000::float8 / i.unit_weight_ug - l.pieces) > 1
    OR b.bin_id IN (SELECT c.bin_id FROM counts c JOIN bin_levels v USING (bin_id)
                     WHERE c.counted_at >= v.plateau_since)
    OR b.bin_id IN (SELECT f.bin_id FROM findings f WHERE f.state = 'waiting')
       -- it is low, a person is asked, or its order does not go as it should
    OR b.bin_id IN (SELECT br.bin_id FROM breaches br WHERE br.closed_at IS NULL)
    OR b.bin_id IN (SELECT d.bin_id FROM decisions d WHERE d.ask IS NOT NULL)
    OR b.bin_id IN (
       SELECT ol.bin_id
         FROM orders o JOIN order_lines ol USING (order_id)
         LEFT JOIN bin_levels v ON v.bin_id = ol.bin_id
        WHERE o.ended_at IS NULL
          AND (o.state IN ('draft', 'changed')
            OR o.answered_at IS NULL AND ol.shipped = 0
            OR coalesce(ol.promised_at, o.due_at) < %(now)s
            OR v.pieces = 0
            OR v.usage_per_day > 0
               AND ol.promised_at > v.level_at - interval '1 second'
                   + least(v.pieces / v.usage_per_day, %(days)s) * interval '1 day')))
 ORDER BY b.bin_id
"""
_DAYS_MAX = 36_525  # a century: a time beyond it is none that a promise is compared with


def candidates(conn: psycopg.Connection, now: datetime) -> list[int]:
    """Every bin that has a case, and some that have none."""
    stale = timedelta(seconds=INTERVALS_UNTIL_STALE)
    values = {"now": now, "stale": stale, "days": _DAYS_MAX}
    return [int(bin_id) for (bin_id,) in conn.execute(_CANDIDATES, values)]


def rows(conn: psycopg.Connection, bin_ids: Collection[int]) -> list[CaseRow]:
    cursor = conn.cursor(row_factory=class_row(CaseRow))
    return cursor.execute(_ROWS, (list(bin_ids),)).fetchall()


def gateways_offline(conn: psycopg.Connection) -> list[GatewayFacts]:
    """With bins behind them: of others nobody misses anything."""
    cursor = conn.cursor(row_factory=class_row(GatewayFacts))
    return cursor.execute(
        "SELECT g.name, min(b.bin_id) AS bin_id, count(DISTINCT b.bin_id) AS bins,"
        "       bool_or(b.critical) AS critical, g.presence_at AS offline_since"
        "  FROM gateways g JOIN sensors s USING (gateway_id) JOIN bins b USING (bin_id)"
        " WHERE g.presence = 'offline' AND g.presence_at IS NOT NULL AND b.active"
        " GROUP BY g.gateway_id ORDER BY g.name"
    ).fetchall()


def snoozes(conn: psycopg.Connection, now: datetime) -> list[Snooze]:
    """Of each key the last one, as long as its time is not over."""
    found = conn.execute(
        "SELECT key, by, because, until FROM"
        " (SELECT DISTINCT ON (key) key, by, because, until FROM case_snoozes"
        "   ORDER BY key, case_snooze_id DESC) s WHERE until > %s",
        (now,),
    ).fetchall()
    return [
        Snooze(key=key, by=by, because=because, until=until) for key, by, because, until in found
    ]


def put_off(conn: psycopg.Connection, snooze: Snooze, now: datetime) -> None:
    conn.execute(
        "INSERT INTO case_snoozes (key, by, because, at, until) VALUES (%s, %s, %s, %s, %s)",
        (snooze.key, snooze.by, snooze.because, now, snooze.until),
    )
