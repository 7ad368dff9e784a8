"""What holds of every bin that could need a person, and what people have put off.

Runs under whoever is asking (see `asking`). Three questions for all bins at once, none per bin.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from cloud.core.exceptions import Snooze
from cloud.core.followed import Measure
from cloud.core.levels import Calibration
from cloud.core.trust import BinState
from cloud.postgres.bin_levels import doubts_of


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One bin in use: its present, its breach and order, the newest decision and count."""

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
    escalates_at: datetime | None
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
    used: int  # in the window
    used_since: datetime | None

    @property
    def state(self) -> BinState:
        return BinState(
            interval_s=self.interval_s,
            calibration=Calibration(
                tare_mg=self.tare_mg,
                unit_weight_ug=self.unit_weight_ug,
                unit_sd_ug=self.unit_sd_ug,
                unit_error_ug=self.unit_error_ug,
                scale_sd_mg=self.scale_sd_mg,
            ),
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
            doubts=doubts_of(self.doubts),
        )


_ROWS = """
WITH used AS (
    SELECT bin_id, coalesce(-sum(pieces) FILTER (WHERE kind IN ('usage', 'put_back')), 0) AS pieces,
           min(event_at) AS since
      FROM movements WHERE replaced_at IS NULL AND event_at >= %s GROUP BY bin_id),
agreed AS (
    SELECT DISTINCT ON (agreement_id) a.site_id, a.supplier_id, v.grace_hours, v.answer_hours
      FROM agreements a JOIN agreement_versions v USING (agreement_id)
     ORDER BY agreement_id, v.number DESC)
SELECT b.bin_id, b.code, b.place, si.name AS site, si.time_zone, i.name AS part,
       su.name AS supplier, b.critical, b.capacity, b.order_up_to,
       coalesce(line.pack, i.pack) AS pack, b.interval_s, b.measure, b.tare_mg, i.unit_weight_ug,
       i.unit_sd_ug, i.unit_error_ug, b.scale_sd_mg,
       g.name AS gateway, g.presence, g.twin_since IS NOT NULL AS twins,
       st.heard_at, st.condition, st.measured_at, st.weight_mg, st.quality, st.clock_trusted,
       st.seq, l.pieces, l.level_at, l.plateau_since, l.doubts,
       br.breach_id, br.opened_at AS breach_since,
       o.order_id, o.order_number, o.quantity, o.received, o.shipped, o.sent_at, o.answered_at,
       o.escalates_at, o.promised_at, o.due_at,
       coalesce(p.grace_hours, ag.grace_hours, 24) AS grace_hours, ag.answer_hours,
       c.supplier_id IS NOT NULL OR coalesce(p.lead_time_days, line.lead_time_days) IS NOT NULL
           AS lead_time_said,
       d.ask, d.because AS ask_because, d.at AS ask_since,
       co.count_id, co.pieces AS counted, co.counted_at,
       coalesce(used.pieces, 0) AS used, used.since AS used_since
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
               l.shipped > 0 AS shipped, o.sent_at, o.answered_at, o.escalates_at,
               l.promised_at, o.due_at
          FROM order_lines l JOIN orders o USING (order_id)
         WHERE l.bin_id = b.bin_id AND o.ended_at IS NULL
         ORDER BY o.number DESC LIMIT 1) o ON true
  LEFT JOIN LATERAL
       (SELECT ask, because, at FROM decisions WHERE bin_id = b.bin_id
         ORDER BY decision_id DESC LIMIT 1) d ON true
  LEFT JOIN LATERAL
       (SELECT count_id, pieces, counted_at FROM counts WHERE bin_id = b.bin_id
         ORDER BY counted_at DESC LIMIT 1) co ON true
  LEFT JOIN used ON used.bin_id = b.bin_id
 WHERE b.active
 ORDER BY b.bin_id
"""


def rows(conn: psycopg.Connection, used_since: datetime) -> list[CaseRow]:
    return conn.cursor(row_factory=class_row(CaseRow)).execute(_ROWS, (used_since,)).fetchall()


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
