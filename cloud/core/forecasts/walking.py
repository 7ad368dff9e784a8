"""What would have been said before each week, by what was known then and nothing later.

The mean of an item before week t rests on the weeks before it alone (`estimates.credible_mean`), so
all weeks of a history can be asked at once, and a forecast that was never written down can be
worked out afterwards without knowing better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cloud.core.forecasts.estimates import credible_mean
from cloud.core.forecasts.panels import panel
from cloud.core.forecasts.parameters import PERIODS_KNOWN


@dataclass(frozen=True, kw_only=True)
class Ahead:
    mean: float  # pieces in the period
    square: float | None  # mean squared step from period to period until then; None: none yet


def walk(histories: Sequence[Sequence[int | None]]) -> list[list[Ahead | None]]:
    """Of each history what was to be said of each of its periods; None: it was still learning.

    Steps are those between neighbours that were both seen. A history that never changed has no
    scale.
    """
    if not histories:
        return []
    demand = panel(histories)
    means = credible_mean(demand)
    seen = np.cumsum(~np.isnan(demand), axis=1)
    steps = np.square(np.diff(demand, axis=1, prepend=np.nan))
    sums = np.cumsum(np.nan_to_num(steps), axis=1)
    known = np.maximum(1, np.cumsum(~np.isnan(steps), axis=1))
    longest = demand.shape[1]
    return [
        [
            None
            if t == 0 or seen[at, t - 1] < PERIODS_KNOWN
            else Ahead(
                mean=float(means[at, t - 1]),
                square=float(sums[at, t - 1] / known[at, t - 1]) or None,
            )
            for t in range(longest - len(history), longest)
        ]
        for at, history in enumerate(histories)
    ]
