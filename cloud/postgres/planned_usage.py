"""Usage that people know of beforehand: entered, withdrawn, never deleted."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from psycopg.rows import class_row

from cloud.core.planned_usage import Planned
from cloud.postgres.calendars import known_zone


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    planned_usage_id: int
    from_day: date
    to_day: date
    pieces: int
    by: str
    because: str
    at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None


def of_bin(conn: psycopg.Connection, bin_id: int, since: datetime) -> tuple[Planned, ...]:
    """What holds and is not over for longer than any zone is off, oldest first."""
    rows = conn.execute(
        "SELECT p.planned_usage_id, p.from_day, p.to_day, p.pieces, si.time_zone"
        "  FROM planned_usage p JOIN bins b USING (bin_id) JOIN sites si USING (site_id)"
        " WHERE p.bin_id = %s AND p.withdrawn_at IS NULL AND p.to_day >= %s"
        " ORDER BY p.from_day, p.planned_usage_id",
        (bin_id, (since - timedelta(days=1)).date()),
    ).fetchall()
    return tuple(
        Planned(
            planned_usage_id=number,
            from_day=first,
            to_day=last,
            pieces=pieces,
            zone=known_zone(zone),
        )
        for number, first, last, pieces, zone in rows
    )


def listed(conn: psycopg.Connection, bin_id: int, limit: int) -> list[PlannedRow]:
    """All there were, also what is over or withdrawn, the latest first."""
    cursor = conn.cursor(row_factory=class_row(PlannedRow))
    return cursor.execute(
        "SELECT planned_usage_id, from_day, to_day, pieces, by, because, at, withdrawn_at,"
        " withdrawn_by FROM planned_usage WHERE bin_id = %s"
        " ORDER BY withdrawn_at IS NOT NULL, to_day DESC, planned_usage_id DESC LIMIT %s",
        (bin_id, limit),
    ).fetchall()


def plan(
    conn: psycopg.Connection, bin_id: int, new: Planned, now: datetime, *, by: str, because: str
) -> int:
    row = conn.execute(
        "INSERT INTO planned_usage (bin_id, from_day, to_day, pieces, by, because, at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING planned_usage_id",
        (bin_id, new.from_day, new.to_day, new.pieces, by, because, now),
    ).fetchone()
    assert row is not None
    return int(row[0])


def withdraw(
    conn: psycopg.Connection, bin_id: int, planned_usage_id: int, by: str, now: datetime
) -> bool:
    """Whether it was there; withdrawn before, it stays as it was."""
    row = conn.execute(
        "UPDATE planned_usage SET withdrawn_at = coalesce(withdrawn_at, %s),"
        " withdrawn_by = coalesce(withdrawn_by, %s)"
        " WHERE bin_id = %s AND planned_usage_id = %s RETURNING 1",
        (now, by, bin_id, planned_usage_id),
    ).fetchone()
    return row is not None
