from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.orders import (
    Order,
    OrderState,
    Place,
    Wait,
    acknowledge,
    close,
    decide_order,
    order_label,
)
from cloud.core.refusals import OrderAlreadyClosed

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
PLACED = Order(
    order_id=UUID(int=1),
    number=1001,
    bin_id=1,
    supplier_id=1,
    quantity=1_500,
    state=OrderState.PLACED,
    placed_at=NINE,
)
ANSWERED = acknowledge(PLACED, "ferro", NINE)


@pytest.mark.parametrize(
    ("pieces", "pack", "quantity", "because"),
    [
        (412, 500, 1_500, "412 left, minimum 500; 3 packs of 500 fit into the room for 1,588."),
        (412, 1_500, 1_500, "412 left, minimum 500; 1 pack of 1,500 fits into the room for 1,588."),
        (412, 1, 1_588, "412 left, minimum 500; 1,588 more fit into the room for 1,588."),
        (0, 2_000, 2_000, "0 left, minimum 500; 1 pack of 2,000 fits into the room for 2,000."),
    ],
)
def test_the_bin_is_filled_in_whole_packs(
    pieces: int, pack: int, quantity: int, because: str
) -> None:
    decision = decide_order(pieces=pieces, minimum=500, capacity=2_000, pack=pack)
    assert decision == Place(quantity=quantity, packs=quantity // pack, because=because)


def test_a_pack_that_does_not_fit_is_not_ordered_and_the_reason_is_told() -> None:
    assert decide_order(pieces=412, minimum=500, capacity=2_000, pack=1_600) == Wait(
        because="412 left, minimum 500; a pack of 1,600 does not fit into the room for 1,588."
    )


@given(pieces=st.integers(0, 10**6), capacity=st.integers(1, 10**6), pack=st.integers(1, 10**6))
def test_an_order_is_whole_packs_and_never_overfills(pieces: int, capacity: int, pack: int) -> None:
    decision = decide_order(pieces=pieces, minimum=0, capacity=capacity, pack=pack)
    match decision:
        case Place(quantity=quantity, packs=packs):
            assert quantity == packs * pack > 0
            assert pieces + quantity <= capacity < pieces + quantity + pack
        case Wait():
            assert pieces + pack > capacity
    assert decision.because


def test_acknowledging_names_who_and_when() -> None:
    assert ANSWERED.state is OrderState.ACKNOWLEDGED
    assert (ANSWERED.acknowledged_at, ANSWERED.acknowledged_by) == (NINE, "ferro")


def test_the_first_to_acknowledge_stays_named() -> None:
    assert acknowledge(ANSWERED, "somebody else", TEN) is ANSWERED


@pytest.mark.parametrize("order", [PLACED, ANSWERED])
def test_a_refill_closes_an_order_answered_or_not(order: Order) -> None:
    closed = close(order, 1_488, TEN)
    assert (closed.state, closed.received_pieces, closed.closed_at) == ("closed", 1_488, TEN)


def test_a_closed_order_is_neither_acknowledged_nor_closed_again() -> None:
    closed = close(PLACED, 1_488, NINE)
    with pytest.raises(OrderAlreadyClosed):
        acknowledge(closed, "ferro", TEN)
    with pytest.raises(OrderAlreadyClosed):
        close(closed, 1, TEN)


def test_an_order_is_called_the_same_everywhere() -> None:
    assert order_label(1001) == "RO-1001"
