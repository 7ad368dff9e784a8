"""A quantity is known only where nothing else can be meant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cloud.core.deliveries import Announced, Refill, is_far_off, known_of

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORDER = Announced(
    order_id=UUID(int=1),
    label="RO-1001",
    pieces=500,
    shipped=False,
    placed_at=NINE,
    closed_at=NINE + 4 * HOUR,
)
CAME = Refill(
    movement_id=7, event_at=NINE + 3 * HOUR, pieces=500, before_mg=400_000, after_mg=2_500_000
)


def at(hours: float, pieces: int = 500) -> Refill:
    return replace(CAME, event_at=NINE + hours * HOUR, pieces=pieces)


def test_one_order_and_one_refill_of_the_ordered_number_are_known() -> None:
    assert known_of(ORDER, [CAME], []) == CAME


@pytest.mark.parametrize(
    ("refills", "others"),
    [
        ([], []),
        ([at(3), at(4.5)], []),  # poured in in two steps
        ([at(-1)], []),  # before it was ordered
        ([at(6)], []),  # long after it was closed
        ([at(3, 498)], []),  # ordered is not shipped: two may be missing
        ([at(3)], [replace(ORDER, order_id=UUID(int=2), placed_at=NINE - HOUR)]),
    ],
)
def test_where_something_else_can_be_meant_nothing_is_known(
    refills: list[Refill], others: list[Announced]
) -> None:
    assert known_of(ORDER, refills, others) is None


def test_what_was_shipped_may_weigh_a_little_else() -> None:
    shipped = replace(ORDER, shipped=True)
    assert known_of(shipped, [at(3, 512)], []) is not None
    assert known_of(shipped, [at(3, 470)], []) is None, "he sent fewer than he says"


def test_a_weight_of_another_quantity_is_far_off() -> None:
    assert not is_far_off(CAME, 500, 4_200_000)
    assert not is_far_off(CAME, 420, 4_200_000)
    assert is_far_off(CAME, 1_000, 4_200_000)
    assert is_far_off(CAME, 380, 4_200_000)
