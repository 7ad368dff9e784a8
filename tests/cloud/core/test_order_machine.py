from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core import refusals
from cloud.core.order_machine import (
    Accept,
    Acknowledge,
    Act,
    Approve,
    Change,
    Confirm,
    Count,
    End,
    Leave,
    Line,
    Order,
    Other,
    Promise,
    Receive,
    Reject,
    Send,
    Ship,
    apply,
    may,
    open_lines,
)
from cloud.core.order_states import DONE_BEFORE, EDGES, ENDED, State, Verb
from cloud.core.refusals import Refusal

NINE = datetime(2026, 11, 30, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
THURSDAY = datetime(2026, 12, 3, 12, tzinfo=UTC)
FRIDAY = THURSDAY + timedelta(days=1)
DRAFT = Order(
    order_id=UUID(int=1),
    number=1001,
    supplier_id=1,
    site_id=1,
    lines=(
        Line(number=1, bin_id=7, item_id=70, cycle=3, quantity=100),
        Line(number=2, bin_id=8, item_id=80, cycle=1, quantity=40),
    ),
    due_at=THURSDAY,
    drafted_at=NINE,
    expires_at=NINE,
)
ALL = (Count(line=1, pieces=100), Count(line=2, pieces=40))
ACTS: dict[Verb, Act] = {
    Verb.APPROVE: Approve(by="ada"),
    Verb.SEND: Send(),
    Verb.ACKNOWLEDGE: Acknowledge(by="ferro"),
    Verb.CONFIRM: Confirm(by="ferro", promises=(Promise(line=1, at=FRIDAY),)),
    Verb.CHANGE: Change(change_id="c1", by="ferro", lines=(Other(line=1, pieces=80, at=FRIDAY),)),
    Verb.ACCEPT: Accept(change_id="c1", by="ada"),
    Verb.REJECT: Reject(change_id="c1", by="ada"),
    Verb.SHIP: Ship(shipment_id="s1", counts=ALL, expected_at=FRIDAY),
    Verb.RECEIVE: Receive(receipt_id="r1", counts=ALL),
    **{
        verb: End(verb=verb, by="ada", because="asked for")
        for verb in (Verb.CLOSE, Verb.REFUSE, Verb.CANCEL, Verb.EXPIRE)
    },
    Verb.LEAVE: Leave(lines=(2,), because="filled by hand"),
}
PART = Receive(receipt_id="r0", counts=(Count(line=1, pieces=60),))


def after(*acts: Verb | Act, order: Order = DRAFT, now: datetime = TEN) -> Order:
    for act in acts:
        order = apply(order, ACTS[act] if isinstance(act, Verb) else act, now)
    return order


SENT = after(Verb.APPROVE, Verb.SEND, now=NINE)
REACHED: dict[State, Order] = {
    State.DRAFT: DRAFT,
    State.APPROVED: after(Verb.APPROVE),
    State.SENT: SENT,
    State.ACKNOWLEDGED: after(Verb.ACKNOWLEDGE, order=SENT),
    State.CONFIRMED: after(Confirm(by="ferro"), order=SENT),
    State.CHANGED: after(Verb.CHANGE, order=SENT),
    State.SHIPPED: after(Ship(shipment_id="s0", counts=ALL), order=SENT),
    State.PART_DELIVERED: after(PART, order=SENT),
    State.RECEIVED: after(Receive(receipt_id="r0", counts=ALL), order=SENT),
    State.CLOSED: after(Receive(receipt_id="r0", counts=ALL), Verb.CLOSE, order=SENT),
    State.REFUSED: after(Verb.REFUSE, order=SENT),
    State.CANCELLED: after(Verb.CANCEL, order=SENT),
    State.EXPIRED: after(Verb.EXPIRE),
}
EVERY = [(state, verb) for state in State for verb in Verb]


def test_every_state_is_reached() -> None:
    assert {state: order.state for state, order in REACHED.items()} == {s: s for s in State}
    assert set(EDGES) == set(State)


@pytest.mark.parametrize(("state", "verb"), EVERY)
def test_every_state_and_verb_is_an_edge_a_repeat_or_a_refusal(state: State, verb: Verb) -> None:
    order = REACHED[state]
    assert may(order, verb) is (verb in EDGES[state])
    if state in DONE_BEFORE.get(verb, ()):
        assert apply(order, ACTS[verb], TEN) is order
    elif verb in EDGES[state]:
        moved = apply(order, ACTS[verb], TEN)
        assert moved.state in EDGES[state][verb]
        assert moved != order or verb is Verb.CHANGE
        assert apply(moved, ACTS[verb], THURSDAY) is moved, "the same again changes nothing"
    else:
        with pytest.raises(Refusal) as no:
            apply(order, ACTS[verb], TEN)
        assert no.value.sentence
        assert no.value.what_to_do


@pytest.mark.parametrize(
    ("state", "verb", "no"),
    [
        (State.DRAFT, Verb.SEND, refusals.OrderIsDraft),
        (State.APPROVED, Verb.ACKNOWLEDGE, refusals.OrderNotSent),
        (State.SENT, Verb.EXPIRE, refusals.OrderAlreadySent),
        (State.SENT, Verb.ACCEPT, refusals.NoChangeProposed),
        (State.CONFIRMED, Verb.CLOSE, refusals.OrderAlreadyConfirmed),
        (State.CHANGED, Verb.CLOSE, refusals.OrderChangeIsWaiting),
        (State.SHIPPED, Verb.CANCEL, refusals.OrderAlreadyShipped),
        (State.RECEIVED, Verb.CANCEL, refusals.OrderAlreadyReceived),
        (State.CLOSED, Verb.RECEIVE, refusals.OrderAlreadyClosed),
        (State.CLOSED, Verb.ACCEPT, refusals.OrderAlreadyClosed),
        (State.REFUSED, Verb.SHIP, refusals.OrderWasRefused),
        (State.CANCELLED, Verb.SHIP, refusals.OrderWasCancelled),
        (State.EXPIRED, Verb.APPROVE, refusals.OrderHasExpired),
    ],
)
def test_a_refusal_says_what_stands_in_the_way(state: State, verb: Verb, no: type[Refusal]) -> None:
    with pytest.raises(no):
        apply(REACHED[state], ACTS[verb], TEN)


def test_a_draft_expires_when_its_time_is_over_and_not_before() -> None:
    for expires_at in (None, TEN + timedelta(seconds=1)):
        with pytest.raises(refusals.DraftStillValid):
            after(Verb.EXPIRE, order=replace(DRAFT, expires_at=expires_at))


def test_a_line_leaves_an_order_that_is_not_sent_and_something_is_always_left_of_it() -> None:
    left = after(Verb.LEAVE)
    assert [(line.quantity, line.left) for line in left.lines] == [(100, False), (0, True)]
    for lines in ((1,), (1, 2)):
        with pytest.raises(refusals.QuantityImpossible):
            apply(left, Leave(lines=lines, because="x"), TEN)
    with pytest.raises(refusals.LineUnknown):
        apply(DRAFT, Leave(lines=(3,), because="x"), TEN)
    whole = after(
        Verb.APPROVE, Verb.SEND, Receive(receipt_id="r", counts=(Count(line=1, pieces=100),)),
        order=left,
    )  # fmt: skip
    assert whole.state is State.RECEIVED, "nothing is to come of what left"


def test_what_both_sides_agree_will_not_come_has_not_left() -> None:
    change = Change(change_id="c", by="ferro", lines=(Other(line=2, pieces=0, at=FRIDAY),))
    changed = after(change, Accept(change_id="c", by="ada"), order=SENT)
    assert [(line.quantity, line.left) for line in changed.lines] == [(100, False), (0, False)]


def test_an_order_is_received_when_every_line_is_whole() -> None:
    rest = (Count(line=1, pieces=40), Count(line=2, pieces=40))
    part = after(PART, order=SENT)
    assert part.state is State.PART_DELIVERED
    whole = after(Receive(receipt_id="r2", counts=rest), order=part)
    assert whole.state is State.RECEIVED
    assert [line.received for line in whole.lines] == [100, 40]


def test_a_delivery_told_twice_is_received_once() -> None:
    part = after(PART, order=SENT)
    assert after(PART, order=part) is part
    with pytest.raises(refusals.NumberUsedTwice):
        after(replace(PART, counts=ALL), order=part)


def test_a_shipment_told_twice_is_one_and_with_other_contents_it_is_refused() -> None:
    shipped = after(Verb.SHIP, order=SENT)
    assert after(Verb.SHIP, order=shipped) is shipped
    with pytest.raises(refusals.NumberUsedTwice):
        after(Ship(shipment_id="s1", counts=ALL[:1]), order=shipped)
    assert [line.promised_at for line in shipped.lines] == [FRIDAY, FRIDAY]


def test_a_shipment_told_after_it_arrived_is_noted_and_takes_nothing_back() -> None:
    late = after(Verb.RECEIVE, Verb.SHIP, order=SENT)
    assert late.state is State.RECEIVED
    assert [line.shipped for line in late.lines] == [100, 40]


def test_another_date_is_a_change_of_mind_and_another_quantity_needs_an_answer() -> None:
    confirmed = after(Verb.CONFIRM, order=SENT)
    moved = after(Confirm(by="ferro", promises=(Promise(line=1, at=THURSDAY),)), order=confirmed)
    assert moved.lines[0].promised_at == THURSDAY
    accepted = after(Verb.CHANGE, Verb.ACCEPT, order=moved)
    assert (accepted.lines[0].quantity, accepted.lines[0].promised_at) == (80, FRIDAY)
    rejected = after(Verb.CHANGE, Verb.REJECT, order=moved)
    assert rejected.lines == moved.lines


def test_a_line_that_will_not_come_is_changed_to_nothing() -> None:
    none = Change(change_id="c3", by="ferro", lines=(Other(line=2, pieces=0, at=FRIDAY),))
    rest = Receive(receipt_id="r3", counts=(Count(line=1, pieces=100),))
    order = after(none, Accept(change_id="c3", by="ada"), rest, order=SENT)
    assert order.state is State.RECEIVED
    assert open_lines(order, 8)[0].outstanding == 0


def test_nobody_accepts_a_change_that_was_replaced_meanwhile() -> None:
    newer = Change(change_id="c2", by="ferro", lines=(Other(line=1, pieces=10, at=FRIDAY),))
    changed = after(Verb.CHANGE, newer, order=SENT)
    with pytest.raises(refusals.ChangeWasReplaced):
        after(Verb.ACCEPT, order=changed)


def test_the_first_answer_stays_named() -> None:
    first = after(Verb.ACKNOWLEDGE, order=SENT)
    later = apply(first, Confirm(by="somebody"), THURSDAY)
    assert (later.answered_at, later.answered_by) == (TEN, "ferro")


@pytest.mark.parametrize(
    ("counts", "no"),
    [
        ((Count(line=9, pieces=1),), refusals.LineUnknown),
        ((Count(line=1, pieces=1), Count(line=1, pieces=1)), refusals.LineUnknown),
        ((Count(line=1, pieces=0),), refusals.QuantityImpossible),
        ((), refusals.QuantityImpossible),
    ],
)
def test_lines_and_quantities_must_make_sense(counts: tuple[Count, ...], no: type[Refusal]) -> None:
    for act in (Ship(shipment_id="x", counts=counts), Receive(receipt_id="x", counts=counts)):
        with pytest.raises(no):
            after(act, order=SENT)


def test_what_is_still_to_come_is_what_was_ordered_less_what_came() -> None:
    (line,) = open_lines(after(PART, order=SENT), 7)
    assert (line.outstanding, line.cycle, line.expected_at) == (40, 3, THURSDAY)
    (promised,) = open_lines(after(Verb.CONFIRM, order=SENT), 7)
    assert promised.expected_at == FRIDAY
    assert open_lines(DRAFT, 7)[0].outstanding == 100, "a draft that waits is not drafted again"
    for state in ENDED:
        assert open_lines(REACHED[state], 7) == ()


@given(
    acts=st.lists(st.sampled_from([*ACTS.values(), PART]), max_size=12),
    again=st.lists(st.integers(1, 3), min_size=12, max_size=12),
)
def test_repeats_and_nonsense_between_change_nothing(acts: list[Act], again: list[int]) -> None:
    def played(times: list[int]) -> Order:
        order = DRAFT
        for act, repeats in zip(acts, times, strict=False):
            for _ in range(repeats):
                try:
                    order = apply(order, act, TEN)
                except Refusal:
                    continue
        return order

    once, often = played([1] * 12), played(again)
    assert once == often
    received = sum(count.pieces for one in once.receipts for count in one.counts)
    assert sum(line.received for line in once.lines) == received
    assert (once.state in ENDED) is (once.ended_at is not None)
