"""What the customer says to an order."""

from collections.abc import Callable
from typing import Any

import pytest

from cloud.actions.answer_order import ship
from cloud.actions.steer_order import approve, cancel, close
from cloud.core import refusals
from cloud.core.order_machine import Count, Ship
from cloud.postgres import asking
from tests.cloud.actions.conftest import ADA, DAY, FERRO, NOON, Desk


@pytest.fixture
def drafted(desk: Desk) -> Desk:
    desk.agree("approve")
    desk.weigh(412)
    return desk


def test_an_approved_draft_is_sent_and_the_supplier_told_once(drafted: Desk) -> None:
    for _ in range(3):
        order = drafted.customer(approve, drafted.order_id, ADA, NOON)
        assert order.state == "sent"
    row = drafted.shelf.the_order()
    assert (row["approved_by"], row["approved_at"], row["sent_at"]) == (ADA, NOON, NOON)
    assert drafted.told() == [("order_placed", "")]
    assert drafted.events() == [("drafted", "binline"), ("approved", ADA), ("sent", "binline")]
    assert drafted.chained() == ["drafted", "approved", "sent"]


def test_a_supplier_sees_no_draft_and_approves_none(drafted: Desk) -> None:
    with pytest.raises(refusals.OrderUnknown):
        drafted.supplier(approve, drafted.order_id, FERRO, NOON)
    assert drafted.state == "draft"


def test_a_draft_that_is_cancelled_was_never_heard_of(drafted: Desk) -> None:
    drafted.customer(cancel, drafted.order_id, ADA, "not needed", NOON)
    assert (drafted.state, drafted.told()) == ("cancelled", [])
    with pytest.raises(refusals.OrderWasCancelled):
        drafted.customer(approve, drafted.order_id, ADA, NOON)


def test_an_order_that_is_cancelled_is_told_once(ordered: Desk) -> None:
    for _ in range(2):
        ordered.customer(cancel, ordered.order_id, ADA, "ordered by mistake", NOON)
    assert ordered.told() == [("order_cancelled", ""), ("order_placed", "")]
    row = ordered.shelf.the_order()
    assert (row["ended_by"], row["ended_because"]) == (ADA, "ordered by mistake")
    ordered.weigh(400, NOON + DAY)  # a person said no, and a person has to say yes again
    assert ordered.shelf.counts()[1] == 1


def test_what_is_on_its_way_cannot_be_cancelled_and_can_be_closed(ordered: Desk) -> None:
    shipment = Ship(shipment_id="LS-1", counts=(Count(line=1, pieces=1_500),))
    ordered.supplier(ship, ordered.order_id, shipment, FERRO, NOON)
    with pytest.raises(refusals.OrderAlreadyShipped):
        ordered.customer(cancel, ordered.order_id, ADA, "no", NOON)
    with pytest.raises(refusals.ReasonMissing):
        ordered.customer(close, ordered.order_id, ADA, "", NOON)
    assert ordered.customer(close, ordered.order_id, ADA, "lost", NOON).state == "closed"


def test_what_is_only_sent_cannot_be_closed(ordered: Desk) -> None:
    with pytest.raises(refusals.OrderAlreadySent):
        ordered.customer(close, ordered.order_id, ADA, "no", NOON)


def test_a_bin_that_is_refilled_takes_its_draft_back(drafted: Desk) -> None:
    """Somebody was quicker: what has not left does not have to."""
    drafted.weigh(1_900)
    row = drafted.shelf.the_order()
    assert (row["state"], row["ended_by"]) == ("cancelled", "binline")
    assert drafted.told() == []


def test_operations_alone_may_approve(drafted: Desk, make_shelf: Callable[[str], Any]) -> None:
    stranger = make_shelf("HRT-R02-B5")
    with drafted.database.connect("binline_portal") as conn, conn.transaction():
        asking.as_supplier(conn, stranger.supplier_id)
        with pytest.raises(refusals.OrderUnknown):
            approve(conn, drafted.order_id, "x", NOON)
