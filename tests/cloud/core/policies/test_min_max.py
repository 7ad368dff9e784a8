from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cloud.core.policies.base import Ask, Place, Terms, Wait
from cloud.core.policies.min_max import MinMax
from cloud.core.stock import OpenLine, stock_of

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("on_hand", "on_order", "others", "limits", "terms", "position", "quantity"),
    [
        (12, [20], {}, (30, 60), {}, 32, 0),
        (30, [], {}, (30, 60), {}, 30, 30),
        (30, [], {}, (30, 60), {"at_is_low": False}, 30, 0),
        (7, [10, 5], {"backorders": 4}, (20, 50), {"minimum_order": 25, "pack": 10}, 18, 40),
        (5, [], {}, (10, 100), {"pack": 24, "capacity": 100}, 5, 72),
        (5, [], {}, (10, 40), {"minimum_order": 50, "capacity": 40}, 5, 0),
        (40, [], {"quarantined": 25}, (20, 60), {"pack": 5}, 15, 45),
        (50, [], {"allocated": 31}, (20, 60), {}, 19, 41),
    ],
)
def test_the_quantity_follows_from_the_position(
    *,
    on_hand: int,
    on_order: list[int],
    others: dict[str, int],
    limits: tuple[int, int],
    terms: dict[str, int],
    position: int,
    quantity: int,
) -> None:
    lines = [
        OpenLine(order_id=UUID(int=n), label=f"RO-{n}", cycle=0, ordered=n, expected_at=NOW)
        for n in on_order
    ]
    stock = stock_of(
        now=NOW,
        arrives_at=NOW + timedelta(days=2),
        covers_until=NOW + WEEK,
        grace=timedelta(),
        on_hand=on_hand,
        lines=lines,
        **others,  # type: ignore[arg-type]  # a table of whole numbers
    )
    assert stock.position == position
    decision = MinMax(reorder_point=limits[0], order_up_to=limits[1]).decide(
        stock,
        Terms(**terms),  # type: ignore[arg-type]  # a table of whole numbers
        NOW,
    )
    assert (decision.quantity if isinstance(decision, Place) else 0) == quantity
    if terms.get("capacity") == 40:
        assert isinstance(decision, Wait)
        assert decision.ask is Ask.NO_ROOM
