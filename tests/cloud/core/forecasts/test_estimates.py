"""Mean and spread: what they come to, what they lean on, and that they cannot see ahead."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.forecasts.estimates import credible_mean, estimate, power_law

SEEDS = st.integers(0, 10**6)


def _panel(seed: int) -> np.ndarray:
    """Items of every kind, some periods masked."""
    rng = np.random.default_rng(seed)
    share, size = rng.uniform(0, 1, (14, 1)), rng.uniform(1, 30, (14, 1))
    demand = (rng.random((14, 30)) < share) * rng.poisson(size, (14, 30)).astype(float)
    demand[rng.random((14, 30)) < rng.uniform(0, 0.9, (14, 1))] = np.nan
    return demand


@given(seed=SEEDS, protection=st.integers(1, 4), t=st.integers(0, 29))
def test_what_comes_later_changes_nothing_before_it(seed: int, protection: int, t: int) -> None:
    demand = _panel(seed)
    other = demand.copy()
    other[:, t + 1 :] = 999
    known, changed = estimate(demand, protection), estimate(other, protection)
    assert np.array_equal(known.mean[:, t], changed.mean[:, t])
    assert np.array_equal(known.spread(t), changed.spread(t))


@given(seed=SEEDS, protection=st.integers(1, 4))
def test_nothing_is_ever_no_number(seed: int, protection: int) -> None:
    found = estimate(_panel(seed), protection)
    points = found.reorder_point(29, np.array([-1.0, 0.0, 3.0]))
    assert np.isfinite(points).all()
    assert (np.diff(points, axis=1) >= 0).all()


@given(seed=SEEDS, factor=st.sampled_from([2, 10, 1000]))
def test_pieces_or_packs_give_the_same_stock(seed: int, factor: int) -> None:
    one, many = estimate(_panel(seed), 2), estimate(_panel(seed) * factor, 2)
    assert many.mean == pytest.approx(one.mean * factor)
    assert many.own == pytest.approx(one.own * factor)


def test_an_item_taken_often_is_believed_soon_one_taken_seldom_late() -> None:
    often = np.array([[2.0] * 60 + [6.0] * 10])
    seldom = np.array([([2.0] + [0.0] * 9) * 6 + ([6.0] + [0.0] * 9)])
    assert credible_mean(often)[0, -1] > 4.5
    assert 0.2 < credible_mean(seldom)[0, -1] < 0.4


def test_what_is_no_longer_taken_fades() -> None:
    dead = credible_mean(np.array([[5.0] * 40 + [0.0] * 60]))
    assert dead[0, 39] == pytest.approx(5)
    assert dead[0, 99] < 1


def test_a_masked_period_is_not_a_period_without_demand() -> None:
    masked = credible_mean(np.array([[4.0, np.nan] * 20]))
    assert masked[0, -1] == pytest.approx(4)


def test_the_law_is_found_where_there_is_one() -> None:
    mean = np.geomspace(0.1, 100, 40)
    found = power_law(mean, 3 * mean**0.7)
    assert found == pytest.approx(3 * mean**0.7)
    assert power_law(mean[:5], mean[:5]) is None


def test_a_short_history_leans_on_the_law() -> None:
    rng = np.random.default_rng(1)
    demand = rng.poisson(8, (30, 60)).astype(float)
    demand[0] = np.nan
    demand[0, -6:] = 8  # has not yet shown that it varies
    spread = estimate(demand, 2).spread(59)
    assert spread[0] > 0.8 * np.median(spread[1:])


def test_an_item_without_history_has_none_and_too_few_have_no_law() -> None:
    demand = np.full((3, 20), np.nan)
    demand[0] = 5
    spread = estimate(demand, 2).spread(19)
    assert spread == pytest.approx([0, 0, 0])
