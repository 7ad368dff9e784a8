"""Histories side by side: what was not seen stays unknown, whatever is done with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.forecasts.panels import by_week, panel, window_sums

HISTORY = st.lists(st.none() | st.integers(0, 50), max_size=40)


def test_histories_end_together() -> None:
    found = panel([[1, 2, None], [7]])
    assert found[0, :2].tolist() == [1, 2]
    assert np.isnan(found[0, 2])
    assert np.isnan(found[1, :2]).all()
    assert found[1, 2] == 7


def test_no_items_and_no_history_are_no_mistake() -> None:
    assert panel([]).shape == (0, 0)
    assert panel([[], []]).shape == (2, 0)
    assert by_week(panel([[], []])).shape == (2, 0)


@given(history=HISTORY, periods=st.integers(1, 5))
def test_a_window_is_the_sum_of_what_follows_or_unknown(
    history: list[int | None], periods: int
) -> None:
    found = window_sums(panel([history]), periods)
    for t in range(len(history)):
        run = history[t + 1 : t + 1 + periods]
        if len(run) < periods or None in run:
            assert np.isnan(found[0, t])
        else:
            assert found[0, t] == sum(value for value in run if value is not None)


@given(history=st.lists(st.integers(0, 50), min_size=7, max_size=60))
def test_whole_weeks_lose_nothing(history: list[int]) -> None:
    whole = len(history) // 7 * 7
    weeks = by_week(panel([history[len(history) - whole :]]))
    assert weeks.sum() == sum(history[len(history) - whole :])


@pytest.mark.parametrize(("seen", "sum_"), [(7, 7.0), (4, 7.0), (3, None), (0, None)])
def test_a_week_counts_if_most_of_it_was_seen(seen: int, sum_: float | None) -> None:
    week = by_week(panel([[1] * seen + [None] * (7 - seen)]))[0, 0]
    assert np.isnan(week) if sum_ is None else week == sum_
