"""What the clock alone does to orders that have not left."""

from datetime import datetime, timedelta

import psycopg
import pytest

from cloud.actions.assess import Outcome
from cloud.actions.keep_time import keep_time, timed
from cloud.actions.prove import Verdict, prove
from cloud.actions.steer_order import approve
from cloud.core import refusals
from cloud.postgres import notices
from tests.cloud.actions.conftest import ADA, DAY, NOON, Desk
from tests.cloud.conftest import _shelf

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


def _beside(desk: Desk, number: int, pieces: int, minimum: int = 500) -> Desk:
    """A bin to the same place, of the same supplier, that joins an order at 900."""
    shelf = _shelf(desk.shelf.admin, f"HRT-R02-C{number}")
    shelf.admin.execute(
        "UPDATE bins SET (site_id, supplier_id) = (SELECT site_id, supplier_id FROM bins"
        " WHERE bin_id = %s), minimum = %s WHERE bin_id = %s",
        (desk.shelf.bin_id, minimum, shelf.bin_id),
    )
    shelf.admin.execute(
        "INSERT INTO bin_policies (bin_id, policy, parameters)"
        " VALUES (%s, 'can_order', '{\"can_order\": 900}')",
        (shelf.bin_id,),
    )
    shelf.weigh(pieces, NOON)
    return Desk(shelf, desk.database)


