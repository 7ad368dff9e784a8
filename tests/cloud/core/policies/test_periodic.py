from datetime import UTC, date, datetime

import pytest

from cloud.core.policies.base import Place, Terms, Wait
from cloud.core.policies.periodic import Periodic
from cloud.core.stock import Stock

WEEKLY = Periodic(order_up_to=100, every_days=7, first_day=date(2026, 12, 1), zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "orders"),
    [
        (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 30, 23, 1, tzinfo=UTC), True),  # there it is the first already
        (datetime(2026, 12, 2, 9, tzinfo=UTC), False),
        (datetime(2026, 12, 8, 9, tzinfo=UTC), True),
    ],
)
def test_it_orders_on_the_suppliers_review_days_only(*, now: datetime, orders: bool) -> None:
    decision = WEEKLY.decide(
        Stock(at=now, arrives_at=now, covers_until=now, on_hand=60), Terms(), now
    )
    assert isinstance(decision, Place if orders else Wait)
    if isinstance(decision, Place):
        assert decision.quantity == 40


def test_each_review_is_a_cycle_of_its_own() -> None:
    days = (datetime(2026, 11, 30, 9, tzinfo=UTC), datetime(2026, 12, 7, 9, tzinfo=UTC),
            datetime(2026, 12, 8, 9, tzinfo=UTC))  # fmt: skip
    assert [WEEKLY.review_at(day) for day in days] == [0, 1, 2]


def test_a_full_bin_is_reviewed_and_nothing_is_ordered() -> None:
    now = datetime(2026, 12, 8, 9, tzinfo=UTC)
    decision = WEEKLY.decide(
        Stock(at=now, arrives_at=now, covers_until=now, on_hand=100), Terms(), now
    )
    assert decision.because == ("100 on hand, reviewed every 7 d, up to 100; nothing is missing.")
