"""Ours against the ways of others, on demand that has been, with real packs and MOQs.

For each set and lead time, how much stock each method needs for the same service, read off its
curve: so no method is better for promising less. All order the same quantities, see the same past,
and are re-estimated as often. Stock is in periods of demand value, so that sets can be compared.
"""

from dataclasses import dataclass

import numpy as np

from cloud.core.forecasts.calibration import Group, Points, settings_over_time
from cloud.core.forecasts.classics import (
    CLASSICS,
    SES_NORMAL,
    Method,
    PointsAt,
    Z,
    normal_error,
    ours,
    rule_of_thumb,
    ses_means,
)
from cloud.core.forecasts.estimates import estimate
from cloud.core.forecasts.panels import Floats
from cloud.core.forecasts.replaying import Curve, Lot, alternative_at, replay, stock_at, tally

FIXED, RESIZED, OURS = "fixed", "re-sized", "ours"
ASKED_FILLS = (0.95, 0.98)
TARGETS = (
    ("value_fill", 0.95),
    ("value_fill", 0.98),
    ("line_fill", 0.95),
    ("line_fill", 0.98),
)


@dataclass(frozen=True, kw_only=True)
class DemandSet:
    """Items of one firm. The first `warm_up` periods are history, the rest is replayed."""

    name: str
    demand: Floats
    price: Floats
    lot: Lot
    warm_up: int
    every: int  # periods between two estimates

    def of(self, items: Floats) -> "DemandSet":
        return DemandSet(
            name=self.name,
            demand=self.demand[items],
            price=self.price[items],
            lot=self.lot.of(items),
            warm_up=self.warm_up,
            every=self.every,
        )


@dataclass(frozen=True, kw_only=True)
class Result:
    """Stock needed, by method, for each of TARGETS; and what was achieved of what was asked."""

    name: str
    lead_time: int
    stock: dict[str, tuple[float, ...]]
    curves: dict[str, Curve]
    achieved: dict[float, float]  # z set on the items' own past, as it was known then
    forward_ratios: tuple[float, ...]  # ours by SES + normal, both with z set in that way
    achieved_apart: dict[float, float]  # z set on one half of the items, kept on the other

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours by SES + normal."""
        pairs = zip(self.stock[OURS], self.stock[SES_NORMAL], strict=True)
        return tuple(mine / theirs for mine, theirs in pairs)

    @property
    def savings(self) -> tuple[float, ...]:
        """What ours does without of the fixed rule's stock."""
        pairs = zip(self.stock[OURS], self.stock[FIXED], strict=True)
        return tuple(1 - mine / theirs for mine, theirs in pairs)

    def best_classic(self, target: int) -> tuple[str, float]:
        found = {name: self.stock[name][target] for name in CLASSICS}
        known = {name: stock for name, stock in found.items() if not np.isnan(stock)}
        if not known:
            return "-", float("nan")
        name = min(known, key=known.__getitem__)
        return name, known[name]


def judge(demands: DemandSet, lead_time: int) -> Result:
    methods: dict[str, Method] = {
        FIXED: rule_of_thumb(set_once_at=demands.warm_up - 1),
        RESIZED: rule_of_thumb(),
        **CLASSICS,
        OURS: ours,
    }
    curves = {
        name: curve_of(demands, method(demands.demand, lead_time), lead_time)
        for name, method in methods.items()
    }
    protection = lead_time + 1
    mine = forward(demands, estimate(demands.demand, protection))
    theirs = forward(demands, normal_error(ses_means(demands.demand), demands.demand, protection))
    return Result(
        name=demands.name,
        lead_time=lead_time,
        curves=curves,
        stock={
            name: tuple(stock_at(curve.stock, getattr(curve, of), fill) for of, fill in TARGETS)
            for name, curve in curves.items()
        },
        achieved=dict(zip(ASKED_FILLS, mine.value_fill.tolist(), strict=True)),
        forward_ratios=tuple((mine.stock / theirs.stock).tolist()),
        achieved_apart=achieved_apart(demands, lead_time),
    )


def curve_of(demands: DemandSet, points_at: PointsAt, lead_time: int) -> Curve:
    start, points = _schedule(demands, points_at)
    later = demands.demand[:, demands.warm_up :]
    start = start + demands.lot.quantity[:, None]
    return tally(later, replay(later, points, start, demands.lot, lead_time)).curve(demands.price)


def forward(demands: DemandSet, points: Points) -> Curve:
    """With z set anew at each estimate, on what was past by then; one column per asked fill."""
    group = Group(demand=demands.demand, price=demands.price, lot=demands.lot, every=demands.every)
    z = settings_over_time(group, points, np.array(ASKED_FILLS))
    return curve_of(demands, lambda t: points.reorder_point(t, z[t]), points.protection - 1)


def achieved_apart(demands: DemandSet, lead_time: int) -> dict[float, float]:
    """Value fill for each asked one on every other item, with the z that was right for the rest.

    And the other way round; the mean of both, by the demand's value.
    """
    odd = np.arange(len(demands.demand)) % 2 == 1
    halves = [demands.of(odd), demands.of(~odd)]
    curves = [curve_of(half, ours(half.demand, lead_time), lead_time) for half in halves]
    values = [float(h.price @ np.nansum(h.demand[:, h.warm_up :], axis=1)) for h in halves]
    achieved = {}
    for asked in ASKED_FILLS:
        got = [
            float(np.interp(alternative_at(Z, theirs.value_fill, asked), Z, mine.value_fill))
            for mine, theirs in zip(curves, reversed(curves), strict=True)
        ]
        achieved[asked] = float(np.average(got, weights=values))
    return achieved


def _schedule(demands: DemandSet, points_at: PointsAt) -> tuple[Floats, list[Floats]]:
    """The points at the start, and at the end of each replayed period."""
    start = current = points_at(demands.warm_up - 1)
    points = []
    for k in range(demands.demand.shape[1] - demands.warm_up):
        if (k + 1) % demands.every == 0:
            current = points_at(demands.warm_up + k)
        points.append(current)
    return start, points
