"""The judgement: same orders and same past for all; and it can say no."""

import numpy as np
import pytest

from cloud.core.forecasts.classics import SES_NORMAL
from cloud.core.forecasts.gates import (
    ASKED_FILLS,
    FIXED,
    OURS,
    DemandSet,
    Result,
    achieved_apart,
    curve_of,
    judge,
)
from cloud.core.forecasts.replaying import Lot


def _set(items: int = 120, periods: int = 90) -> DemandSet:
    rng = np.random.default_rng(4)
    share, size = rng.uniform(0.1, 0.9, (items, 1)), rng.uniform(1, 20, (items, 1))
    drift = np.exp(np.cumsum(rng.normal(0, 0.05, (items, periods)), axis=1))
    taken = rng.random((items, periods)) < share
    demand = np.round(taken * rng.geometric(1 / size, (items, periods)) * drift)
    one = np.ones(items)
    return DemandSet(
        name="made",
        demand=demand,
        price=rng.uniform(1, 9, items),
        lot=Lot(quantity=2 * demand.mean(axis=1) + 1, moq=one, pack=one),
        warm_up=45,
        every=2,
    )


@pytest.fixture(scope="module")
def result() -> Result:
    return judge(_set(), 2)


def test_each_method_has_a_stock_for_each_target(result: Result) -> None:
    assert {FIXED, OURS, SES_NORMAL} < set(result.stock)
    for name in (FIXED, OURS, SES_NORMAL):
        value_95, value_98, lines_95, lines_98 = result.stock[name]
        assert 0 < value_95 < value_98
        assert 0 < lines_95 < lines_98


def test_where_demand_drifts_ours_needs_less_than_a_rule_set_once(result: Result) -> None:
    assert result.savings[0] > 0.1
    mine, fixed = result.stock[OURS][0], result.stock[FIXED][0]
    assert result.savings[0] == pytest.approx(1 - mine / fixed)


def test_the_best_classic_is_the_least(result: Result) -> None:
    name, stock = result.best_classic(0)
    assert stock == result.stock[name][0] <= result.stock[SES_NORMAL][0]


def test_what_is_asked_is_achieved_on_other_items_and_later(result: Result) -> None:
    for asked in ASKED_FILLS:
        assert result.achieved[asked] == pytest.approx(asked, abs=0.02)
        assert result.achieved_apart[asked] == pytest.approx(asked, abs=0.02)


def test_some_items_have_all_of_them() -> None:
    demands = _set()
    some = demands.of(np.arange(120) < 60)
    assert len(some.demand) == len(some.price) == len(some.lot.pack) == 60
    assert set(achieved_apart(some, 1)) == set(ASKED_FILLS)


def test_parameters_are_estimated_as_often_as_the_set_says() -> None:
    asked: list[int] = []

    def points(t: int) -> np.ndarray:
        asked.append(t)
        return np.zeros((120, 1))

    curve_of(_set(), points, 1)
    assert asked == [44, *range(46, 90, 2)]
