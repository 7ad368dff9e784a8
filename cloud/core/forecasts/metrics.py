"""How good a forecast was.

The scaled errors divide by what "as last period" would have missed by within the history; a
constant history has no such scale, and they are None then. Beware of MASE on intermittent demand:
it is best for a forecast of nothing. What decides is stock and service in a replay.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    mae: float
    bias: float  # above zero: more was forecast than came
    wape: float | None
    mase: float | None
    rmsse: float | None
    cumulated_error: float


def accuracy(
    *, history: Sequence[float], actual: Sequence[float], forecast: Sequence[float]
) -> Accuracy:
    errors = [f - a for f, a in zip(forecast, actual, strict=True)]
    n = len(errors)
    mae = math.fsum(map(abs, errors)) / n
    mse = math.fsum(error * error for error in errors) / n
    steps = [b - a for a, b in pairwise(history)]
    scale = math.fsum(map(abs, steps)) / len(steps) if steps else 0.0
    square = math.fsum(step * step for step in steps) / len(steps) if steps else 0.0
    total = math.fsum(map(abs, actual))
    return Accuracy(
        mae=mae,
        bias=math.fsum(errors) / n,
        wape=math.fsum(map(abs, errors)) / total if total else None,
        mase=mae / scale if scale else None,
        rmsse=math.sqrt(mse / square) if square else None,
        cumulated_error=math.fsum(errors),
    )


def pinball(*, share: float, actual: float, quantile: float) -> float:
    """What a quantile misses by: dear above it, cheap below, so that the right one is cheapest."""
    miss = actual - quantile
    return max(share * miss, (share - 1) * miss)
