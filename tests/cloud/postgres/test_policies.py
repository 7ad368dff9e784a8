from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from cloud.core.bin_policies import BinPolicy, plain_calendar
from cloud.core.calendars import LeadKind
from cloud.core.policies.base import Rounding
from cloud.postgres import policies

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_bin_of_which_nothing_was_said_has_the_defaults(
    shelf: Any, conn: psycopg.Connection
) -> None:
    assert policies.of_bin(conn, shelf.bin_id) == BinPolicy(
        calendar=plain_calendar("Europe/Berlin")
    )


def test_what_was_said_is_read_as_it_was_said(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.admin.execute(
        "INSERT INTO bin_policies (bin_id, policy, parameters, rounding, moq, grace_hours)"
        " VALUES (%s, 'fixed_quantity', %s, 'up', 50, 6)",
        (shelf.bin_id, Jsonb({"quantity": 700})),
    )
    shelf.admin.execute(
        "INSERT INTO supplier_calendars (supplier_id, version, zone, order_days, cut_off,"
        " lead_days, lead_kind, holidays)"
        " VALUES (%s, 3, 'Europe/Zurich', '{0,2}', '10:30', 4, 'calendar',"
        " '{2026-12-25,2026-12-24}')",
        (shelf.supplier_id,),
    )
    found = policies.of_bin(conn, shelf.bin_id)
    assert (found.name, found.rounding) == ("fixed_quantity", Rounding.UP)
    assert found.parameters == {"quantity": 700}
    assert (found.settings_version, found.calendar_version) == (1, 3)
    assert (found.minimum_order, found.grace) == (50, timedelta(hours=6))
    calendar = found.calendar
    assert (calendar.zone, calendar.version, calendar.order_days) == ("Europe/Zurich", 3, (0, 2))
    assert (calendar.cut_off, calendar.lead_days) == (time(10, 30), 4)
    assert calendar.lead_kind is LeadKind.CALENDAR
    assert calendar.holidays == (date(2026, 12, 24), date(2026, 12, 25))


@pytest.mark.parametrize(("said", "hours"), [(False, 5), (True, 6)])
def test_the_grace_agreed_on_holds_where_the_bin_says_nothing(
    shelf: Any, conn: psycopg.Connection, *, said: bool, hours: int
) -> None:
    shelf.admin.execute(
        "INSERT INTO agreements (site_id, supplier_id) SELECT site_id, supplier_id FROM bins;"
        "INSERT INTO agreement_versions (agreement_id, number, mode, draft_hours,"
        " escalate_after_hours, ownership, answer_hours, grace_hours, band_quantity_percent,"
        " band_postpone_days, band_limits_percent, shared, valid_from, proposed_by, author,"
        " because, agreed_at, accepted_by) VALUES (1, 1, 'auto', 24, 8, 'owned', 24, 5, 0, 0,"
        " 0, '{levels}', '2026-01-01', 'customer', 'ada', 'contract', now(), '')"
    )
    if said:
        shelf.admin.execute(
            "INSERT INTO bin_policies (bin_id, grace_hours) VALUES (%s, 6)", (shelf.bin_id,)
        )
    assert policies.of_bin(conn, shelf.bin_id).grace == timedelta(hours=hours)


def test_a_zone_that_no_machine_knows_is_taken_for_utc(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("UPDATE sites SET time_zone = 'Mars/Olympus'")
    assert policies.of_bin(conn, shelf.bin_id).calendar.zone == "UTC"


@pytest.mark.parametrize(
    "wrong",
    [
        "INSERT INTO bin_policies (bin_id, parameters) VALUES (1, '[]')",
        "INSERT INTO bin_policies (bin_id, policy) VALUES (1, '; DROP')",
        "INSERT INTO bin_policies (bin_id, automatic) VALUES (1, true)",
        "INSERT INTO bin_policies (bin_id, minimum_from, minimum_to) VALUES (1, 5, 4)",
        "INSERT INTO bin_policies (bin_id, target_permille) VALUES (1, 1000)",
        "INSERT INTO bin_policies (bin_id, rounding) VALUES (1, 'down')",
        "INSERT INTO supplier_calendars (supplier_id, zone, order_days) VALUES (1, 'UTC', '{7}')",
        "INSERT INTO supplier_calendars (supplier_id, zone, order_days) VALUES (1, 'UTC', '{}')",
    ],
)
def test_the_database_refuses_what_no_policy_could_be_made_of(shelf: Any, wrong: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        shelf.admin.execute(wrong)
