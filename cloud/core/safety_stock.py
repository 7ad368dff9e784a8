"""How much stock beyond the mean a service target asks for.

Two targets that a contract must not mix up: *cycle service* is the probability that a cycle ends
without a shortage, the *fill rate* is the share of pieces served at once. Time is in periods of the
demand's mean and spread; `protection` is lead time plus review: how long one decision has to last.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cloud.core.probability import (
    gamma_quantile,
    negative_binomial_quantile,
    negative_binomial_shape,
    normal_cdf,
    normal_loss,
    normal_loss_of,
    normal_quantile,
    poisson_quantile,
    solve,
)

_Z_MAX = 40.0


@dataclass(frozen=True, kw_only=True)
class LeadTimeDemand:
    mean: float
    sd: float

    def reorder_point(self, z: float) -> float:
        return self.mean + z * self.sd


@dataclass(frozen=True, kw_only=True)
class ReorderPoint:
    k: float  # safety stock in standard deviations; below zero where large orders protect enough
    reorder_point: float


def cycle_safety_stock(*, service: float, sd_per_period: float, protection: float) -> float:
    return normal_quantile(service) * sd_per_period * math.sqrt(protection)


def demand_over_lead_time(
    *, mean_per_period: float, sd_per_period: float, mean_lead_time: float, sd_lead_time: float
) -> LeadTimeDemand:
    """What is taken while a delivery is awaited whose own time varies."""
    return LeadTimeDemand(
        mean=mean_per_period * mean_lead_time,
        sd=math.hypot(math.sqrt(mean_lead_time) * sd_per_period, mean_per_period * sd_lead_time),
    )


def fill_reorder_point(
    demand: LeadTimeDemand, *, order_quantity: float, fill: float, one_sided: bool = False
) -> ReorderPoint:
    """(s, Q): sd [G(k) - G(k + Q / sd)] = Q (1 - fill).

    `one_sided` leaves out the second term, as many textbooks do: it orders too early when Q is
    small. A negative k is right where orders are large, and is not clamped.
    """
    if demand.sd == 0:
        return ReorderPoint(k=0.0, reorder_point=demand.mean)
    ratio = order_quantity / demand.sd

    def short(k: float) -> float:
        rest = 0.0 if one_sided else normal_loss(k + ratio)
        return normal_loss(k) - rest - ratio * (1 - fill)

    k = solve(short, -_Z_MAX - ratio, _Z_MAX)
    return ReorderPoint(k=k, reorder_point=demand.reorder_point(k))


def cycle_service_at(k: float) -> float:
    return normal_cdf(k)


def fill_order_up_to(
    *,
    mean_per_period: float,
    sd_per_period: float,
    lead_time: float,
    review: float,
    fill: float,
) -> float:
    """(R, S): what is short at the end of a cycle, less what was short at its start."""
    whole = lead_time + review

    def short(level: float) -> float:
        end = normal_loss_of(
            level, mean=mean_per_period * whole, sd=sd_per_period * math.sqrt(whole)
        )
        start = normal_loss_of(
            level, mean=mean_per_period * lead_time, sd=sd_per_period * math.sqrt(lead_time)
        )
        return end - start - mean_per_period * review * (1 - fill)

    spread = _Z_MAX * sd_per_period * math.sqrt(whole)
    return solve(short, mean_per_period * lead_time - spread, mean_per_period * whole + spread)


def poisson_reorder_point(*, mean: float, service: float) -> int:
    return poisson_quantile(service, mean)


def negative_binomial_reorder_point(*, mean: float, variance: float, service: float) -> int:
    return negative_binomial_quantile(
        service, *negative_binomial_shape(mean=mean, variance=variance)
    )


def gamma_reorder_point(demand: LeadTimeDemand, *, service: float) -> float:
    shape = (demand.mean / demand.sd) ** 2
    return gamma_quantile(service, shape=shape, scale=demand.sd**2 / demand.mean)


def mean_undershoot(history: Sequence[float]) -> float:
    """How far demand jumps past the reorder point: E[D^2] / (2 E[D]) of the periods with demand.

    The renewal approximation. None at all where nothing was ever taken.
    """
    sizes = [size for size in history if size > 0]
    return math.fsum(size * size for size in sizes) / (2 * math.fsum(sizes)) if sizes else 0.0
