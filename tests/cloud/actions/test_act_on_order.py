"""What every act has in common: kept whole or not at all, told once, in one order of locks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from cloud.actions.act_on_order import PAST, act_on_order, detail_of
from cloud.core.order_machine import Acknowledge, Count, End, Ship
from cloud.core.order_states import Verb
from cloud.core.refusals import OrderAlreadyShipped, Refusal
from tests.cloud.actions.conftest import ADA, FERRO, NOON, Desk


def test_every_verb_has_a_word_for_what_happened() -> None:
    assert set(PAST) == set(Verb)
    assert len(set(PAST.values())) == len(PAST)


def test_an_act_that_is_refused_leaves_no_trace(ordered: Desk) -> None:
    ship = Ship(shipment_id="s1", counts=(Count(line=1, pieces=5),))
    ordered.supplier(act_on_order, ordered.order_id, ship, NOON, actor=FERRO)
    tables = ("orders", "order_lines", "order_acts", "order_events", "order_evidence", "notices")
    before = [ordered.shelf.rows(table) for table in tables]
    cancel = End(verb=Verb.CANCEL, by=ADA, because="no")
    with pytest.raises(OrderAlreadyShipped):
        ordered.customer(act_on_order, ordered.order_id, cancel, NOON, actor=ADA)
    assert [ordered.shelf.rows(table) for table in tables] == before


def test_both_sides_at_once_end_in_one_of_the_orders_they_could_come_in(ordered: Desk) -> None:
    order_id = ordered.order_id

    def both(number: int) -> str:
        try:
            if number % 2:
                act = Acknowledge(by=FERRO)
                return ordered.supplier(act_on_order, order_id, act, NOON, actor=FERRO).state
            cancel = End(verb=Verb.CANCEL, by=ADA, because="no")
            return ordered.customer(act_on_order, order_id, cancel, NOON, actor=ADA).state
        except Refusal as refusal:
            return type(refusal).__name__

    with ThreadPoolExecutor(6) as threads:
        outcomes = {each.result(30) for each in [threads.submit(both, n) for n in range(6)]}
    assert outcomes <= {"acknowledged", "cancelled", "OrderWasCancelled"}
    assert ordered.state == "cancelled"
    assert ordered.told() == [("order_cancelled", ""), ("order_placed", "")]
    events = [event for event, _ in ordered.events()]
    assert events in (["sent", "cancelled"], ["sent", "acknowledged", "cancelled"])


def test_what_happened_is_said_with_lines_only_where_there_are_several(ordered: Desk) -> None:
    ship = Ship(shipment_id="s1", counts=(Count(line=1, pieces=5),), expected_at=_at())
    order = ordered.supplier(act_on_order, ordered.order_id, ship, NOON, actor=FERRO)
    assert detail_of(ship, order) == "shipment s1: 5, expected 2026-11-20 12:00 UTC"


def _at() -> datetime:
    return NOON
