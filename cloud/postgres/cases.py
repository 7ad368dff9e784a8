"""What holds of every bin that could need a person, and what people have put off.

Runs under whoever is asking (see `asking`). `candidates` names the bins that can have a case: its
conditions are necessary ones, so that of twenty thousand bins that are fine none is looked at
more closely. Whether there is a case is the rule's to say (`core.case_list`), never a query's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from cloud.core.cases import GatewayFacts, Snooze
from cloud.core.followed import Measure
from cloud.core.levels import Calibration
from cloud.core.trust import INTERVALS_UNTIL_STALE, BinState
from cloud.postgres.bin_levels import doubts_of
from cloud.postgres.portal import LAST_READINGS


@dataclass(frozen=True, kw_only=True)
class CaseOrder:
    """One order into a bin that has not ended. Its lines into that bin are one."""

    order_id: UUID
    order_number: int
    outstanding: int
    arrived: bool  # some of it
    shipped: bool  # some of it
    sent_at: datetime | None
    answered_at: datetime | None
    drafted_at: datetime | None  # None: it is no draft, or is one no longer
    expires_at: datetime | None
    escalates_at: datetime | None
    changed_at: datetime | None  # None: no change of the supplier's waits
    change_because: str | None
    promised_at: datetime | None
    expected_at: datetime | None  # as promised, else by the calendar


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One bin in use: its present, breach and orders, the newest decision, count and finding."""

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
    orders: tuple[CaseOrder, ...]  # the oldest first

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
       coalesce(p.grace_hours, ag.grace_hours, 24) AS grace_hours, ag.answer_hours,
       c.supplier_id IS NOT NULL OR coalesce(p.lead_time_days, line.lead_time_days) IS NOT NULL
           AS lead_time_said,
       d.ask, d.because AS ask_because, d.at AS ask_since,
       co.count_id, co.pieces AS counted, co.counted_at,
       f.finding_id, f.told_at AS finding_at, f.says AS finding_says,
       l.usage_per_day, l.usage_days,
       o.*
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
       (SELECT o.order_id, o.number AS order_number,
               sum(greatest(0, l.quantity - l.received))::int AS outstanding,
               bool_or(l.received > 0) AS arrived, bool_or(l.shipped > 0) AS shipped, o.sent_at,
               o.answered_at, CASE o.state WHEN 'draft' THEN o.drafted_at END AS drafted_at,
               o.expires_at, o.escalates_at, a.at AS changed_at, a.because AS change_because,
               min(l.promised_at) AS promised_at,
               min(coalesce(l.promised_at, o.due_at)) AS expected_at
          FROM order_lines l JOIN orders o USING (order_id)
          LEFT JOIN order_acts a
                 ON o.state = 'changed' AND a.order_id = o.order_id AND a.kind = 'change'
                AND a.state = 'open'
         WHERE l.bin_id = b.bin_id AND o.ended_at IS NULL
           AND (l.quantity > 0 OR l.promised_at IS NOT NULL)
         GROUP BY o.order_id, a.at, a.because) o ON true
  LEFT JOIN LATERAL
       (SELECT ask, because, at FROM decisions WHERE bin_id = b.bin_id
         ORDER BY decision_id DESC LIMIT 1) d ON true
  LEFT JOIN LATERAL
       (SELECT count_id, pieces, counted_at FROM counts WHERE bin_id = b.bin_id
         ORDER BY counted_at DESC LIMIT 1) co ON true
  LEFT JOIN findings f ON f.bin_id = b.bin_id AND f.state = 'waiting'
       AND f.item_id = b.item_id AND f.from_ug = i.unit_weight_ug
 WHERE b.active AND b.bin_id = ANY(%s)
 ORDER BY b.bin_id, o.order_number
