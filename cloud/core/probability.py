"""The distributions that stock rests on: what share of demand is covered, and how much is not.

For each: the probability of at most `x` (`…_cdf`), the smallest amount that covers a share
(`…_quantile`), and the loss, which is the mean of what exceeds `x`: the shortage of a stock of `x`.

The standard library knows the normal distribution only; the rest is summed here. The incomplete
gamma function is a series below the mean and a continued fraction above it (Press et al., Numerical
Recipes, 6.2), which keeps 14 digits where stock is decided.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

_STANDARD = NormalDist()
_TERMS_MAX = 100_000
_TINY = 1e-300
_EPSILON = 1e-16


def normal_density(z: float) -> float:
    return _STANDARD.pdf(z)


def normal_cdf(z: float) -> float:
    # erfc, because 1 - cdf in the tail would be the rounding of 1
    return 0.5 * math.erfc(-z / math.sqrt(2))


def normal_quantile(share: float) -> float:
    return _STANDARD.inv_cdf(share)


def normal_loss(z: float) -> float:
    """G(z): the mean of what a standard normal exceeds `z` by."""
    return normal_density(z) - z * normal_cdf(-z)


def normal_loss_of(x: float, *, mean: float, sd: float) -> float:
    if sd == 0:
        return max(0.0, mean - x)
    return sd * normal_loss((x - mean) / sd)


def poisson_pmf(x: int, mean: float) -> float:
    if x < 0:
        return 0.0
    if mean == 0:
        return float(x == 0)
    return math.exp(x * math.log(mean) - mean - math.lgamma(x + 1))


def poisson_cdf(x: int, mean: float) -> float:
    return math.fsum(poisson_pmf(k, mean) for k in range(x + 1))


def poisson_quantile(share: float, mean: float) -> int:
    return _smallest(share, lambda x: poisson_pmf(x, mean))


def poisson_loss(x: int, mean: float) -> float:
    """E[(D - x)+], by D's own mean: the tail is the mean less what is at or below `x`."""
    if x < 0:
        return mean - x
    return mean * (1 - poisson_cdf(x - 1, mean)) - x * (1 - poisson_cdf(x, mean))


def negative_binomial_shape(*, mean: float, variance: float) -> tuple[float, float]:
    """(r, p) of the distribution with these moments; it needs more variance than mean."""
    if variance <= mean:
        raise ValueError("a negative binomial needs a variance above its mean")
    return mean * mean / (variance - mean), mean / variance


def negative_binomial_pmf(x: int, r: float, p: float) -> float:
    if x < 0:
        return 0.0
    log_ways = math.lgamma(x + r) - math.lgamma(r) - math.lgamma(x + 1)
    return math.exp(log_ways + r * math.log(p) + x * math.log1p(-p))


def negative_binomial_cdf(x: int, r: float, p: float) -> float:
    return math.fsum(negative_binomial_pmf(k, r, p) for k in range(x + 1))


def negative_binomial_quantile(share: float, r: float, p: float) -> int:
    return _smallest(share, lambda x: negative_binomial_pmf(x, r, p))


def negative_binomial_loss(x: int, r: float, p: float) -> float:
    mean = r * (1 - p) / p
    if x < 0:
        return mean - x
    return mean - math.fsum(1 - negative_binomial_cdf(k, r, p) for k in range(x))


def gamma_cdf(x: float, *, shape: float, scale: float) -> float:
    """The regularised lower incomplete gamma function of x / scale."""
    return 1 - _gamma_tail(x / scale, shape) if x > 0 else 0.0


def gamma_quantile(share: float, *, shape: float, scale: float) -> float:
    if not 0 < share < 1:
        raise ValueError("a share is above 0 and below 1")
    high = shape + 10 * math.sqrt(shape) + 10
    while gamma_cdf(high, shape=shape, scale=1) < share:
        high *= 2
    return scale * solve(lambda x: gamma_cdf(x, shape=shape, scale=1) - share, 0.0, high)


def gamma_loss(x: float, *, shape: float, scale: float) -> float:
    """E[(D - x)+] = mean P(shape + 1 > x) - x P(shape > x)."""
    if x <= 0:
        return shape * scale - x
    at = x / scale
    return shape * scale * _gamma_tail(at, shape + 1) - x * _gamma_tail(at, shape)


def solve(of: Callable[[float], float], low: float, high: float) -> float:
    """Where `of` is zero between two points at which its signs differ, by halving."""
    rising = of(low) < 0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if (of(middle) < 0) == rising:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _smallest(share: float, pmf: Callable[[int], float]) -> int:
    """The smallest x with P(D <= x) >= share."""
    if not 0 <= share < 1:
        raise ValueError("a share is at least 0 and below 1")
    total = 0.0
    for x in range(_TERMS_MAX):
        total += pmf(x)
        if total >= share:
            return x
    raise ValueError(f"the quantile is beyond {_TERMS_MAX} pieces; use a continuous distribution")


def _gamma_tail(x: float, shape: float) -> float:
    """P(a standard gamma > x)."""
    log_front = shape * math.log(x) - x - math.lgamma(shape)
    if x < shape + 1:
        term = total = 1 / shape
        n = shape
        for _ in range(_TERMS_MAX):
            n += 1
            term *= x / n
            total += term
            if term < total * _EPSILON:
                break
        return 1 - total * math.exp(log_front)
    b = x + 1 - shape
    c = 1 / _TINY
    d = 1 / b
    fraction = d
    for i in range(1, _TERMS_MAX):
        a = -i * (i - shape)
        b += 2
        d = 1 / _away_from_zero(a * d + b)
        c = _away_from_zero(b + a / c)
        fraction *= d * c
        if abs(d * c - 1) < _EPSILON * 8:
            break
    return math.exp(log_front) * fraction


def _away_from_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY
