"""The classic forecasts of one series: the mean of the periods to come.

Fixed conventions, so that a number can be compared with anybody's: a level starts at the first
observation; the first interval counts from the first period; periods are masked by None, and a
masked period changes nothing (it was not seen, which is not the same as no demand).

- SES follows the level. Intermittent demand has it high after each demand, low before the next.
- Croston smooths sizes and intervals apart, at demand only: biased upward, and it never decays.
- SBA takes 5 % off Croston, whatever alpha (as statsforecast does).
- TSB smooths the probability of demand in every period: what is no longer taken fades.
- ADIDA forecasts sums over the mean interval; IMAPA averages that over all shorter ones.
"""

import math
from collections.abc import Callable, Sequence

Series = Sequence[float | None]

SBA_FACTOR = 0.95
ALPHA_AGGREGATED = (0.1, 0.3)
_GOLDEN = (math.sqrt(5) - 1) / 2
_ALPHA_STEPS = 40


def observed(series: Series) -> list[float]:
    return [value for value in series if value is not None]


def ses(series: Series, alpha: float) -> float:
    """The level after the last period; 0 where nothing was seen."""
    values = observed(series)
    if not values:
        return 0.0
    level = values[0]
    for value in values[1:]:
        level += alpha * (value - level)
    return level


def best_alpha(series: Series, low: float, high: float) -> float:
    """The alpha with the least squared one-step error between two bounds.

    A grid first, because the error may have several valleys; then a golden section.
    """
    values = observed(series)
    step = (high - low) / _ALPHA_STEPS
    grid = [low + step * i for i in range(_ALPHA_STEPS + 1)]
    middle = min(grid, key=lambda alpha: _squared_error(values, alpha))
    return _golden_section(
        lambda alpha: _squared_error(values, alpha),
        max(low, middle - step),
        min(high, middle + step),
    )


def ses_optimised(series: Series, low: float, high: float) -> float:
    return ses(series, best_alpha(series, low, high))


def croston(series: Series, alpha: float) -> float:
    sizes, intervals = _sizes_and_intervals(observed(series))
    return ses(sizes, alpha) / ses(intervals, alpha) if sizes else 0.0


def sba(series: Series, alpha: float) -> float:
    return SBA_FACTOR * croston(series, alpha)


def tsb(series: Series, alpha_size: float, alpha_probability: float) -> float:
    values = observed(series)
    sizes, _ = _sizes_and_intervals(values)
    probability = ses([float(value > 0) for value in values], alpha_probability)
    return probability * ses(sizes, alpha_size)


def adida(series: Series) -> float:
    values = observed(series)
    interval = _mean_interval(values)
    return _aggregated(values, interval) if interval else 0.0


def imapa(series: Series) -> float:
    values = observed(series)
    interval = _mean_interval(values)
    if not interval:
        return 0.0
    return math.fsum(_aggregated(values, size) for size in range(1, interval + 1)) / interval


def _sizes_and_intervals(values: list[float]) -> tuple[list[float], list[float]]:
    at = [index for index, value in enumerate(values) if value > 0]
    before = [-1, *at]  # the last of them is before none
    return [values[i] for i in at], [float(i - j) for i, j in zip(at, before, strict=False)]


def _mean_interval(values: list[float]) -> int:
    _, intervals = _sizes_and_intervals(values)
    return round(math.fsum(intervals) / len(intervals)) if intervals else 0


def _aggregated(values: list[float], size: int) -> float:
    """The level of sums over `size` periods, counted from the newest, per period."""
    first = len(values) % size
    sums = [math.fsum(values[i : i + size]) for i in range(first, len(values), size)]
    return ses_optimised(sums, *ALPHA_AGGREGATED) / size if sums else 0.0


def _squared_error(values: list[float], alpha: float) -> float:
    level = values[0]
    total = 0.0
    for value in values[1:]:
        error = value - level
        total += error * error
        level += alpha * error
    return total


def _golden_section(of: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(60):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if of(left) <= of(right):
            high = right
        else:
            low = left
    return 0.5 * (low + high)