def test_a_draft_whose_first_bin_was_filled_does_not_stay_for_who_only_came_along(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    desk.agree("approve", draft_hours=24, escalate_after_hours=8)
    other = _beside(desk, 1, 800)
    desk.weigh(412)
    assert len(desk.shelf.rows("order_lines")) == 2
    assert _at(jobs, NOON) == []
    desk.weigh(1_900, NOON + HOUR)
    told = (
        "RO-1001: withdrawn, HRT-R02-B4 is low no longer, and what else is on it only came along."
    )
    assert _at(jobs, NOON + HOUR) == [told]
    order = desk.shelf.the_order()
    assert (order["state"], order["ended_by"]) == ("cancelled", "binline")
    assert _at(jobs, NOON + HOUR) == []
    assert other.weigh(800, NOON + HOUR).outcome is Outcome.UNCHANGED
    assert other.weigh(450, NOON + 2 * HOUR).outcome is Outcome.DRAFTED, "it is low by itself now"


def test_a_draft_whose_first_bin_was_filled_is_asked_for_anew_for_who_is_still_low(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    desk.agree("approve", draft_hours=24, escalate_after_hours=8)
    other = _beside(desk, 1, 800)
    desk.weigh(412)
    assert other.weigh(450, NOON + HOUR).outcome is Outcome.UNCHANGED, "it is on the draft"
    desk.weigh(1_900, NOON + HOUR)
    told = (
        "RO-1001: withdrawn, HRT-R02-B4 is low no longer."
        " HRT-R02-C1 is still low, and is ordered for anew."
    )
    assert _at(jobs, NOON + HOUR) == [told]
    assert other.shelf.bin_id in [row["bin_id"] for row in desk.shelf.rows("bin_due")]
    assert other.assess(NOON + HOUR).outcome is Outcome.DRAFTED
    states = [row["state"] for row in desk.shelf.rows("orders ORDER BY number --")]
    assert states == ["cancelled", "draft"]
    lines = desk.shelf.rows("order_lines")
    (order,) = [row for row in desk.shelf.rows("orders") if row["state"] == "draft"]
    assert [line["bin_id"] for line in lines if line["order_id"] == order["order_id"]] == [
        other.shelf.bin_id
    ]


def _gathers(desk: Desk) -> None:
    """Its orders wait for each other, until before four."""
    desk.shelf.admin.execute(
        "INSERT INTO supplier_calendars (supplier_id, zone, cut_off, gathers)"
        " VALUES (%s, 'UTC', '16:00', true)",
        (desk.shelf.supplier_id,),
    )


LEFT = (
    "RO-1001: left, line 2: HRT-R02-C1 would not come along any more:"
    " 1,900 on hand; ordered from 900 on."
)


def test_who_only_came_along_and_was_filled_by_hand_leaves_the_draft_to_the_others(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    desk.agree("approve", draft_hours=24, escalate_after_hours=8)
    other = _beside(desk, 1, 800)
    desk.weigh(412)
    assert other.weigh(790, NOON + HOUR).outcome is Outcome.UNCHANGED
    assert _at(jobs, NOON + HOUR) == []
    other.weigh(1_900, NOON + 2 * HOUR)
    desk.shelf.admin.execute("DELETE FROM bin_due")
    assert _at(jobs, NOON + 2 * HOUR) == [LEFT]
    assert _at(jobs, NOON + 2 * HOUR) == []
    lines = desk.shelf.rows("order_lines ORDER BY number --")
    assert [(line["asked"], line["quantity"]) for line in lines] == [(1_500, 1_500), (1_000, 0)]
    assert desk.state == "draft"
    assert desk.events()[-1] == ("left", "binline")
    assert desk.chained()[-1] == "left"
    assert [row["bin_id"] for row in desk.shelf.rows("bin_due")] == [other.shelf.bin_id]
    assert desk.customer(prove, 1_001).verdict is Verdict.FITS
    desk.customer(approve, desk.order_id, ADA, NOON + 3 * HOUR)
    (told,) = [row for row in desk.shelf.rows("notices") if row["channel_id"] is not None]
    with desk.database.connect("binline_jobs") as conn:
        notice = notices.load(conn, told["notice_id"], "http://here", b"s" * 32)
    assert [line.bin_code for line in notice.lines] == ["HRT-R02-B4"], "the other is no news"


def test_who_left_an_order_is_ordered_for_by_itself_and_books_nothing_on_it(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    desk.agree("approve", draft_hours=24, escalate_after_hours=8)
    other = _beside(desk, 1, 800)
    desk.weigh(412)
    other.weigh(1_900, NOON + HOUR)
    assert len(_at(jobs, NOON + HOUR)) == 1
    desk.customer(approve, desk.order_id, ADA, NOON + 2 * HOUR)
    other.weigh(1_000, NOON + 3 * HOUR)
    other.weigh(1_700, NOON + 4 * HOUR)
    assert desk.shelf.rows("order_receipts") == [], "somebody filled it, and not this order"
    assert other.weigh(450, NOON + 5 * HOUR).outcome is Outcome.DRAFTED
    desk.weigh(1_900, NOON + 6 * HOUR)
    states = [row["state"] for row in desk.shelf.rows("orders ORDER BY number --")]
    assert states == ["closed", "draft"], "whole without what left"


def test_a_bin_that_came_along_stays_while_nobody_can_say_that_it_was_filled(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    desk.agree("approve", draft_hours=24, escalate_after_hours=8)
    other = _beside(desk, 1, 800)
    desk.weigh(412)
    other.weigh(890, NOON + HOUR)  # put back, and it still comes along
    assert _at(jobs, NOON + HOUR) == []
    other.shelf.weigh(1_900, NOON + 2 * HOUR, quality=1)
    (one,) = timed(jobs, NOON + 2 * HOUR, 10)
    assert one.eased
    assert keep_time(jobs, one, NOON + 2 * HOUR) == "", "its number may not be acted on"
    shelf = other.shelf
    shelf.weigh(1_200, NOON + 3 * HOUR)
    shelf.admin.execute(
        "INSERT INTO planned_usage (bin_id, from_day, to_day, pieces, because, by, at)"
        " VALUES (%s, %s, %s, 600, 'batch', 'ada', %s)",
        (shelf.bin_id, NOON.date() + DAY, NOON.date() + DAY, NOON),
    )
    (one,) = timed(jobs, NOON + 3 * HOUR, 10)
    assert keep_time(jobs, one, NOON + 3 * HOUR) == "", "it is filled, and will not be for long"


def test_what_waits_for_others_lets_go_of_who_was_counted_to_hold_more(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    _gathers(desk)
    other = _beside(desk, 1, 800)
    desk.weigh(412)
    assert desk.state == "approved"
    other.weigh(1_900, NOON + HOUR)
    assert _at(jobs, NOON + HOUR) == [LEFT]
    leaves_at = desk.shelf.the_order()["leaves_at"]
    assert _at(jobs, leaves_at) == ["RO-1001: sent, 1 line"]


def test_what_was_approved_before_it_was_filled_is_on_its_way(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    desk.agree("approve", draft_hours=24, escalate_after_hours=8)
    _beside(desk, 1, 800)
    desk.weigh(412)
    desk.customer(approve, desk.order_id, ADA, NOON)
    desk.weigh(1_900, NOON + HOUR)
    assert _at(jobs, NOON + HOUR) == []
    assert desk.state != "cancelled"


def test_an_order_is_due_when_the_first_of_its_lines_is(desk: Desk) -> None:
    other = _beside(desk, 1, 800)
    lead_days = "INSERT INTO bin_policies (bin_id, lead_time_days) VALUES (%s, %s) ON CONFLICT"
    lead_days += " (bin_id) DO UPDATE SET lead_time_days = EXCLUDED.lead_time_days"
    desk.shelf.admin.execute(lead_days, (desk.shelf.bin_id, 9))
    desk.shelf.admin.execute(lead_days, (other.shelf.bin_id, 2))
    desk.weigh(412)
    assert len(desk.shelf.rows("order_lines")) == 2
    due_at = desk.shelf.the_order()["due_at"]
    assert due_at < NOON + 5 * DAY


def test_what_was_approved_meanwhile_is_left_alone(drafted: Desk, jobs: psycopg.Connection) -> None:
    (one,) = timed(jobs, NOON + DAY, 10)
    drafted.customer(approve, drafted.order_id, ADA, NOON)
    assert keep_time(jobs, one, NOON + DAY) == ""
    assert drafted.state == "sent"


def test_what_gathered_leaves_at_its_time_and_is_told_then(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    _gathers(desk)
    desk.weigh(412)
    assert _at(jobs, NOON + 3 * HOUR) == []
    leaves_at = desk.shelf.the_order()["leaves_at"]
    assert _at(jobs, leaves_at) == ["RO-1001: sent, 1 line"]
    assert _at(jobs, leaves_at) == []
    assert (desk.state, desk.told()) == ("sent", [("order_placed", "")])
