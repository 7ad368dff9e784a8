from datetime import UTC, datetime

import pytest

from cloud.core.policies.base import Place, Terms, Wait
from cloud.core.policies.days_of_supply import DaysOfSupply
from cloud.core.stock import Stock

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("on_hand", "milli", "quantity"),
    [(50, 10_000, 100), (51, 10_000, 0), (7, 1_286, 13), (0, 0, 0)],
)
def test_days_become_pieces_by_the_rate(on_hand: int, milli: int, quantity: int) -> None:
    policy = DaysOfSupply(days_min=5, days_max=15, rate_milli_per_day=milli)
    decision = policy.decide(
        Stock(at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=on_hand), Terms(), NOW
    )
    assert (decision.quantity if isinstance(decision, Place) else 0) == quantity


def test_what_nobody_uses_is_not_ordered_even_when_it_is_gone() -> None:
    policy = DaysOfSupply(days_min=5, days_max=15, rate_milli_per_day=0)
    decision = policy.decide(
        Stock(at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=0), Terms(), NOW
    )
    assert decision == Wait(because="0 on hand; nothing is being used.")
