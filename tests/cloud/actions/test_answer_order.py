from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from cloud.actions.answer_order import acknowledge, change, confirm, refuse, ship
from cloud.actions.steer_order import accept, reject
from cloud.core import refusals
from cloud.core.order_machine import Change, Count, Other, Promise, Ship
from cloud.core.refusals import OrderAlreadyClosed, OrderUnknown
from cloud.postgres import asking
from tests.cloud.actions.conftest import ADA, DAY, FERRO, NOON, Desk

LATER = NOON + timedelta(hours=1)
FRIDAY = NOON + 7 * DAY
LESS = Change(change_id="c1", by=FERRO, lines=(Other(line=1, pieces=1_000, at=FRIDAY),))
SHIPMENT = Ship(shipment_id="LS-1", counts=(Count(line=1, pieces=1_500),), expected_at=FRIDAY)


def test_the_supplier_acknowledges_its_order(ordered: Desk) -> None:
    before = ordered.shelf.xid()
    order = ordered.supplier(acknowledge, ordered.order_id, FERRO, LATER)
    assert (order.state, order.answered_by, order.answered_at) == ("acknowledged", FERRO, LATER)
    row = ordered.shelf.the_order()
    assert (row["state"], row["answered_at"], row["answered_by"]) == ("acknowledged", LATER, FERRO)
    assert ordered.events() == [("sent", "binline"), ("acknowledged", FERRO)]
    assert ordered.chained() == ["sent", "acknowledged"]
    assert ordered.shelf.xid() > before  # open pages hear of it


def test_every_answer_given_twice_is_given_once(ordered: Desk) -> None:
    promise = (Promise(line=1, at=FRIDAY),)
    for act, *values in (
        (acknowledge, FERRO, NOON),
        (confirm, promise, FERRO, NOON),
        (change, LESS, NOON),
        (ship, SHIPMENT, FERRO, NOON),
    ):
        once = ordered.supplier(act, ordered.order_id, *values)
        rows = ordered.shelf.rows("order_events")
        for _ in range(3):
            assert ordered.supplier(act, ordered.order_id, *values) == once
        assert ordered.shelf.rows("order_events") == rows
    assert len(ordered.shelf.rows("order_acts")) == 2


def test_the_first_to_answer_stays_named(ordered: Desk) -> None:
    ordered.supplier(acknowledge, ordered.order_id, FERRO, NOON)
    ordered.supplier(acknowledge, ordered.order_id, "another", LATER)
    order = ordered.supplier(confirm, ordered.order_id, (), "a third", LATER)
    assert (order.answered_by, order.answered_at) == (FERRO, NOON)


def test_a_confirmation_promises_a_day_for_each_line(ordered: Desk) -> None:
    ordered.supplier(confirm, ordered.order_id, (Promise(line=1, at=FRIDAY),), FERRO, LATER)
    assert (ordered.state, ordered.shelf.the_line()["promised_at"]) == ("confirmed", FRIDAY)
    assert ordered.shelf.rows("order_events")[-1]["detail"] == ("promised for 2026-11-27 12:00 UTC")


def test_a_change_waits_for_the_customer_and_both_answers_are_told(ordered: Desk) -> None:
    ordered.supplier(change, ordered.order_id, LESS, NOON)
    assert (ordered.state, ordered.shelf.the_line()["quantity"]) == ("changed", 1_500)
    order = ordered.customer(reject, ordered.order_id, "c1", ADA, LATER)
    assert (order.state, order.lines[0].quantity) == ("acknowledged", 1_500)
    again = Change(change_id="c2", by=FERRO, lines=LESS.lines, because="no more left")
    ordered.supplier(change, ordered.order_id, again, LATER)
    ordered.customer(accept, ordered.order_id, "c2", ADA, LATER)
    line = ordered.shelf.the_line()
    assert (line["asked"], line["quantity"], line["promised_at"]) == (1_500, 1_000, FRIDAY)
    states = [row["state"] for row in ordered.shelf.rows("order_acts")]
    assert states == ["rejected", "accepted"]
    assert ordered.told() == [
        ("change_accepted", "c2"),
        ("change_rejected", "c1"),
        ("order_placed", ""),
    ]
    for _ in range(2):  # pressed again: nobody is told again
        ordered.customer(accept, ordered.order_id, "c2", ADA, LATER)
    assert len(ordered.told()) == 3


