"""Which z gives the service that was asked for: found out by replaying what has been.

A formula promises 95 % and gives 89: errors are no bell, means drift, demand jumps past the reorder
point. So the history of all items of a group is replayed with several z, each with parameters as
they would have been known at the time, and the z is taken that would have given the asked service.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cloud.core.forecasts.estimates import Estimates
from cloud.core.forecasts.panels import Floats, window_sums
from cloud.core.forecasts.replaying import Lot, Replay, alternative_at
from cloud.core.probability import normal_quantile

Z_TRIED = np.concatenate([np.linspace(-1, 2, 13), np.geomspace(2.3, 9, 9)])
# Intervals seen before the replay begins: sooner, there is no error to go by.
BEGINS_AFTER = 3
# An item with fewer periods with demand does not count: it still runs on its contract.
DEMANDS_KNOWN = 2
# What a replayed period weighs against the next newer one: what was served, and what was missed.
MEMORY, MEMORY_OF_MISSES = 0.9, 0.8
# Misses are held to so many periods of exactly what is allowed: a bad week must not double stock.
PRIOR_PERIODS = 5.0
MISSED_MAX = 4.0  # how much sharper, or laxer, a fill is asked for than was agreed
# What it took on the public sets; a group with so many lines of demand is believed by half.
EXPERIENCED_FILLS, EXPERIENCED_Z = (0.5, 0.9, 0.95, 0.98, 0.999), (0.0, 1.4, 1.8, 2.5, 4.5)
LINES_EXPERIENCED = 20.0
_LEAST = 1e-12


class Points(Protocol):
    """Reorder points of all items, as they were known at the end of a period, for each z."""

    @property
    def protection(self) -> int: ...

    def reorder_point(self, t: int, z: Floats) -> Floats: ...


@dataclass(frozen=True, kw_only=True)
class Group:
    """Items that are replayed together, and share one z."""

    demand: Floats
    price: Floats
    lot: Lot
    every: int = 1  # periods between two estimates

    def estimated_at(self, t: int) -> bool:
        return bool((self.demand.shape[1] - 1 - t) % self.every == 0)


@dataclass(frozen=True, kw_only=True)
class ReplayedHistory:
    """Value served and asked for until the end of each period, the past fading: periods by z."""

    begin: int
    counted: Floats  # items by periods: the price, or 0 while the item is not known well enough
    served: Floats
    wanted: Floats
    lines: Floats  # how many times something was asked for, fading, too

    def z_for(self, t: int, fill: float) -> float:
        """A handful of bins has not shown much yet: they lean on what others needed."""
        experienced = float(np.interp(fill, EXPERIENCED_FILLS, EXPERIENCED_Z))
        if self.wanted[t] == 0:
            return experienced
        found = alternative_at(Z_TRIED, self.served[t] / self.wanted[t], fill)
        share = self.lines[t] / (self.lines[t] + LINES_EXPERIENCED)
        return float(share * found + (1 - share) * experienced)


def replayed_history(group: Group, estimates: Points) -> ReplayedHistory:
    """One pass over all periods: what was served until t is a replay that ended at t."""
    demand, lead_time = group.demand, estimates.protection - 1
    periods = demand.shape[1]
    begin = min(periods - 1, BEGINS_AFTER * estimates.protection)
    taken = np.cumsum(np.nan_to_num(demand) > 0, axis=1)
    # What an item orders once its demand is known has to have arrived before it counts.
    known = np.zeros(demand.shape, bool)
    known[:, lead_time + 1 :] = taken[:, : max(0, periods - lead_time - 1)] >= DEMANDS_KNOWN
    counted = group.price[:, None] * known
    served, wanted = np.zeros((periods, len(Z_TRIED))), np.zeros(periods)
    lines = np.zeros(periods)
    point = estimates.reorder_point(begin, Z_TRIED)
    walk = Replay(point + group.lot.quantity[:, None], group.lot, lead_time)
    for t in range(begin + 1, periods):
        if group.estimated_at(t):
            point = estimates.reorder_point(t, Z_TRIED)
        period = walk.step(demand[:, t], point)
        served[t] = served[t - 1] * MEMORY + counted[:, t] @ period.served
        wanted[t] = wanted[t - 1] * MEMORY + counted[:, t] @ np.nan_to_num(demand[:, t])
        lines[t] = lines[t - 1] * MEMORY + np.sum(known[:, t] & (demand[:, t] > 0))
    return ReplayedHistory(begin=begin, counted=counted, served=served, wanted=wanted, lines=lines)


def settings_over_time(group: Group, estimates: Points, asked: Floats) -> Floats:
    """The z for each asked fill, as it would have been set at the end of each period.

    The z that was right for the past is not yet right for the future: demand drifts, and the past
    was looked at to choose it. So this way of choosing is itself replayed. Where it left 8 %
    unserved of 5 % that were allowed, it asks for 5/8 of 5 % from then on. Periods by asked fills.
    """
    history = replayed_history(group, estimates)
    periods = group.demand.shape[1]
    settings = np.zeros((periods, len(asked)))
    z = np.array([history.z_for(history.begin, float(fill)) for fill in asked])
    settings[: history.begin + 1] = z
    point = estimates.reorder_point(history.begin, z)
    walk = Replay(point + group.lot.quantity[:, None], group.lot, estimates.protection - 1)
    unserved, allowed = np.zeros(len(asked)), np.zeros(len(asked))
    prior = np.full(len(asked), _LEAST)
    for t in range(history.begin + 1, periods):
        if group.estimated_at(t):
            point = estimates.reorder_point(t, z)
        demand, counted = group.demand[:, t], history.counted[:, t]
        period = walk.step(demand, point)
        wanted = counted @ np.nan_to_num(demand)
        unserved = unserved * MEMORY_OF_MISSES + wanted - counted @ period.served
        allowed = allowed * MEMORY_OF_MISSES + wanted * (1 - asked)
        prior = np.maximum(prior, PRIOR_PERIODS * wanted * (1 - asked))
        missed = np.clip((unserved + prior) / (allowed + prior), 1 / MISSED_MAX, MISSED_MAX)
        sharper = 1 - (1 - asked) / missed
        z = np.array([history.z_for(t, float(fill)) for fill in sharper])
        settings[t] = z
    return settings


def z_for_cycles(demand: Floats, estimates: Estimates, service: float) -> float:
    """The z that would have covered that share of the intervals, over all items with demand."""
    sums = window_sums(demand, estimates.protection)
    gaps = []
    for t in range(estimates.protection * BEGINS_AFTER, demand.shape[1]):
        spread = estimates.spread(t)
        known = (spread > 0) & ~np.isnan(sums[:, t])
        over = sums[known, t] - estimates.mean[known, t] * estimates.protection
        gaps.append(over / spread[known])
    found = np.concatenate(gaps) if gaps else np.empty(0)
    if not len(found):
        return float("nan")
    share = len(found) / (len(found) + LINES_EXPERIENCED)
    return share * float(np.quantile(found, service)) + (1 - share) * normal_quantile(service)
