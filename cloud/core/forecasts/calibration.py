"""Which z gives the service that was asked for: found out by replaying what has been.

A formula promises 95 % and gives 89: errors are no bell, means drift, demand jumps past the reorder
point. So the history of all items of a group is replayed with several z, each with parameters as
they would have been known at the time, and the z is taken that would have given the asked service.
"""

from dataclasses import dataclass

import numpy as np

from cloud.core.forecasts.estimates import Estimates, estimate
from cloud.core.forecasts.panels import Floats, window_sums
from cloud.core.forecasts.replaying import Lot, alternative_at, replay

Z_TRIED = np.array(
    [-1.0, -0.5, -0.25, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 2.35, 2.7, 3.1, 3.6]
    + [4.2, 5.0, 6.5, 9.0]
)
BEGINS_AFTER = 3  # intervals seen before the replay begins: sooner, there is no error to go by
MEMORY = 0.97


@dataclass(frozen=True, kw_only=True)
class ReplayedHistory:
    """Value served and asked for until the end of each period: periods by z."""

    served: Floats
    wanted: Floats

    def z_for(self, t: int, fill: float) -> float:
        if self.wanted[t] == 0:
            return float(np.interp(fill, (0.5, 0.9, 0.95, 0.98, 0.999), (0.0, 1.4, 1.8, 2.5, 4.5)))
        return alternative_at(Z_TRIED, self.served[t] / self.wanted[t], fill)


def replayed_history(
    demand: Floats, lot: Lot, price: Floats, lead_time: int, known: Estimates | None = None
) -> ReplayedHistory:
    """One pass over all periods: what was served until t is a replay that ended at t."""
    estimates = known or estimate(demand, lead_time + 1)
    periods = demand.shape[1]
    begin = min(periods - 1, BEGINS_AFTER * (lead_time + 1))
    points = [estimates.reorder_point(t, Z_TRIED) for t in range(begin, periods)]
    later = demand[:, begin + 1 :]
    start = points[0] + lot.quantity[:, None]
    served = np.zeros((periods, len(Z_TRIED)))
    wanted = np.zeros(periods)
    steps = replay(later, points[1:], start, lot, lead_time)
    for t, period in enumerate(steps, start=begin + 1):
        served[t] = served[t - 1] * MEMORY + price @ period.served
        wanted[t] = wanted[t - 1] * MEMORY + price @ np.nan_to_num(demand[:, t])
    return ReplayedHistory(served=served, wanted=wanted)


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
    return float(np.quantile(found, service)) if len(found) else float("nan")
