"""What the clock alone does to orders that have not left."""

from datetime import datetime, timedelta

import psycopg
import pytest

from cloud.actions.keep_time import keep_time, timed
from cloud.actions.steer_order import approve
from cloud.core import refusals
from tests.cloud.actions.conftest import ADA, DAY, NOON, Desk

HOUR = timedelta(hours=1)


def _at(jobs: psycopg.Connection, now: datetime) -> list[str]:
    return [keep_time(jobs, one, now) for one in timed(jobs, now, 10)]


@pytest.fixture
def drafted(desk: Desk) -> Desk:
    desk.agree("approve", draft_hours=24, escalate_after_hours=8)
    desk.weigh(412)
    return desk


def test_a_draft_that_nobody_approves_escalates_once(
    drafted: Desk, jobs: psycopg.Connection
) -> None:
    assert _at(jobs, NOON + 7 * HOUR) == []
    assert _at(jobs, NOON + 8 * HOUR) == ["RO-1001: escalated, nobody has approved it yet"]
    assert _at(jobs, NOON + 9 * HOUR) == []
    assert drafted.events()[-1] == ("escalated", "binline")
    assert drafted.shelf.the_order()["escalated_at"] == NOON + 8 * HOUR


def test_a_draft_expires_and_where_the_bin_is_still_low_there_is_a_new_one(
    drafted: Desk, jobs: psycopg.Connection
) -> None:
    drafted.shelf.admin.execute("DELETE FROM bin_due")
    assert _at(jobs, NOON + DAY) == ["RO-1001: expired, nobody approved it in time"]
    assert [row["bin_id"] for row in drafted.shelf.rows("bin_due")] == [drafted.shelf.bin_id]
    with pytest.raises(refusals.OrderHasExpired):
        drafted.customer(approve, drafted.order_id, ADA, NOON + DAY)
    drafted.weigh(400, NOON + DAY)
    lines = drafted.shelf.rows("order_lines ORDER BY ordinal --")
    assert [(line["cycle"], line["ordinal"]) for line in lines] == [(1, 1), (1, 2)]
    states = [row["state"] for row in drafted.shelf.rows("orders ORDER BY number --")]
    assert states == ["expired", "draft"]
    assert len(drafted.shelf.rows("breaches")) == 1


def test_what_was_approved_meanwhile_is_left_alone(drafted: Desk, jobs: psycopg.Connection) -> None:
    (one,) = timed(jobs, NOON + DAY, 10)
    drafted.customer(approve, drafted.order_id, ADA, NOON)
    assert keep_time(jobs, one, NOON + DAY) == ""
    assert drafted.state == "sent"


def test_what_gathered_leaves_at_its_time_and_is_told_then(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    desk.shelf.admin.execute(
        "INSERT INTO supplier_calendars (supplier_id, zone, cut_off, gathers)"
        " VALUES (%s, 'UTC', '16:00', true)",
        (desk.shelf.supplier_id,),
    )
    desk.weigh(412)
    assert _at(jobs, NOON + 3 * HOUR) == []
    leaves_at = desk.shelf.the_order()["leaves_at"]
    assert _at(jobs, leaves_at) == ["RO-1001: sent, 1 line"]
    assert _at(jobs, leaves_at) == []
    assert (desk.state, desk.told()) == ("sent", [("order_placed", "")])
