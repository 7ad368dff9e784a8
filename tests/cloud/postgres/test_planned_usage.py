"""Planned usage in the database: what holds is found until it is over, and nothing is deleted."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.core.planned_usage import Planned
from cloud.postgres import planned_usage

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLAN = Planned(
    from_day=date(2026, 11, 21), to_day=date(2026, 11, 22), pieces=400, zone="Europe/Berlin"
)


def plan(shelf: Any) -> int:
    return planned_usage.plan(shelf.admin, shelf.bin_id, PLAN, NOON, by="me", because="batch")


def test_what_holds_is_found_until_it_is_over_everywhere(shelf: Any) -> None:
    number = plan(shelf)
    (found,) = planned_usage.of_bin(shelf.admin, shelf.bin_id, NOON)
    assert found.planned_usage_id == number
    assert (found.from_day, found.pieces, found.zone) == (PLAN.from_day, 400, "Europe/Berlin")
    assert planned_usage.of_bin(shelf.admin, shelf.bin_id, NOON + timedelta(days=3))
    assert not planned_usage.of_bin(shelf.admin, shelf.bin_id, NOON + timedelta(days=4))


def test_what_is_withdrawn_counts_no_more_and_is_told_last(shelf: Any) -> None:
    first, second = plan(shelf), plan(shelf)
    assert planned_usage.withdraw(shelf.admin, shelf.bin_id, second, "you", NOON)
    assert not planned_usage.withdraw(shelf.admin, shelf.bin_id + 1, first, "you", NOON)
    held = planned_usage.of_bin(shelf.admin, shelf.bin_id, NOON)
    assert [one.planned_usage_id for one in held] == [first]
    listed = planned_usage.listed(shelf.admin, shelf.bin_id, 9)
    assert [(one.planned_usage_id, one.withdrawn_by) for one in listed] == [
        (first, None),
        (second, "you"),
    ]


@pytest.mark.parametrize(
    "wrong",
    ["pieces = 0", "to_day = from_day - 1", "to_day = from_day + 400", "because = ' '"],
)
def test_the_database_refuses_what_nobody_could_plan(shelf: Any, wrong: str) -> None:
    plan(shelf)
    with pytest.raises(psycopg.errors.CheckViolation):
        shelf.admin.execute(f"UPDATE planned_usage SET {wrong}")
