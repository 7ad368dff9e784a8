from datetime import UTC, datetime

import pytest

from cloud.core.policies.base import Place, Terms
from cloud.core.policies.fixed_quantity import FixedQuantity
from cloud.core.stock import Stock

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("on_hand", "multiples", "at_is_low", "quantity"),
    [
        (3, True, True, 8),  # 11 is above 10
        (2, True, True, 16),  # 10 would still be low
        (2, True, False, 8),
        (0, True, True, 16),
        (0, False, True, 8),
        (10, True, True, 8),
        (11, True, True, 0),
    ],
)
def test_as_many_quantities_as_it_takes(
    *, on_hand: int, multiples: bool, at_is_low: bool, quantity: int
) -> None:
    policy = FixedQuantity(reorder_point=10, quantity=8, multiples=multiples)
    stock = Stock(at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=on_hand)
    decision = policy.decide(stock, Terms(at_is_low=at_is_low), NOW)
    assert (decision.quantity if isinstance(decision, Place) else 0) == quantity
