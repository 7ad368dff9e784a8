from datetime import UTC, datetime, timedelta

import pytest

from cloud.core.policies.base import Ask, Place, Terms, Wait
from cloud.core.policies.two_bin import TwoBin, cards_needed, lost_cards, pieces_per_bin
from cloud.core.stock import Stock

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("per_day", "days", "percent", "container", "cards", "per_bin"),
    [(500, 2, 10, 100, 11, 1_100), (42, 5, 25, 30, 9, 263)],
)
def test_there_are_enough_containers_for_the_way_there_and_back(
    *, per_day: int, days: int, percent: int, container: int, cards: int, per_bin: int
) -> None:
    assert cards_needed(
        milli_per_day=per_day * 1_000, replenish_days=days, safety_percent=percent,
        container=container,
    ) == cards  # fmt: skip
    assert pieces_per_bin(
        milli_per_day=per_day * 1_000, replenish_days=days, safety_percent=percent
    ) == per_bin  # fmt: skip


@pytest.mark.parametrize(
    ("empty", "coming", "quantity"),
    [(0, 0, 0), (1, 0, 100), (1, 100, 0), (2, 100, 100), (2, 200, 0), (3, 0, 200)],
)
def test_an_empty_container_is_ordered_once(empty: int, coming: int, quantity: int) -> None:
    stock = Stock(
        at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=0, empty_containers=empty, covering=coming
    )
    decision = TwoBin(container=100).decide(stock, Terms(), NOW)
    assert (decision.quantity if isinstance(decision, Place) else 0) == quantity


def test_both_empty_within_one_lead_time_says_there_are_too_few() -> None:
    stock = Stock(
        at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=0, empty_containers=2, covering=200
    )
    assert TwoBin(container=100).decide(stock, Terms(), NOW) == Wait(
        because="2 of 2 empty, 2 on order.", ask=Ask.UNDER_DIMENSIONED
    )


def test_a_container_unseen_for_three_rounds_is_lost() -> None:
    week = timedelta(days=7)
    seen = {"A": NOW - 3 * week, "C": NOW - 4 * week, "B": NOW - 3 * week - timedelta(seconds=1)}
    assert lost_cards(seen, week, NOW) == ("B", "C")
