"""What people set, plan and take over: checked, versioned, and looked at by the rules at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions import keep_policies
from cloud.actions.decide import Asked, Undecided
from cloud.core.nouns import Read, read
from cloud.core.policies.base import Place
from cloud.core.policy_settings import POLICY
from cloud.core.refusals import ChangedMeanwhile, NotAsAllowed, NothingSuggested, NounUnknown
from cloud.postgres import asking, policies

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CODE = "HRT-R02-B4"
DAYS = {"zone": "Europe/Berlin", "order_days": ["fri"], "lead_days": 2}


@pytest.fixture
def portal(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        conn.autocommit = True
        yield conn


@contextmanager
def asked(portal: psycopg.Connection, why: str = "") -> Iterator[psycopg.Connection]:
    with portal.transaction():
        asking.as_operations(portal, "ops@plant.example")
        asking.because(portal, why)
        yield portal


def said(**values: Any) -> Read:
    return read(POLICY, values)


def is_due(shelf: Any) -> bool:
    due = bool(shelf.rows("bin_due"))
    shelf.admin.execute("DELETE FROM bin_due")
    return due


def estimated(shelf: Any, minimum: int, order_up_to: int, **more: Any) -> None:
    row = {"learning": False, "applied_minimum": None, "applied_order_up_to": None, **more}
    shelf.admin.execute(
        "INSERT INTO bin_parameters (bin_id, computed_at, target_permille, method, learning,"
        " rate_milli_per_day, spread, minimum, order_up_to, because, applied_minimum,"
        " applied_order_up_to)"
        " VALUES (%s, %s, 950, 'history', %s, 50000, 1, %s, %s, 'as used', %s, %s)",
        (shelf.bin_id, NOON, row["learning"], minimum, order_up_to, row["applied_minimum"],
         row["applied_order_up_to"]),
    )  # fmt: skip


def levels(shelf: Any) -> tuple[int, int | None]:
    (row,) = shelf.rows("bins")
    return row["minimum"], row["order_up_to"]


def test_what_is_set_is_versioned_with_who_and_why_and_looked_at_at_once(
    shelf: Any, portal: psycopg.Connection
) -> None:
    shelf.weigh(812, NOON)
    is_due(shelf)
    with asked(portal, "joins the Tuesday"):
        keep_policies.save_settings(portal, CODE, 0, said(policy="can_order", can_order=700))
    assert is_due(shelf)
    with asked(portal):
        keep_policies.save_settings(portal, CODE, 1, said(policy="can_order", can_order=800))
        newest, first = policies.changes_of(portal, "bin_policy", shelf.bin_id, 9)
    assert (first.version, first.by, first.because) == (1, "ops@plant.example", "joins the Tuesday")
    assert newest.version == 2
    assert newest.before is not None
    assert newest.before["parameters"] == {"can_order": 700}
    assert newest.after["parameters"] == {"can_order": 800}


def test_what_is_the_same_is_no_version(shelf: Any, portal: psycopg.Connection) -> None:
    for version in (0, 1, 1):
        with asked(portal):
            keep_policies.save_settings(portal, CODE, version, said(moq=50))
    assert [row["version"] for row in shelf.rows("bin_policies")] == [1]


def test_who_looked_at_an_older_version_is_told_what_changed(
    shelf: Any, portal: psycopg.Connection
) -> None:
    with asked(portal):
        keep_policies.save_settings(portal, CODE, 0, said(moq=50))
    with asked(portal), pytest.raises(ChangedMeanwhile) as refused:
        keep_policies.save_settings(portal, CODE, 0, said(grace_hours=1))
    assert refused.value.version == 1
    assert "moq" in refused.value.fields
    assert shelf.rows("bin_policies")[0]["grace_hours"] is None


def test_what_does_not_fit_the_bin_is_refused_with_everything_else(
    shelf: Any, portal: psycopg.Connection
) -> None:
    wrong = said(policy="can_order", can_order=499, grace_hours=-1)
    with asked(portal), pytest.raises(NotAsAllowed) as refused:
        keep_policies.save_settings(portal, CODE, 0, wrong)
    assert {one.field for one in refused.value.mistakes} == {"can_order", "grace_hours"}
    with asked(portal), pytest.raises(NounUnknown):
        keep_policies.save_settings(portal, "HRT-NONE", 0, said())


def test_a_preview_says_what_would_be_ordered_and_keeps_nothing(
    shelf: Any, portal: psycopg.Connection
) -> None:
    shelf.weigh(812, NOON)
    with asked(portal):
        found = keep_policies.ordering_of(portal, CODE)
        now = keep_policies.preview(portal, found, NOON)
        wanted = said(policy="two_bin", container=900)
        instead = keep_policies.settings_asked(found, wanted)
        then = keep_policies.preview(portal, found, NOON, instead)
    assert isinstance(now.asked, Asked)
    assert now.asked.answer.decision.because == "812 on hand; ordered from 500 on."
    assert isinstance(then.asked, Asked)
    assert isinstance(then.asked.answer.decision, Place)
    assert shelf.rows("bin_policies") == shelf.rows("decisions") == shelf.rows("orders") == []


def test_of_a_bin_nobody_has_weighed_a_preview_says_nothing(
    shelf: Any, portal: psycopg.Connection
) -> None:
    with asked(portal):
        found = keep_policies.ordering_of(portal, CODE)
        assert keep_policies.preview(portal, found, NOON).asked is None


def test_what_cannot_be_read_is_shown_as_such_and_can_be_put_right(
    shelf: Any, portal: psycopg.Connection
) -> None:
    shelf.weigh(812, NOON)
    shelf.admin.execute("INSERT INTO bin_policies (bin_id, policy) VALUES (1, 'fixed_quantity')")
    with asked(portal):
        found = keep_policies.ordering_of(portal, CODE)
        assert isinstance(keep_policies.preview(portal, found, NOON).asked, Undecided)
        keep_policies.save_settings(portal, CODE, 1, said(policy="min_max"))
    with asked(portal):
        found = keep_policies.ordering_of(portal, CODE)
        assert isinstance(keep_policies.preview(portal, found, NOON).asked, Asked)


def test_what_history_suggests_is_taken_over_by_one_click_and_remembered(
    shelf: Any, portal: psycopg.Connection
) -> None:
    estimated(shelf, 700, 1_900)
    shelf.weigh(812, NOON)
    is_due(shelf)
    with asked(portal, "taken over"):
        keep_policies.take_over(portal, CODE)
    assert levels(shelf) == (700, 1_900)
    assert is_due(shelf)
    change = shelf.rows("changes")[-1]
    assert (change["noun"], change["by"]) == ("bin", "ops@plant.example")
    assert change["because"] == "taken over"
    with asked(portal), pytest.raises(NothingSuggested):
        keep_policies.take_over(portal, CODE)


def test_who_learns_has_nothing_to_take_over(shelf: Any, portal: psycopg.Connection) -> None:
    with asked(portal), pytest.raises(NothingSuggested):
        keep_policies.take_over(portal, CODE)
    estimated(shelf, 700, 1_900, learning=True)
    with asked(portal), pytest.raises(NothingSuggested):
        keep_policies.take_over(portal, CODE)


def test_the_rate_of_days_of_supply_is_taken_over_with_its_levels(
    shelf: Any, portal: psycopg.Connection
) -> None:
    with asked(portal):
        wanted = said(policy="days_of_supply", days_min=5, days_max=20, rate_milli_per_day=1)
        keep_policies.save_settings(portal, CODE, 0, wanted)
    estimated(shelf, 250, 1_000)  # 50 a day
    with asked(portal):
        keep_policies.take_over(portal, CODE)
        settings = policies.settings_of(portal, shelf.bin_id)
    assert levels(shelf) == (250, 1_000)
    assert settings.parameters["rate_milli_per_day"] == 50_000
    assert settings.version == 2


def test_what_was_agreed_is_remembered_where_history_takes_over(
    shelf: Any, portal: psycopg.Connection
) -> None:
    band = {"automatic": True, "minimum_from": 300, "minimum_to": 900}
    with asked(portal):
        keep_policies.save_settings(portal, CODE, 0, said(**band))
        assert policies.settings_of(portal, shelf.bin_id).agreed_minimum == 500
    # History has set the bin since: that is not what anybody agreed on.
    estimated(shelf, 700, 1_900, applied_minimum=700, applied_order_up_to=1_900)
    shelf.admin.execute("UPDATE bins SET minimum = 700, order_up_to = 1900")
    with asked(portal):
        keep_policies.save_settings(portal, CODE, 1, said(**band, moq=5))
        assert policies.settings_of(portal, shelf.bin_id).agreed_minimum == 500
    # A person has: that is.
    shelf.admin.execute("UPDATE bins SET minimum = 600")
    with asked(portal):
        keep_policies.save_settings(portal, CODE, 2, said(**band, moq=6))
        assert policies.settings_of(portal, shelf.bin_id).agreed_minimum == 600
        keep_policies.save_settings(portal, CODE, 3, said(moq=6))
        assert policies.settings_of(portal, shelf.bin_id).agreed_minimum is None


def test_a_calendar_is_versioned_and_its_bins_are_looked_at(
    shelf: Any, portal: psycopg.Connection
) -> None:
    shelf.weigh(812, NOON)
    is_due(shelf)
    with asked(portal, "new truck"):
        keep_policies.save_calendar(portal, shelf.supplier_id, 0, DAYS, NOON)
    assert is_due(shelf)
    with asked(portal):
        keep_policies.save_calendar(portal, shelf.supplier_id, 1, {**DAYS, "lead_days": 3}, NOON)
        newest, first = policies.changes_of(portal, "supplier_calendar", shelf.supplier_id, 9)
        found = keep_policies.ordering_of(portal, CODE)
    assert (first.because, newest.version) == ("new truck", 2)
    assert found.holds.calendar_version == 2
    assert found.holds.calendar.lead_days == 3
    with asked(portal), pytest.raises(ChangedMeanwhile) as refused:
        keep_policies.save_calendar(portal, shelf.supplier_id, 1, DAYS, NOON)
    assert refused.value.fields == ("lead_days",)
    with asked(portal), pytest.raises(NotAsAllowed):
        keep_policies.save_calendar(portal, shelf.supplier_id, 2, {**DAYS, "zone": "x"}, NOON)


def test_planned_usage_is_entered_looked_at_and_withdrawn(
    shelf: Any, portal: psycopg.Connection
) -> None:
    shelf.weigh(812, NOON)
    is_due(shelf)
    plan = {"from_day": "2026-11-21", "to_day": "2026-11-22", "pieces": 400, "because": "batch"}

    def because() -> str:
        found = keep_policies.ordering_of(portal, CODE)
        answer = keep_policies.preview(portal, found, NOON).asked
        assert isinstance(answer, Asked)
        return answer.answer.decision.because

    with asked(portal):
        number = keep_policies.plan_usage(portal, CODE, plan, "ops@plant.example", NOON)
        assert because().startswith("812 on hand - 400 planned = 412, minimum 500")
    assert is_due(shelf)
    for _ in range(2):  # a second click changes nothing
        with asked(portal):
            later = NOON + timedelta(minutes=1)
            keep_policies.withdraw_usage(portal, CODE, number, "ops@plant.example", later)
            assert because() == "812 on hand; ordered from 500 on."
    (row,) = shelf.rows("planned_usage")
    assert (row["withdrawn_by"], row["withdrawn_at"]) == ("ops@plant.example", later)
    with asked(portal), pytest.raises(NounUnknown):
        keep_policies.withdraw_usage(portal, CODE, 99, "ops@plant.example", NOON)
    with asked(portal), pytest.raises(NotAsAllowed):
        keep_policies.plan_usage(portal, CODE, {**plan, "pieces": 0}, "ops@plant.example", NOON)
