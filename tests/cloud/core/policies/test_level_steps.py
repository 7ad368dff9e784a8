from datetime import UTC, datetime

import pytest

from cloud.core.policies.base import Place, Terms
from cloud.core.policies.level_steps import LevelSteps, Step
from cloud.core.stock import Stock

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
POLICY = LevelSteps(
    steps=(
        Step(name="full", fewest=100, most=200),
        Step(name="half", fewest=20, most=99),
        Step(name="empty", fewest=0, most=19),
    ),
    order_at="half",
    order_up_to=180,
)


@pytest.mark.parametrize(
    ("step", "coming", "capacity", "quantity"),
    [
        ("full", 0, None, 0),
        ("half", 0, None, 160),
        ("half", 160, None, 0),
        ("empty", 0, None, 180),
        ("half", 0, 200, 101),  # 99 may lie there already
        ("empty", 0, 10, 0),  # 19 may lie there, and it holds 10
        ("torn off", 0, None, 0),
    ],
)
def test_a_step_orders_without_a_count(
    step: str, coming: int, capacity: int | None, quantity: int
) -> None:
    stock = Stock(at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=0, step=step, covering=coming)
    decision = POLICY.decide(stock, Terms(capacity=capacity), NOW)
    assert (decision.quantity if isinstance(decision, Place) else 0) == quantity
    assert decision.because
