"""The z that was right in the past, and what is learnt from how the last one did."""

import numpy as np
import pytest

from cloud.core.forecasts.calibration import (
    Z_TRIED,
    Group,
    replayed_history,
    settings_over_time,
    z_for_cycles,
)
from cloud.core.forecasts.estimates import estimate
from cloud.core.forecasts.panels import Floats
from cloud.core.forecasts.replaying import Lot, replay, tally


def _group(items: int = 300, periods: int = 100, seed: int = 2) -> Group:
    rng = np.random.default_rng(seed)
    share, size = rng.uniform(0.1, 1, (items, 1)), rng.uniform(1, 20, (items, 1))
    demand = (rng.random((items, periods)) < share) * rng.geometric(1 / size, (items, periods))
    one = np.ones(items)
    lot = Lot(quantity=2 * demand.mean(axis=1) + 1, moq=one, pack=one)
    return Group(demand=demand.astype(float), price=rng.uniform(1, 9, items), lot=lot)


def _fill(group: Group, z: Floats, since: int) -> float:
    estimates = estimate(group.demand, 3)
    points = [estimates.reorder_point(t, z[t]) for t in range(since, group.demand.shape[1])]
    later = group.demand[:, since:]
    start = points[0] + group.lot.quantity[:, None]
    return float(
        tally(later, replay(later, points, start, group.lot, 2)).curve(group.price).value_fill[0]
    )


@pytest.mark.parametrize("asked", [0.9, 0.95, 0.98])
def test_what_is_asked_is_achieved_within_a_point_in_the_time_to_come(asked: float) -> None:
    group = _group()
    z = settings_over_time(group, estimate(group.demand, 3), np.array([asked]))
    assert _fill(group, z, since=50) == pytest.approx(asked, abs=0.01)


def test_a_setting_knows_nothing_of_what_comes_later() -> None:
    group = _group(items=40, periods=60)
    changed = group.demand.copy()
    changed[:, 40:] *= 9
    other = Group(demand=changed, price=group.price, lot=group.lot)
    asked = np.array([0.95])
    one, two = (settings_over_time(g, estimate(g.demand, 3), asked) for g in (group, other))
    assert np.array_equal(one[:40], two[:40])
    assert not np.array_equal(one[40:], two[40:])


def test_demand_that_rises_is_answered() -> None:
    group = _group()
    risen = group.demand.copy()
    risen[:, 50:] = np.round(risen[:, 50:] * np.linspace(1, 4, 50))
    rising = Group(demand=risen, price=group.price, lot=group.lot)
    asked = np.array([0.95])
    z = settings_over_time(rising, estimate(risen, 3), asked)
    kept = np.repeat(z[49:50], 100, axis=0)
    assert _fill(rising, z, since=50) > _fill(rising, kept, since=50) + 0.005


def test_a_higher_z_serves_no_less_at_any_time() -> None:
    group = _group(items=60)
    history = replayed_history(group, estimate(group.demand, 2))
    assert (np.diff(history.served, axis=1) >= -1e-6).all()
    assert (history.served <= history.wanted[:, None] + 1e-6).all()


def test_where_nothing_could_be_replayed_an_experienced_z_is_taken() -> None:
    group = _group(items=5, periods=4)
    history = replayed_history(group, estimate(group.demand, 3))
    assert history.z_for(3, 0.95) == pytest.approx(1.8)
    assert Z_TRIED[0] <= history.z_for(3, 0.5) <= history.z_for(3, 0.98) <= Z_TRIED[-1]


@pytest.mark.parametrize("service", [0.8, 0.95])
def test_cycle_service_is_the_share_of_intervals_that_were_covered(service: float) -> None:
    group = _group()
    estimates = estimate(group.demand, 3)
    z = z_for_cycles(group.demand, estimates, service)
    t = np.arange(20, 96)
    covered = [
        group.demand[:, k + 1 : k + 4].sum(axis=1)
        <= estimates.reorder_point(int(k), np.array([z]))[:, 0] + 1e-9
        for k in t
    ]
    assert np.mean(covered) == pytest.approx(service, abs=0.01)


def test_without_an_interval_there_is_no_cycle_to_count() -> None:
    assert np.isnan(z_for_cycles(np.ones((3, 4)), estimate(np.ones((3, 4)), 3), 0.95))


def test_a_handful_of_bins_leans_on_what_others_needed() -> None:
    few, many = _group(items=2, periods=30), _group(items=300, periods=30)
    asked = np.array([0.95])
    z_few, z_many = (settings_over_time(g, estimate(g.demand, 2), asked) for g in (few, many))
    assert 0.5 < z_few[-1, 0] < 4
    assert 0.5 < z_many[-1, 0] < 4
