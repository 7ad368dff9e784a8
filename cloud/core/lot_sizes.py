"""How much to order at once, and when: the optimal answers of the textbooks.

Benchmarks rather than what bins run on: they know the costs of holding, of being short and of
ordering, which a contract rarely states. `holding`, `shortage` and `ordering` are money per piece
and period, per piece and period, and per order. Cases and names follow Snyder and Shen,
Fundamentals of Supply Chain Theory, chapters 3 to 5.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from cloud.core.probability import (
    normal_density,
    normal_loss_of,
    normal_quantile,
    poisson_loss,
    poisson_pmf,
    poisson_quantile,
)

_ITERATIONS_MAX = 1_000
_SETTLED = 1e-10
_ORDER_MAX = 100_000


@dataclass(frozen=True, kw_only=True)
class LotSize:
    quantity: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class BaseStock:
    level: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class ReorderAndQuantity:
    reorder_point: float
    quantity: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class ReorderAndUpTo:
    reorder_point: float
    order_up_to: float
    cost: float


def economic_order_quantity(*, ordering: float, holding: float, rate: float) -> LotSize:
    return LotSize(
        quantity=math.sqrt(2 * ordering * rate / holding),
        cost=math.sqrt(2 * ordering * rate * holding),
    )


def newsvendor_normal(
    *, holding: float, shortage: float, mean: float, sd: float, lead_time: float = 0
) -> BaseStock:
    """The level that is right for one period after a lead time of so many."""
    periods = lead_time + 1
    z = normal_quantile(shortage / (holding + shortage))
    spread = sd * math.sqrt(periods)
    return BaseStock(
        level=mean * periods + z * spread, cost=(holding + shortage) * normal_density(z) * spread
    )


def newsvendor_poisson(*, holding: float, shortage: float, mean: float) -> BaseStock:
    level = poisson_quantile(shortage / (holding + shortage), mean)
    return BaseStock(level=level, cost=_poisson_cost(level, holding, shortage, mean))


def rq_poisson(
    *, holding: float, shortage: float, ordering: float, mean: float, lead_time: float
) -> ReorderAndQuantity:
    """Federgruen and Zheng: let the range of positions grow to the cheaper side, until it costs."""
    over = mean * lead_time
    low = poisson_quantile(shortage / (holding + shortage), over)
    total = _poisson_cost(low, holding, shortage, over)
    cost = ordering * mean + total
    r, quantity = low - 1, 1
    while quantity < _ORDER_MAX:
        below = _poisson_cost(r, holding, shortage, over)
        above = _poisson_cost(r + quantity + 1, holding, shortage, over)
        more = min(below, above)
        if more >= cost:
            break
        total += more
        quantity += 1
        if below <= above:
            r -= 1
        cost = (ordering * mean + total) / quantity
    return ReorderAndQuantity(reorder_point=r, quantity=quantity, cost=cost)


def rq_normal(
    *, holding: float, shortage: float, ordering: float, mean: float, sd: float, lead_time: float
) -> ReorderAndQuantity:
    """Expected inventory level approximation: order point and quantity, each given the other."""
    over = mean * lead_time
    spread = sd * math.sqrt(lead_time)
    quantity = economic_order_quantity(ordering=ordering, holding=holding, rate=mean).quantity
    point = over
    for _ in range(_ITERATIONS_MAX):
        before = (point, quantity)
        point = over + spread * normal_quantile(1 - quantity * holding / (shortage * mean))
        short = normal_loss_of(point, mean=over, sd=spread)
        quantity = math.sqrt(2 * mean * (ordering + shortage * short) / holding)
        if max(abs(point - before[0]), abs(quantity - before[1])) < _SETTLED:
            break
    short = normal_loss_of(point, mean=over, sd=spread)
    cost = (
        holding * (point - over + quantity / 2)
        + ordering * mean / quantity
        + shortage * mean * short / quantity
    )
    return ReorderAndQuantity(reorder_point=point, quantity=quantity, cost=cost)


def ss_poisson(*, holding: float, shortage: float, ordering: float, mean: float) -> ReorderAndUpTo:
    """Zheng and Federgruen's algorithm for (s, S) with review every period and no lead time."""

    def expected(level: int) -> float:
        return _poisson_cost(level, holding, shortage, mean)

    best = poisson_quantile(shortage / (holding + shortage), mean)
    s = best
    while True:
        s -= 1
        cost = _ss_cost(s, best, ordering, mean, expected)
        if cost <= expected(s):
            break
    up_to, level = best, best + 1
    while expected(level) <= cost:
        trial = _ss_cost(s, level, ordering, mean, expected)
        if trial < cost:
            up_to, cost = level, trial
            while cost <= expected(s + 1):
                s += 1
                cost = _ss_cost(s, up_to, ordering, mean, expected)
        level += 1
    return ReorderAndUpTo(reorder_point=s, order_up_to=up_to, cost=cost)


def ss_power(
    *, holding: float, shortage: float, ordering: float, mean: float, sd: float
) -> tuple[float, float]:
    """(s, S) by Ehrhardt and Mosier's power approximation, review every period, no lead time."""
    quantity = 1.3 * mean**0.494 * (ordering / holding) ** 0.506 * (1 + sd**2 / mean**2) ** 0.116
    z = math.sqrt(quantity * holding / (sd * shortage))
    point = 0.973 * mean + sd * (0.183 / z + 1.063 - 2.192 * z)
    return point, point + quantity


def _poisson_cost(level: int, holding: float, shortage: float, mean: float) -> float:
    """What holding and being short cost in a period that starts at `level`."""
    short = poisson_loss(level, mean)
    return holding * (level - mean + short) + shortage * short


def _ss_cost(
    s: int, up_to: int, ordering: float, mean: float, expected: Callable[[int], float]
) -> float:
    """The mean cost of a period under (s, S): over one renewal, from an order to the next."""
    visits: list[float] = []
    stay = poisson_pmf(0, mean)
    for j in range(up_to - s):
        before = math.fsum(poisson_pmf(k, mean) * visits[j - k] for k in range(1, j + 1))
        visits.append((before + (j == 0)) / (1 - stay))
    costs = math.fsum(count * expected(up_to - j) for j, count in enumerate(visits))
    return (ordering + costs) / math.fsum(visits)