"""
# A second before the rule says so: it reckons in other numbers.
_RUNS_OUT_AT = (
    "v.level_at - interval '1 second'"
    " + least(v.pieces / v.usage_per_day, %(days)s) * interval '1 day'"
)
_CANDIDATES = f"""
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
    OR b.bin_id IN (
       SELECT br.bin_id
         FROM breaches br LEFT JOIN bin_levels v USING (bin_id)
        WHERE br.closed_at IS NULL
          AND (v.pieces <= 0 OR NOT EXISTS (
               -- what is to come in time: with that, what is low is fine
               SELECT FROM order_lines ol JOIN orders o USING (order_id)
                WHERE ol.bin_id = br.bin_id AND o.ended_at IS NULL AND ol.quantity > ol.received
                  AND coalesce(ol.promised_at, o.due_at, %(now)s) >= %(now)s
                  AND (v.usage_per_day > 0 IS NOT TRUE
                    OR coalesce(ol.promised_at, o.due_at, %(now)s) <= {_RUNS_OUT_AT}))))
    OR b.bin_id IN (SELECT d.bin_id FROM decisions d WHERE d.ask IS NOT NULL
                       AND NOT EXISTS (SELECT FROM decisions n WHERE n.bin_id = d.bin_id
                                          AND n.decision_id > d.decision_id))
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
               AND ol.promised_at > {_RUNS_OUT_AT})))
 ORDER BY b.bin_id
"""  # noqa: S608 - made of the constant above
# As `portal.last_readings`, of many bins at once. Of each only what lies within narrow bounds is
# looked at, so that few readings are sorted; those of whom there is less are asked about once more.
_LAST_WEIGHTS = """
SELECT st.bin_id, w.weights
  FROM bin_state st CROSS JOIN LATERAL
       (SELECT array_agg(weight_mg) AS weights FROM
            (SELECT weight_mg FROM
                 ((SELECT at, stream, seq, weight_mg FROM portal_readings
                    WHERE sensor_id = st.sensor_id AND corrected_at IS NULL
                      AND measured_at >= st.heard_at - %(back)s::interval
                    ORDER BY measured_at DESC LIMIT %(count)s)
                  UNION ALL
                  (SELECT at, stream, seq, weight_mg FROM portal_readings
                    WHERE sensor_id = st.sensor_id
                      AND corrected_at >= st.heard_at - %(back)s::interval
                    ORDER BY corrected_at DESC LIMIT %(count)s)) r
              ORDER BY at DESC, stream, seq DESC LIMIT %(count)s) r) w
 WHERE st.bin_id = ANY(%(bins)s) AND cardinality(w.weights) = %(count)s
"""
_DAYS_MAX = 36_525  # a century: a time beyond it is none that a promise is compared with


def candidates(conn: psycopg.Connection, now: datetime) -> list[int]:
    """Every bin that has a case, and some that have none."""
    stale = timedelta(seconds=INTERVALS_UNTIL_STALE)
    values = {"now": now, "stale": stale, "days": _DAYS_MAX}
    return [int(bin_id) for (bin_id,) in conn.execute(_CANDIDATES, values)]


def rows(conn: psycopg.Connection, bin_ids: Collection[int]) -> list[CaseRow]:
    """Each bin with all its orders, as one statement sees them: a breach and its order together."""
    cursor = conn.execute(_ROWS, (list(bin_ids),))
    names = [column.name for column in cursor.description or ()]
    cut = names.index("order_id")  # what is of the bin, and what is of one of its orders
    found = []
    for _, lines in groupby(cursor.fetchall(), key=itemgetter(0)):
        first, *more = lines
        orders = tuple(
            CaseOrder(**dict(zip(names[cut:], line[cut:], strict=True)))
            for line in (first, *more)
            if line[cut] is not None
        )
        of_bin = dict(zip(names[:cut], first[:cut], strict=True))
        found.append(CaseRow(**of_bin, orders=orders))
    return found


def last_weights(
    conn: psycopg.Connection, bin_ids: Collection[int], count: int
) -> dict[int, list[int | None]]:
    """The newest readings of each, by their corrected time; no key: there are fewer of a month."""
    found: dict[int, list[int | None]] = {}
    for back in LAST_READINGS:
        asked = {
            "bins": [bin_id for bin_id in bin_ids if bin_id not in found],
            "back": back,
            "count": count,
        }
        if not asked["bins"]:
            break
        found |= dict(conn.execute(_LAST_WEIGHTS, asked).fetchall())
    return found


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
