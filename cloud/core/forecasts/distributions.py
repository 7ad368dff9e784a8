"""What demand over several periods can come to, from what was seen, without a formula for it.

Two ways. The convolution takes periods as independent: it is what a bootstrap tends to with ever
more draws, exactly. Overlapping windows keep whatever ties neighbouring periods. Neither can say
more than was seen: 99 % of a short history is its maximum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SUPPORT_MAX = 1_000_000
_SLACK = 1e-12  # shares are sums of floats: 0.95 may come out a rounding short


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """`shares[x]` is the probability of exactly `x` pieces."""

    shares: NDArray[np.float64]

    def quantile(self, share: float) -> int:
        """The least x that covers the share."""
        reached = np.cumsum(self.shares) >= share - _SLACK
        return int(np.argmax(reached)) if reached.any() else len(self.shares) - 1

    @property
    def mean(self) -> float:
        return float(self.shares @ np.arange(len(self.shares)))

    @property
    def zero(self) -> float:
        return float(self.shares[0])

    def loss(self, x: int) -> float:
        """The mean of what exceeds `x`."""
        over = np.arange(len(self.shares)) - x
        return float(self.shares @ np.maximum(over, 0))


def convolved(history: Sequence[int | None], periods: int) -> Distribution:
    """The sum of so many independent draws from the periods that were seen."""
    seen = [value for value in history if value is not None]
    if not seen:
        raise ValueError("no period was seen")
    if max(seen) * periods > SUPPORT_MAX:
        raise ValueError(f"more than {SUPPORT_MAX} pieces: count in packs instead")
    one = np.bincount(np.asarray(seen, np.int64)) / len(seen)
    total = np.ones(1)
    for _ in range(periods):
        total = np.convolve(total, one)
    return Distribution(shares=total)


def of_windows(history: Sequence[int | None], periods: int) -> Distribution | None:
    """The sums of all runs of so many periods without a masked one; None if there is no run."""
    starts = range(len(history) - periods + 1)
    runs = ([v for v in history[i : i + periods] if v is not None] for i in starts)
    sums = [sum(run) for run in runs if len(run) == periods]
    if not sums:
        return None
    return Distribution(shares=np.bincount(np.asarray(sums, np.int64)) / len(sums))
