"""How bins are ordered for: the policy of each bin, and every decision made.

What is set is versioned by the database: each change is a row of `changes` with who, when and why,
and a decision names the versions it was made by.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from cloud.core.bin_policies import GRACE_UNSAID, Answer, BinPolicy
from cloud.core.plain import canonical
from cloud.core.policies.base import Place, Rounding
from cloud.core.policy_settings import PolicySettings
from cloud.postgres import calendars, saved
from cloud.postgres.nouns import Change

_SELECT = """
SELECT b.bin_id, p.automatic, p.minimum_from, p.minimum_to, p.agreed_minimum, p.agreed_order_up_to,
       p.target_permille, p.moq AS own_moq, p.lead_time_days AS own_lead_time_days,
       p.dwell_s, p.dwell_levels, p.policy, p.policy_version, p.version, p.parameters, p.rounding,
       p.grace_hours AS own_grace_hours, agreed.grace_hours AS agreed_grace_hours,
       coalesce(p.grace_hours, agreed.grace_hours) AS grace_hours, b.order_up_to,
       coalesce(p.moq, line.moq, 1) AS moq,
       coalesce(p.lead_time_days, line.lead_time_days) AS lead_time_days,
       coalesce(line.moq, 1) AS line_moq, line.lead_time_days AS line_lead_time_days,
       c.version AS calendar_version, c.zone, c.order_days, c.cut_off, c.lead_days, c.lead_kind,
       c.working_days, c.delivery_days, c.delivered_by, c.holidays, c.gathers, s.time_zone
  FROM bins b
  JOIN sites s USING (site_id)
  LEFT JOIN bin_policies p ON p.bin_id = b.bin_id
  LEFT JOIN item_suppliers line ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id
  LEFT JOIN supplier_calendars c ON c.supplier_id = b.supplier_id
  LEFT JOIN LATERAL
       (SELECT v.grace_hours FROM agreements a JOIN agreement_versions v USING (agreement_id)
         WHERE a.site_id = b.site_id AND a.supplier_id = b.supplier_id
         ORDER BY v.number DESC LIMIT 1) agreed ON true
"""
_OF_BIN = _SELECT + " WHERE b.bin_id = %s"
_OF_ALL = _SELECT + " WHERE b.active"


_SET_COLUMNS = (
    "policy", "policy_version", "parameters", "rounding", "moq", "lead_time_days", "grace_hours",
    "automatic", "minimum_from", "minimum_to", "agreed_minimum", "agreed_order_up_to",
    "target_permille", "dwell_s", "dwell_levels",
)  # fmt: skip


def of_bin(
    conn: psycopg.Connection, bin_id: int, instead: PolicySettings | None = None
) -> BinPolicy:
    """What holds for a bin. `instead`: as if that were set for it, to see what it would say."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_OF_BIN, (bin_id,)).fetchone()
    assert row is not None, "asked for a bin that is there"
    if instead is not None:
        row |= {
            "policy": instead.policy,
            "policy_version": instead.policy_version,
            "version": instead.version,
            "parameters": dict(instead.parameters),
            "rounding": instead.rounding,
            "grace_hours": row["agreed_grace_hours"]
            if instead.grace_hours is None
            else instead.grace_hours,
            "moq": instead.moq or row["line_moq"],
            "lead_time_days": row["line_lead_time_days"]
            if instead.lead_time_days is None
            else instead.lead_time_days,
        }
    return _bin_policy(row)


def of_all(conn: psycopg.Connection) -> dict[int, tuple[BinPolicy, PolicySettings]]:
    """What holds for each bin in use, and what somebody set for it, in one statement."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_OF_ALL).fetchall()
    return {row["bin_id"]: (_bin_policy(row), _settings(row)) for row in rows}


def _bin_policy(row: dict[str, Any]) -> BinPolicy:
    calendar = calendars.of_row(row)
    said = {
        "minimum_order": row["moq"],
        "order_up_to": row["order_up_to"],
        "calendar": calendar,
        "calendar_version": row["calendar_version"] or 0,
        "grace": GRACE_UNSAID
        if row["grace_hours"] is None
        else timedelta(hours=row["grace_hours"]),
    }
    if row["policy"] is None:
        return BinPolicy(**said)
    return BinPolicy(
        **said,
        name=row["policy"],
        version=row["policy_version"],
        parameters=MappingProxyType(row["parameters"]),
        rounding=Rounding(row["rounding"]),
        settings_version=row["version"],
    )


def _settings(row: dict[str, Any]) -> PolicySettings:
    if row["policy"] is None:
        return PolicySettings()
    return PolicySettings(
        version=row["version"],
        policy=row["policy"],
        policy_version=row["policy_version"],
        parameters=MappingProxyType(row["parameters"]),
        rounding=Rounding(row["rounding"]),
        moq=row["own_moq"],
        lead_time_days=row["own_lead_time_days"],
        grace_hours=row["own_grace_hours"],
        dwell_s=row["dwell_s"],
        dwell_levels=row["dwell_levels"],
        automatic=row["automatic"],
        minimum_from=row["minimum_from"],
        minimum_to=row["minimum_to"],
        agreed_minimum=row["agreed_minimum"],
        agreed_order_up_to=row["agreed_order_up_to"],
        target_permille=row["target_permille"],
    )


# ------------------------------------------------------------------------------ what is set


def settings_of(conn: psycopg.Connection, bin_id: int) -> PolicySettings:
    """As somebody set them; with version 0 nobody has."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_OF_BIN, (bin_id,)).fetchone()
    assert row is not None, "asked for a bin that is there"
    return _settings(row)


def save_settings(conn: psycopg.Connection, bin_id: int, settings: PolicySettings) -> None:
    """Over what is there, whose version the caller has checked in this transaction."""
    values: dict[str, Any] = {name: getattr(settings, name) for name in _SET_COLUMNS}
    values["parameters"] = Jsonb(dict(settings.parameters))
    saved.save(conn, "bin_policies", ("bin_id", bin_id), values)


def save_rate(conn: psycopg.Connection, bin_id: int, rate_milli_per_day: int) -> None:
    """Of days of supply: the one parameter that history keeps."""
    conn.execute(
        "UPDATE bin_policies SET parameters = parameters || %s WHERE bin_id = %s",
        (Jsonb({"rate_milli_per_day": rate_milli_per_day}), bin_id),
    )


def changes_of(conn: psycopg.Connection, noun: str, noun_id: int, limit: int) -> list[Change]:
    """Of a "bin_policy" or a "supplier_calendar", newest first: whole, before and after."""
    cursor = conn.cursor(row_factory=class_row(Change))
    return cursor.execute(
        "SELECT noun, version, at, by, because, before, after FROM changes"
        " WHERE noun = %s AND noun_id = %s ORDER BY change_id DESC LIMIT %s",
        (noun, noun_id, limit),
    ).fetchall()


# ------------------------------------------------------------------------------ decisions


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
    named, settings = inputs["policy"], inputs["settings"]
    assert isinstance(named, dict)
    assert isinstance(settings, dict)
    decision = new.answer.decision
    place = decision if isinstance(decision, Place) else None
    conn.execute(
        "INSERT INTO decisions (bin_id, breach_id, order_id, at, policy, version, inputs, outcome,"
        " ask, quantity, because, sameness, settings_version, calendar_version)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
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
            settings["version"],
            settings["calendar_version"],
        ),
    )
