"""Orders that somebody asks for: as far as was agreed on, and never past the bin."""

import pytest

from cloud.actions.ask_for_order import Asker, ask_for_order
from cloud.actions.prove import Verdict, prove
from cloud.actions.steer_order import approve
from cloud.core import refusals
from cloud.core.order_machine import Order
from tests.cloud.actions.conftest import ADA, FERRO, NOON, Desk

SUPPLIER, CUSTOMER = Asker(name=FERRO, supplier=True), Asker(name=ADA, supplier=False)


def _asks(desk: Desk, pieces: int, asker: Asker = SUPPLIER) -> Order:
    act = desk.supplier if asker.supplier else desk.customer
    return act(ask_for_order, "HRT-R02-B4", pieces, "we are there anyway", asker, NOON)


def test_within_what_was_agreed_on_a_supplier_orders_by_itself(desk: Desk) -> None:
    desk.agree("auto")
    desk.weigh(900)
    order = _asks(desk, 1_000)
    assert (order.state, order.answered_by, order.lines[0].quantity) == (
        "acknowledged",
        FERRO,
        1_000,
    )
    assert desk.events() == [("asked", FERRO), ("sent", "binline"), ("acknowledged", FERRO)]
    assert desk.told() == []  # it stood at the counter
    desk.weigh(450)  # the rules know of it
    assert desk.shelf.counts() == (1, 1, 0)


def test_beyond_it_is_a_draft_and_waits_for_the_customer(desk: Desk) -> None:
    desk.agree("auto")
    desk.shelf.admin.execute("UPDATE bins SET order_up_to = 1500")
    desk.weigh(900)
    order = _asks(desk, 1_000)
    assert (order.state, order.expires_at is not None) == ("draft", True)
    assert desk.customer(approve, order.order_id, ADA, NOON).state == "sent"


@pytest.mark.parametrize("mode", ["notify", "shadow"])
def test_where_nothing_is_ordered_without_the_customer_it_is_a_draft(desk: Desk, mode: str) -> None:
    desk.agree(mode)
    desk.weigh(900)
    assert _asks(desk, 100).state == "draft"


def test_without_an_agreement_a_supplier_orders_nothing_by_itself(desk: Desk) -> None:
    desk.weigh(900)
    assert _asks(desk, 100).state == "draft"


def test_nobody_orders_past_what_the_bin_can_hold(ordered: Desk) -> None:
    """412 lie there, and 1,500 are on their way."""
    for asker in (SUPPLIER, CUSTOMER):
        with pytest.raises(refusals.OrderPastCapacity):
            _asks(ordered, 100, asker)
    assert ordered.shelf.counts()[1] == 1


def test_asked_twice_is_asked_once(desk: Desk) -> None:
    desk.agree("auto")
    desk.weigh(900)
    first = _asks(desk, 100)
    assert _asks(desk, 100).order_id == first.order_id
    assert desk.shelf.counts()[1] == 1


def test_a_person_orders_and_the_supplier_is_told(desk: Desk) -> None:
    desk.weigh(900)
    order = _asks(desk, 300, CUSTOMER)
    assert (order.state, desk.told()) == ("sent", [("order_placed", "")])


def test_it_rests_on_whoever_asked_and_its_chain_says_so(desk: Desk) -> None:
    desk.weigh(900)
    _asks(desk, 300, CUSTOMER)
    proof = prove(desk.shelf.admin, 1001)
    assert proof is not None
    assert proof.verdict is Verdict.FITS
    assert desk.chained() == ["begun", "asked", "sent"]


def test_a_supplier_that_is_not_shown_the_level_cannot_fill_up_to_it(desk: Desk) -> None:
    desk.agree("auto", shared=[])
    desk.weigh(900)
    with pytest.raises(refusals.LevelNotKnown):
        _asks(desk, 100)


@pytest.mark.parametrize("pieces", [0, -5])
def test_an_order_is_for_something(desk: Desk, pieces: int) -> None:
    with pytest.raises(refusals.QuantityImpossible):
        _asks(desk, pieces, CUSTOMER)


def test_of_a_bin_that_is_not_ones_own_nothing_is_known(desk: Desk) -> None:
    with pytest.raises(refusals.BinUnknown):
        desk.supplier(ask_for_order, "HRT-NONE", 5, "", SUPPLIER, NOON)