def test_a_change_that_was_replaced_cannot_be_accepted(ordered: Desk) -> None:
    ordered.supplier(change, ordered.order_id, LESS, NOON)
    other = Change(change_id="c2", by=FERRO, lines=(Other(line=1, pieces=500, at=FRIDAY),))
    ordered.supplier(change, ordered.order_id, other, NOON)
    with pytest.raises(refusals.ChangeWasReplaced):
        ordered.customer(accept, ordered.order_id, "c1", ADA, NOON)
    assert [row["state"] for row in ordered.shelf.rows("order_acts")] == ["replaced", "open"]


def test_the_same_number_for_another_change_is_refused(ordered: Desk) -> None:
    ordered.supplier(change, ordered.order_id, LESS, NOON)
    other = Change(change_id="c1", by=FERRO, lines=(Other(line=1, pieces=500, at=FRIDAY),))
    with pytest.raises(refusals.NumberUsedTwice):
        ordered.supplier(change, ordered.order_id, other, NOON)


def test_within_the_band_a_change_holds_at_once(desk: Desk) -> None:
    desk.agree(band_quantity_percent=40, band_postpone_days=10)
    desk.weigh(412)
    order = desk.supplier(change, desk.order_id, LESS, LATER)
    assert (order.state, order.lines[0].quantity) == ("confirmed", 1_000)
    assert desk.events()[-2:] == [("changed", FERRO), ("accepted", "binline")]
    assert desk.shelf.rows("order_acts")[0]["answered_by"] == "within what was agreed on"


def test_beyond_the_band_a_change_waits(desk: Desk) -> None:
    desk.agree(band_quantity_percent=10, band_postpone_days=10)
    desk.weigh(412)
    assert desk.supplier(change, desk.order_id, LESS, LATER).state == "changed"


def test_a_promise_later_than_was_agreed_on_becomes_a_proposal(desk: Desk) -> None:
    desk.agree(band_postpone_days=2)
    desk.weigh(412)
    due_at = desk.shelf.the_order()["due_at"]
    fine, late = (Promise(line=1, at=due_at + days * DAY) for days in (2, 3))
    for _ in range(2):
        order = desk.supplier(confirm, desk.order_id, (late,), FERRO, LATER)
        assert (order.state, order.lines[0].promised_at) == ("changed", None)
    (act,) = desk.shelf.rows("order_acts")
    assert (act["act_id"], act["because"]) == ("late-1", "That is more than 2 days later.")
    order = desk.supplier(confirm, desk.order_id, (fine,), FERRO, LATER)
    assert (order.state, order.lines[0].promised_at) == ("confirmed", fine.at)


def test_a_promise_past_the_time_the_bin_runs_out_becomes_a_proposal(desk: Desk) -> None:
    desk.agree(band_postpone_days=30)
    desk.weigh(412)
    desk.shelf.admin.execute("UPDATE bin_levels SET usage_per_day = 50")  # eight days
    late = Promise(line=1, at=NOON + 12 * DAY)
    order = desk.supplier(confirm, desk.order_id, (late,), FERRO, LATER)
    assert order.state == "changed"
    assert desk.shelf.rows("order_acts")[0]["because"] == "The bin runs out before that."


def test_a_shipment_is_a_part_of_what_was_ordered_and_never_added_to_it(ordered: Desk) -> None:
    order = ordered.supplier(ship, ordered.order_id, SHIPMENT, FERRO, LATER)
    assert (order.state, order.lines[0].shipped, order.shipped_at) == ("shipped", 1_500, LATER)
    ordered.weigh(400, LATER)
    decision = ordered.shelf.rows("decisions")[-1]
    assert '"covering":1500' in decision["inputs"]


