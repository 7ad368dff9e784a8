"""What the newest weights of a bin say together: whether they lie still, and since when."""

from collections.abc import Sequence
from typing import NamedTuple

from cloud.core.followed import Spot


class Rest(NamedTuple):
    mean_mg: float
    older_mg: float  # of either half
    newer_mg: float


def rest_of(window: Sequence[Spot], range_mg: float, apart_mg: float) -> Rest | None:
    """None: it reaches over `range_mg` or more, or its halves lie `apart_mg` apart."""
    count = len(window)
    if count == 1:
        alone = float(window[0].weight_mg)
        return Rest(alone, alone, alone)
    weights = [spot.weight_mg for spot in window]
    half = count // 2
    total = sum(weights)
    older = sum(weights[:half])
    rest = Rest(total / count, older / half, (total - older) / (count - half))
    if max(weights) - min(weights) >= range_mg or abs(rest.newer_mg - rest.older_mg) >= apart_mg:
        return None
    return rest


def begins(window: Sequence[Spot], mean_mg: float, before_mg: float) -> Spot:
    """The first weight of the plateau that the window ends with.

    From there on the sum of what lies nearer to it, less what lies nearer to the one before, is
    largest: where a step in noise most likely was. One weight alone is off by half a piece too
    often where a piece is as light as a few times the noise.
    """
    middle_mg = (mean_mg + before_mg) / 2
    sign = 1 if mean_mg > before_mg else -1
    most = total = 0.0
    first = window[-1]
    for spot in reversed(window):
        total += sign * (spot.weight_mg - middle_mg)
        if total >= most:
            most, first = total, spot
    return first
