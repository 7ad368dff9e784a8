"""The demand of many items side by side: one row each, one column per period, the newest last.

A period is masked (NaN) where demand was not seen: before the item had a scale, while the bin was
empty (what was asked for then is unknown, not zero), while its sensor was silent. A period that
was seen and had no demand is zero, and counts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Series = Sequence[float | None]

DAYS_PER_WEEK = 7
_DAYS_SEEN_MIN = 4


def panel(histories: Sequence[Series]) -> Floats:
    """Histories of any length, made equally long by masked periods before the first."""
    longest = max((len(history) for history in histories), default=0)
    rows = np.full((len(histories), longest), np.nan)
    for row, history in zip(rows, histories, strict=True):
        if history:
            row[longest - len(history) :] = [np.nan if v is None else v for v in history]
    return rows


def by_week(daily: Floats) -> Floats:
    """Days summed to weeks that end with the newest day.

    A week of which at least four days were seen stands for seven like them; with fewer it is
    masked. Weeks, because the weekday would otherwise be taken for noise.
    """
    items, days = daily.shape
    weeks = -(-days // DAYS_PER_WEEK)
    padded = np.full((items, weeks * DAYS_PER_WEEK), np.nan)
    padded[:, weeks * DAYS_PER_WEEK - days :] = daily
    cut = padded.reshape(items, weeks, DAYS_PER_WEEK)
    seen = (~np.isnan(cut)).sum(axis=2)
    sums = np.nansum(cut, axis=2)
    return np.where(seen >= _DAYS_SEEN_MIN, sums * DAYS_PER_WEEK / np.maximum(seen, 1), np.nan)


def window_sums(demand: Floats, periods: int) -> Floats:
    """Column t: the sum of the `periods` columns after t; masked if any of them is not known."""
    sums = np.full(demand.shape, np.nan)
    last = demand.shape[1] - periods
    if last > 0:
        total = np.concatenate(
            [np.zeros((len(demand), 1)), np.cumsum(np.nan_to_num(demand), axis=1)], axis=1
        )
        gaps = np.concatenate(
            [np.zeros((len(demand), 1)), np.cumsum(np.isnan(demand), axis=1)], axis=1
        )
        whole = gaps[:, periods + 1 :] == gaps[:, 1 : last + 1]
        sums[:, :last] = np.where(whole, total[:, periods + 1 :] - total[:, 1 : last + 1], np.nan)
    return sums
