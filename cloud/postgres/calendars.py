"""The calendars of suppliers: when they take orders, and when they deliver.

Each change is a new version, counted and remembered by the database.
"""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
from psycopg.rows import dict_row

from cloud.core.bin_policies import LEAD_DAYS_UNSAID, plain_calendar
from cloud.core.calendars import Calendar, LeadKind
from cloud.postgres import saved

_COLUMNS = (
    "zone", "order_days", "cut_off", "lead_days", "lead_kind", "working_days", "delivery_days",
    "delivered_by", "holidays", "gathers",
)  # fmt: skip


def of_supplier(conn: psycopg.Connection, supplier_id: int) -> tuple[int, Calendar] | None:
    """Its version, and it. None: the supplier has said nothing of its days."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT version AS calendar_version, zone, order_days, cut_off, lead_days, lead_kind,"
            " working_days, delivery_days, delivered_by, holidays, gathers,"
            " NULL AS lead_time_days"
            " FROM supplier_calendars WHERE supplier_id = %s",
            (supplier_id,),
        ).fetchone()
    return None if row is None else (row["calendar_version"], of_row(row))


def version_of(conn: psycopg.Connection, supplier_id: int) -> int:
    """Of a supplier's calendar; 0: it has said nothing of its days."""
    row = conn.execute(
        "SELECT version FROM supplier_calendars WHERE supplier_id = %s", (supplier_id,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def save(conn: psycopg.Connection, supplier_id: int, calendar: Calendar) -> None:
    """Over what is there, whose version the caller has checked in this transaction."""
    values: dict[str, Any] = {name: getattr(calendar, name) for name in _COLUMNS}
    for name in ("order_days", "working_days", "delivery_days", "holidays"):
        values[name] = list(values[name])
    saved.save(conn, "supplier_calendars", ("supplier_id", supplier_id), values)


def bins_of_supplier(conn: psycopg.Connection, supplier_id: int) -> list[int]:
    rows = conn.execute(
        "SELECT bin_id FROM bins WHERE supplier_id = %s AND active ORDER BY bin_id", (supplier_id,)
    ).fetchall()
    return [bin_id for (bin_id,) in rows]


def zones_of_supplier(conn: psycopg.Connection, supplier_id: int) -> list[str]:
    """Of the sites it delivers to, most bins first: what a form begins with."""
    rows = conn.execute(
        "SELECT si.time_zone FROM sites si LEFT JOIN bins b USING (site_id) GROUP BY 1"
        " ORDER BY count(*) FILTER (WHERE b.supplier_id = %s) DESC, 1",
        (supplier_id,),
    ).fetchall()
    return [zone for (zone,) in rows]


def of_row(row: dict[str, Any]) -> Calendar:
    """Of a row that has a supplier's calendar or not, and a lead time of its own or not."""
    lead_days = row["lead_time_days"]
    if row["zone"] is None:
        said = LEAD_DAYS_UNSAID if lead_days is None else lead_days
        return plain_calendar(known_zone(row["time_zone"]), said)
    return Calendar(
        zone=known_zone(row["zone"]),
        version=row["calendar_version"],
        order_days=tuple(row["order_days"]),
        cut_off=row["cut_off"],
        lead_days=row["lead_days"] if lead_days is None else lead_days,
        lead_kind=LeadKind(row["lead_kind"]),
        working_days=tuple(row["working_days"]),
        delivery_days=tuple(row["delivery_days"]),
        delivered_by=row["delivered_by"],
        holidays=tuple(sorted(row["holidays"])),
        gathers=row["gathers"],
    )


def known_zone(name: str) -> str:
    """A zone that this machine does not know is taken for UTC, as the pages do, and say so."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"
    return name