def test_a_refusal_takes_a_reason_and_is_no_order_any_more(ordered: Desk) -> None:
    with pytest.raises(refusals.ReasonMissing):
        ordered.supplier(refuse, ordered.order_id, FERRO, "  ", NOON)
    ordered.supplier(refuse, ordered.order_id, FERRO, "no longer made", LATER)
    row = ordered.shelf.the_order()
    assert (row["state"], row["ended_by"], row["ended_because"], row["ended_at"]) == (
        "refused",
        FERRO,
        "no longer made",
        LATER,
    )
    ordered.weigh(400, LATER)  # it is not asked for again by itself: a person has to decide
    assert ordered.shelf.counts()[1] == 1
    assert ordered.shelf.rows("decisions")[-1]["outcome"] == "held"


def test_a_closed_order_cannot_be_answered(ordered: Desk) -> None:
    ordered.weigh(1_900)
    for act, *values in (
        (acknowledge, FERRO, NOON),
        (confirm, (Promise(line=1, at=FRIDAY),), FERRO, NOON),
        (change, LESS, NOON),
        (ship, SHIPMENT, FERRO, NOON),
        (refuse, FERRO, "no", NOON),
    ):
        with pytest.raises(OrderAlreadyClosed):
            ordered.supplier(act, ordered.order_id, *values)


def test_another_suppliers_order_is_not_there(
    ordered: Desk, make_shelf: Callable[[str], Any]
) -> None:
    stranger = make_shelf("HRT-R02-B5")
    with ordered.database.connect("binline_portal") as conn, conn.transaction():
        asking.as_supplier(conn, stranger.supplier_id)
        for act, *values in ((acknowledge, "x", NOON), (refuse, "x", "no", NOON)):
            with pytest.raises(OrderUnknown):
                act(conn, ordered.order_id, *values)
    assert ordered.state == "sent"


def test_an_order_that_never_was_is_not_there(ordered: Desk) -> None:
    with pytest.raises(OrderUnknown):
        ordered.supplier(acknowledge, uuid4(), FERRO, NOON)


def test_nobody_in_particular_sees_no_order(ordered: Desk) -> None:
    with ordered.database.connect("binline_portal") as conn, pytest.raises(OrderUnknown):
        acknowledge(conn, ordered.order_id, FERRO, NOON)


def test_operations_may_write_down_an_answer_that_came_by_telephone(ordered: Desk) -> None:
    order = ordered.customer(acknowledge, ordered.order_id, ADA, NOON)
    assert order.answered_by == ADA


def test_an_answer_and_a_refill_at_the_same_moment_do_not_lock_each_other_out(
    ordered: Desk,
) -> None:
    """Whichever comes first wins; neither fails, and the order ends closed."""
    order_id = ordered.order_id
    ordered.shelf.weigh(1_900, NOON)

    def answer(number: int) -> str:
        try:
            return ordered.supplier(acknowledge, order_id, f"a{number}", NOON).state
        except OrderAlreadyClosed:
            return "refused"

    with ThreadPoolExecutor(6) as threads:
        answers = [threads.submit(answer, number) for number in range(5)]
        refilled = threads.submit(ordered.assess)
        assert {each.result(20) for each in answers} <= {"acknowledged", "refused"}
        refilled.result(20)
    assert ordered.state == "closed"
    events = [event for event, _ in ordered.events()]
    assert events in (
        ["sent", "received", "closed"],
        ["sent", "acknowledged", "received", "closed"],
    )


def test_the_portal_may_not_touch_more_of_an_order(ordered: Desk) -> None:
    for change_ in (
        "UPDATE orders SET supplier_id = 1",
        "UPDATE orders SET due_at = now()",
        "UPDATE order_lines SET received = 5",
        "UPDATE order_lines SET asked = 5",
        "DELETE FROM order_lines",
        "INSERT INTO order_receipts VALUES (gen_random_uuid(), 1, 'x', 1, 1, now())",
    ):
        with ordered.database.connect("binline_portal") as conn:
            asking.as_supplier(conn, ordered.shelf.supplier_id)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(change_)
