from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.breaches import Breach, Limits, next_breach

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
LIMITS = Limits(minimum=20, margin=10, capacity=100)


def breach_after(*pieces: int, limits: Limits = LIMITS) -> Breach | None:
    breach = None
    for count in pieces:
        breach = next_breach(breach, count, NINE, limits)
    return breach


@pytest.mark.parametrize("pieces", [20, 19, 0])
def test_a_bin_is_low_at_its_minimum(pieces: int) -> None:
    assert breach_after(21) is None
    assert breach_after(pieces) is not None


def test_a_hand_on_the_bin_does_not_close_it() -> None:
    assert breach_after(20, 25, 19) == Breach(opened_at=NINE, opened_pieces=20, lowest_pieces=19)


def test_a_breach_closes_above_minimum_and_margin() -> None:
    assert breach_after(20, 30) is not None
    assert breach_after(20, 31) is None


def test_a_full_bin_is_not_low_however_wide_the_margin() -> None:
    wide = Limits(minimum=20, margin=500, capacity=100)
    assert breach_after(20, 99, limits=wide) is not None
    assert breach_after(20, 100, limits=wide) is None


def test_a_bin_may_be_low_again_after_it_was_refilled() -> None:
    assert breach_after(20, 80, 10) == Breach(opened_at=NINE, opened_pieces=10, lowest_pieces=10)


@given(
    pieces=st.lists(st.integers(0, 100), min_size=1),
    repeats=st.lists(st.integers(1, 4), min_size=1),
)
def test_the_same_reading_again_changes_nothing(pieces: list[int], repeats: list[int]) -> None:
    doubled = [count for at, count in enumerate(pieces) for _ in range(repeats[at % len(repeats)])]
    assert breach_after(*pieces) == breach_after(*doubled)
