"""The methods of others, many items at once, are those of one item at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.forecasts import smoothing
from cloud.core.forecasts.classics import (
    CLASSICS,
    FACTORS,
    SHARES,
    croston_means,
    ours,
    overlapping_windows,
    rule_of_thumb,
    sba_means,
    ses_means,
    tsb_means,
)

PAIRS = {
    "ses": (ses_means, lambda series: smoothing.ses(series, 0.1)),
    "croston": (croston_means, lambda series: smoothing.croston(series, 0.1)),
    "sba": (sba_means, lambda series: smoothing.sba(series, 0.1)),
    "tsb": (tsb_means, lambda series: smoothing.tsb(series, 0.1, 0.1)),
}


@pytest.mark.parametrize("name", PAIRS)
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 1))
def test_columns_are_the_forecasts_of_one_series(name: str, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    demand = (rng.random((4, 20)) < share) * rng.integers(1, 30, (4, 20)).astype(float)
    many, one = PAIRS[name]
    means = many(demand)
    for row, series in zip(means, demand, strict=True):
        for t in (0, 7, 19):
            assert row[t] == pytest.approx(one(series[: t + 1].tolist()), abs=1e-9)


@pytest.mark.parametrize("name", [*CLASSICS, "ours", "fixed", "re-sized"])
def test_no_method_sees_ahead(name: str) -> None:
    known = {**CLASSICS, "ours": ours, "fixed": rule_of_thumb(set_once_at=9)}
    method = known.get(name, rule_of_thumb())
    demand = np.random.default_rng(1).poisson(3, (12, 40)).astype(float)
    other = demand.copy()
    other[:, 21:] = 500
    assert np.array_equal(method(demand, 2)(20), method(other, 2)(20))


def test_a_rule_of_thumb_is_so_many_times_the_usage() -> None:
    demand = np.array([[2.0, 4.0, 6.0, 100.0]])
    assert rule_of_thumb(set_once_at=1)(demand, 1)(3) == pytest.approx(3 * 2 * FACTORS[None])
    assert rule_of_thumb()(demand, 1)(2) == pytest.approx(4 * 2 * FACTORS[None])


def test_windows_give_what_was_seen() -> None:
    demand = np.array([[0.0, 9.0, 0.0, 9.0, 0.0, 9.0, 0.0]])
    assert overlapping_windows(demand, 1)(6)[0, SHARES == 1].tolist() == [9]
