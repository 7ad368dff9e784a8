"""How bins are ordered for: policies of bins, calendars of suppliers, and every decision made."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
from psycopg.rows import dict_row

from cloud.core.bin_policies import (
    GRACE_UNSAID,
    LEAD_DAYS_UNSAID,
    Answer,
    BinPolicy,
    plain_calendar,
)
from cloud.core.calendars import Calendar, LeadKind
from cloud.core.plain import canonical
from cloud.core.policies.base import Place, Rounding

_OF_BIN = """
SELECT p.policy, p.version, p.quantity, p.rounding, b.order_up_to,
       coalesce(p.grace_hours, agreed.grace_hours) AS grace_hours,
       coalesce(p.moq, line.moq, 1) AS moq,
       coalesce(p.lead_time_days, line.lead_time_days) AS lead_time_days,
       c.version AS calendar_version, c.zone, c.order_days, c.cut_off, c.lead_days, c.lead_kind,
       c.working_days, c.delivery_days, c.delivered_by, c.holidays, s.time_zone
  FROM bins b
  JOIN sites s USING (site_id)
  LEFT JOIN bin_policies p ON p.bin_id = b.bin_id
  LEFT JOIN item_suppliers line ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id
  LEFT JOIN supplier_calendars c ON c.supplier_id = b.supplier_id
  LEFT JOIN LATERAL
       (SELECT v.grace_hours FROM agreements a JOIN agreement_versions v USING (agreement_id)
         WHERE a.site_id = b.site_id AND a.supplier_id = b.supplier_id
         ORDER BY v.number DESC LIMIT 1) agreed ON true
 WHERE b.bin_id = %s
"""


def of_bin(conn: psycopg.Connection, bin_id: int) -> BinPolicy:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_OF_BIN, (bin_id,)).fetchone()
    assert row is not None, "asked for a bin that is there"
    if row["policy"] is None:
        return BinPolicy(
            minimum_order=row["moq"],
            order_up_to=row["order_up_to"],
            calendar=_calendar(row),
            grace=GRACE_UNSAID
            if row["grace_hours"] is None
            else timedelta(hours=row["grace_hours"]),
        )
    return BinPolicy(
        name=row["policy"],
        version=row["version"],
        quantity=row["quantity"],
        rounding=Rounding(row["rounding"]),
        minimum_order=row["moq"],
        grace=timedelta(hours=row["grace_hours"]),
        order_up_to=row["order_up_to"],
        calendar=_calendar(row),
    )


def calendar_of(conn: psycopg.Connection, supplier_id: int) -> tuple[int, bool]:
    """The version of a supplier's calendar, and whether its orders wait for each other.

    Version 0: it has said nothing of its days.
    """
    row = conn.execute(
        "SELECT version, gathers FROM supplier_calendars WHERE supplier_id = %s", (supplier_id,)
    ).fetchone()
    return (0, False) if row is None else (int(row[0]), bool(row[1]))


def _calendar(row: dict[str, Any]) -> Calendar:
    lead_days = row["lead_time_days"]
    if row["zone"] is None:
        said = LEAD_DAYS_UNSAID if lead_days is None else lead_days
        return plain_calendar(_zone(row["time_zone"]), said)
    return Calendar(
        zone=_zone(row["zone"]),
        version=row["calendar_version"],
        order_days=tuple(row["order_days"]),
        cut_off=row["cut_off"],
        lead_days=row["lead_days"] if lead_days is None else lead_days,
        lead_kind=LeadKind(row["lead_kind"]),
        working_days=tuple(row["working_days"]),
        delivery_days=tuple(row["delivery_days"]),
        delivered_by=row["delivered_by"],
        holidays=tuple(sorted(row["holidays"])),
    )


def _zone(name: str) -> str:
    """A zone that this machine does not know is taken for UTC, as the pages do, and say so."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"
    return name


@dataclass(frozen=True, kw_only=True)
class NewDecision:
    bin_id: int
    breach_id: int | None
    order_id: UUID | None
    held: bool  # the policy would order once more, and a person is asked instead
    answer: Answer


def last_sameness(conn: psycopg.Connection, bin_id: int) -> str | None:
    row = conn.execute(
        "SELECT sameness FROM decisions WHERE bin_id = %s ORDER BY decision_id DESC LIMIT 1",
        (bin_id,),
    ).fetchone()
    return None if row is None else str(row[0])


def note(conn: psycopg.Connection, new: NewDecision, now: datetime) -> None:
    inputs = new.answer.inputs
    assert isinstance(inputs, dict)
    named = inputs["policy"]
    assert isinstance(named, dict)
    decision = new.answer.decision
    place = decision if isinstance(decision, Place) else None
    conn.execute(
        "INSERT INTO decisions (bin_id, breach_id, order_id, at, policy, version, inputs, outcome,"
        " ask, quantity, because, sameness)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            new.bin_id,
            new.breach_id,
            new.order_id,
            now,
            named["name"],
            named["version"],
            canonical(inputs),
            "held" if new.held else "place" if place else "wait",
            None if isinstance(decision, Place) else decision.ask,
            None if place is None else place.quantity,
            decision.because,
            new.answer.sameness,
        ),
    )
