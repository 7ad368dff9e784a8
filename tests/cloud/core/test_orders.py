from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cloud.core.orders import (
    Order,
    OrderState,
    acknowledge,
    close,
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
