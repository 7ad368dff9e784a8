"""Sums of what was seen: exact, and never more than was seen."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.forecasts.distributions import convolved, of_windows


@pytest.mark.parametrize(
    "case",
    [
        ([0, 0, 3, 0, 0, 0, 5, 0, 0, 1, 0, 0], 3, 0.95, 8, 0.421875, 2.25),
        ([0, 10, 0, 0, 0, 10, 20, 0, 0, 0], 2, 0.99, 30, 0.48999999999999994, 8.0),
        ([0, 0, 0, 0, 0, 0, 0, 50], 4, 0.9, 50, 0.586181640625, 25.0),
        ([1, 2, 1, 3, 0, 2, 1, 1], 4, 0.95, 8, 0.000244140625, 5.5),
    ],
)
def test_the_convolution_is_what_a_bootstrap_tends_to(case: tuple[Any, ...]) -> None:
    history, periods, service, point, zero, mean = case
    found = convolved(history, periods)
    assert found.quantile(service) == point
    assert found.zero == pytest.approx(zero, abs=1e-9)
    assert found.mean == pytest.approx(mean, abs=1e-9)


@given(
    history=st.lists(st.none() | st.integers(0, 30), min_size=1, max_size=20),
    periods=st.integers(1, 4),
    share=st.floats(0.01, 1),
)
def test_neither_can_exceed_what_was_seen(
    history: list[int | None], periods: int, share: float
) -> None:
    seen = [value for value in history if value is not None]
    if not seen:
        return
    assert convolved(history, periods).quantile(share) <= max(seen) * periods
    windows = of_windows(history, periods)
    if windows is not None:
        assert windows.quantile(1) <= max(seen) * periods
        assert windows.loss(0) == pytest.approx(windows.mean)


def test_windows_keep_what_ties_neighbours() -> None:
    pairs = of_windows([0, 9, 0, 9, 0, 9, 0], 2)
    assert pairs is not None
    assert pairs.quantile(1) == 9
    assert convolved([0, 9, 0, 9, 0, 9, 0], 2).quantile(0.99) == 18


def test_no_window_is_no_distribution() -> None:
    assert of_windows([1, None, 2], 2) is None
    with pytest.raises(ValueError, match="no period"):
        convolved([None], 2)
    with pytest.raises(ValueError, match="count in packs"):
        convolved([2_000_000], 2)
