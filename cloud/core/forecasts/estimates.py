"""What an item will need over a protection interval: the mean of it, and how far off that may be.

**The mean** is what was taken lately, held to what was taken over the long run as long as "lately"
holds few demands. An item taken every week is believed within weeks; one taken twice a year keeps
its long mean until its own demands say otherwise, and fades when they stop. So each item comes to
the mean that suits how often it is taken, without a table of methods.

**The spread** is the error of the sum over the interval, never of one period scaled up: errors of
neighbouring periods go together. Half of it is the item's own; half is what items of that mean
have, a power law fitted across all of them, because a short history has not yet seen its bad case.
An item without a history of its own has the law alone.

Everything at column t rests on the columns up to t alone, so a replay cannot know the future.
"""

from dataclasses import dataclass

import numpy as np

from cloud.core.forecasts.panels import Floats, window_sums

LATELY = 0.85  # what a period weighs against the next newer one
LONG_RUN = 0.98
DEMANDS_LONG_RUN = 1.0  # the long run weighs as much as so many demands of late
SPREAD_MEMORY = 0.97
OWN_SHARE = 0.5
OWN_WINDOWS = 8  # fewer, and the item's own spread counts less than its half
POOL_ITEMS_MIN = 10
_LEAST = 1e-9


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Per item and period; known at the end of that period."""

    protection: int
    mean: Floats  # per period
    own: Floats  # spread of the sum over the protection interval, by the item's own errors
    windows: Floats  # how many of them it rests on

    def spread(self, t: int) -> Floats:
        mean, own, windows = self.mean[:, t], self.own[:, t], self.windows[:, t]
        pooled = power_law(mean, np.where(windows > 0, own, 0.0))
        if pooled is None:
            return own
        share = OWN_SHARE * np.minimum(1.0, windows / OWN_WINDOWS)
        return share * own + (1 - share) * pooled

    def reorder_point(self, t: int, z: Floats) -> Floats:
        """Items by z."""
        return self.mean[:, t, None] * self.protection + z * self.spread(t)[:, None]


def estimate(demand: Floats, protection: int) -> Estimates:
    mean = credible_mean(demand)
    errors = window_sums(demand, protection) - protection * mean
    own, windows = _root_mean_square(errors, protection)
    return Estimates(protection=protection, mean=mean, own=own, windows=windows)


def credible_mean(demand: Floats) -> Floats:
    """Column t: the mean per period as it is known after t; 0 where nothing was seen yet."""
    seen = ~np.isnan(demand)
    taken = np.nan_to_num(demand)
    lately, long_run = _Decayed(LATELY, len(demand)), _Decayed(LONG_RUN, len(demand))
    demands = np.zeros(len(demand))
    means = np.empty_like(taken)
    for t in range(demand.shape[1]):
        lately.see(taken[:, t], seen[:, t])
        long_run.see(taken[:, t], seen[:, t])
        demands = np.where(seen[:, t], demands * LATELY + (taken[:, t] > 0), demands)
        means[:, t] = (demands * lately.mean + DEMANDS_LONG_RUN * long_run.mean) / (
            demands + DEMANDS_LONG_RUN
        )
    return means


def power_law(mean: Floats, spread: Floats) -> Floats | None:
    """The spread that items of a mean have: log-linear, least squares; None with too few items."""
    known = (mean > _LEAST) & (spread > _LEAST)
    if known.sum() < POOL_ITEMS_MIN:
        return None
    x, y = np.log(mean[known]), np.log(spread[known])
    variance = np.var(x)
    slope = np.mean((x - x.mean()) * (y - y.mean())) / variance if variance > _LEAST else 0.0
    # An item that was never taken gets a little of the least that was, not the law at zero.
    at = np.log(np.maximum(mean, mean[known].min()))
    law: Floats = np.where(mean > _LEAST, np.exp(y.mean() + slope * (at - x.mean())), 0.0)
    return law


class _Decayed:
    """A mean in which each period weighs less than the next newer one."""

    def __init__(self, memory: float, items: int) -> None:
        self._memory = memory
        self._total = np.zeros(items)
        self._weight = np.zeros(items)

    def see(self, value: Floats, seen: Floats) -> None:
        self._total = np.where(seen, self._total * self._memory + value, self._total)
        self._weight = np.where(seen, self._weight * self._memory + 1, self._weight)

    @property
    def mean(self) -> Floats:
        mean: Floats = self._total / np.maximum(self._weight, 1.0)
        return mean


def _root_mean_square(errors: Floats, protection: int) -> tuple[Floats, Floats]:
    """The error at t is known `protection` periods later, and is put there."""
    squares = _Decayed(SPREAD_MEMORY, len(errors))
    count = np.zeros(len(errors))
    own, windows = np.zeros_like(errors), np.zeros_like(errors)
    for t in range(protection, errors.shape[1]):
        error = errors[:, t - protection]
        seen = ~np.isnan(error)
        squares.see(np.nan_to_num(error) ** 2, seen)
        count = count + seen
        own[:, t], windows[:, t] = np.sqrt(squares.mean), count
    return own, windows
