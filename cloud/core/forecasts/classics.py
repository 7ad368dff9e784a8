"""The ways of setting reorder points that others use, for many items: what ours is measured by.

Each takes the demand of all items and a lead time and gives, for a period, the reorder points of
all items (rows) under each alternative (columns): factors of a rule of thumb, or z of a normal
error. Alpha is 0.1; the error is that of one period, scaled by the root of the interval.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cloud.core.forecasts.estimates import estimate
from cloud.core.forecasts.panels import Floats, window_sums
from cloud.core.forecasts.smoothing import SBA_FACTOR

PointsAt = Callable[[int], Floats]
Method = Callable[[Floats, int], PointsAt]

ALPHA = 0.1
FACTORS = np.geomspace(0.25, 60, 28)
Z = np.concatenate([np.linspace(-0.5, 2, 16), np.geomspace(2.2, 10, 12)])
SHARES = np.append(1 - np.geomspace(0.5, 0.001, 18), 1.0)


def rule_of_thumb(*, set_once_at: int | None = None) -> Method:
    """So many times the usage over the interval: as first set, or as it has been so far."""

    def method(demand: Floats, lead_time: int) -> PointsAt:
        total = np.cumsum(np.nan_to_num(demand), axis=1)

        def points(t: int) -> Floats:
            end = t if set_once_at is None else set_once_at
            found: Floats = total[:, end, None] / (end + 1) * (lead_time + 1) * FACTORS
            return found

        return points

    return method


@dataclass(frozen=True, kw_only=True)
class NormalError:
    """A mean per period, and the root mean square of its one-period errors so far."""

    protection: int
    means: Floats
    spreads: Floats

    def reorder_point(self, t: int, z: Floats) -> Floats:
        point: Floats = self.means[:, t, None] * self.protection + z * self.spreads[:, t, None]
        return point


def normal_error(means: Floats, demand: Floats, protection: int) -> NormalError:
    squares = np.cumsum((demand[:, 1:] - means[:, :-1]) ** 2, axis=1)
    spreads = np.zeros_like(demand)
    spreads[:, 1:] = np.sqrt(squares / np.arange(1, demand.shape[1]) * protection)
    return NormalError(protection=protection, means=means, spreads=spreads)


def with_normal_error(forecast: Callable[[Floats], Floats]) -> Method:
    def method(demand: Floats, lead_time: int) -> PointsAt:
        known = normal_error(forecast(demand), demand, lead_time + 1)
        return lambda t: known.reorder_point(t, Z)

    return method


def overlapping_windows(demand: Floats, lead_time: int) -> PointsAt:
    """The shares of the sums that were seen."""
    sums = window_sums(demand, lead_time + 1)

    def points(t: int) -> Floats:
        found: Floats = np.quantile(sums[:, : max(1, t - lead_time)], SHARES, axis=1).T
        return found

    return points


def ours(demand: Floats, lead_time: int) -> PointsAt:
    estimates = estimate(demand, lead_time + 1)
    return lambda t: estimates.reorder_point(t, Z)


def ses_means(demand: Floats) -> Floats:
    means = np.empty_like(demand)
    level = demand[:, 0]
    for t in range(demand.shape[1]):
        level = level + ALPHA * (demand[:, t] - level)
        means[:, t] = level
    return means


def croston_means(demand: Floats) -> Floats:
    items = len(demand)
    size, interval, since = np.zeros(items), np.ones(items), np.zeros(items)
    begun = np.zeros(items, bool)
    means = np.empty_like(demand)
    for t in range(demand.shape[1]):
        since += 1
        taken = demand[:, t] > 0
        weight = np.where(taken, np.where(begun, ALPHA, 1.0), 0.0)
        size += weight * (demand[:, t] - size)
        interval += weight * (since - interval)
        since[taken] = 0
        begun |= taken
        means[:, t] = size / interval
    return means


def sba_means(demand: Floats) -> Floats:
    return SBA_FACTOR * croston_means(demand)


def tsb_means(demand: Floats) -> Floats:
    size = np.zeros(len(demand))
    probability = (demand[:, 0] > 0).astype(float)
    begun = np.zeros(len(demand), bool)
    means = np.empty_like(demand)
    for t in range(demand.shape[1]):
        taken = demand[:, t] > 0
        probability += ALPHA * (taken - probability)
        size += np.where(taken, np.where(begun, ALPHA, 1.0), 0.0) * (demand[:, t] - size)
        begun |= taken
        means[:, t] = probability * size
    return means


SES_NORMAL = "SES + normal"
CLASSICS: dict[str, Method] = {
    SES_NORMAL: with_normal_error(ses_means),
    "Croston + normal": with_normal_error(croston_means),
    "SBA + normal": with_normal_error(sba_means),
    "TSB + normal": with_normal_error(tsb_means),
    "overlapping windows": overlapping_windows,
}
