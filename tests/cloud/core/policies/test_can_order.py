from datetime import UTC, datetime

import pytest

from cloud.core.policies.base import Place, Terms
from cloud.core.policies.can_order import CanOrder
from cloud.core.stock import Stock

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
POLICY = CanOrder(reorder_point=10, can_order=30, order_up_to=100)


@pytest.mark.parametrize(
    ("on_hand", "alone", "joining"), [(10, 90, 90), (11, 0, 89), (30, 0, 70), (31, 0, 0)]
)
def test_it_joins_earlier_than_it_orders_alone(on_hand: int, alone: int, joining: int) -> None:
    stock = Stock(at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=on_hand)
    for decision, quantity in (
        (POLICY.decide(stock, Terms(), NOW), alone),
        (POLICY.join(stock, Terms(), NOW), joining),
    ):
        assert (decision.quantity if isinstance(decision, Place) else 0) == quantity
