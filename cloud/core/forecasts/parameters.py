"""Minimum and order-up-to level of each bin, from what was taken, for a service that was agreed.

    parameters(histories, contracts, period_days=7, target=Target(service=Service.FILL, share=0.95))

All items of one target go in together: the spread of an item leans on the others', and which z
gives the service is found by replaying all of them. Days are summed to weeks first. An item whose
history does not carry a number yet stays on its contract's values, and says so.

Pure and deterministic: the same histories give the same parameters, so that a decision can be
looked into years later.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np

from cloud.core.forecasts.calibration import (
    DEMANDS_KNOWN,
    Group,
    settings_over_time,
    z_for_cycles,
)
from cloud.core.forecasts.estimates import Estimates, estimate
from cloud.core.forecasts.panels import DAYS_PER_WEEK, Floats, by_week, panel
from cloud.core.forecasts.replaying import Lot

PERIODS_KNOWN = 8  # that were seen, before an item leaves its contract's values
ITEMS_REPLAYED_MAX = 4_000  # which z is right, they tell as well as all do


class Service(StrEnum):
    CYCLE = "cycle"  # the share of intervals without a shortage
    FILL = "fill"  # the share of demand, by value, that is served at once


@dataclass(frozen=True, kw_only=True)
class Target:
    service: Service
    share: float

    def __post_init__(self) -> None:
        if not 0.5 <= self.share < 1:  # noqa: PLR2004 - below half, nobody calls it service
            raise ValueError("a service is from 0.5 to below 1")


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What was agreed for one item: it holds until history knows better, and bounds it then."""

    minimum: int
    order_up_to: int
    lead_time_days: float
    review_days: float
    moq: int = 1
    pack: int = 1
    capacity: int | None = None
    price: Decimal = Decimal(1)


class Method(StrEnum):
    CONTRACT = "contract"
    HISTORY = "history"


@dataclass(frozen=True, kw_only=True)
class Parameters:
    mean_per_period: float
    spread: float  # of the demand over lead time and review
    reorder_point: int
    order_up_to: int
    method: Method
    learning: bool
    because: str


def parameters(
    histories: Sequence[Sequence[int | None]],
    contracts: Sequence[Contract],
    *,
    period_days: int,
    target: Target,
) -> list[Parameters]:
    """One for each item, in their order. A history's newest period is its last."""
    if len(histories) != len(contracts):
        raise ValueError("each history has one contract")
    demand = panel(histories)
    if period_days == 1:
        demand, period_days = by_week(demand), DAYS_PER_WEEK
    if not demand.size:
        return [_learning(contract, 0, 0) for contract in contracts]
    found: dict[int, Parameters] = {}
    lasts = [_periods(contract, period_days) for contract in contracts]
    seen = (~np.isnan(demand)).sum(axis=1)
    demands = (np.nan_to_num(demand) > 0).sum(axis=1)
    for protection in sorted({math.ceil(last) for last in lasts}):
        estimates = estimate(demand, protection)
        z = _z(demand, contracts, estimates, target)
        mean, spread = estimates.mean[:, -1], estimates.spread(-1)
        for at, contract in enumerate(contracts):
            if math.ceil(lasts[at]) != protection:
                continue
            if seen[at] < PERIODS_KNOWN or demands[at] < DEMANDS_KNOWN or math.isnan(z):
                found[at] = _learning(contract, int(seen[at]), int(demands[at]))
            else:
                found[at] = _known(
                    contract,
                    mean=float(mean[at]),
                    spread=float(spread[at]) * math.sqrt(lasts[at] / protection),
                    periods=lasts[at],
                    z=z,
                    target=target,
                )
    return [found[at] for at in range(len(contracts))]


def _periods(contract: Contract, period_days: int) -> float:
    """How long one decision has to last; no less than a day."""
    return max(1.0, contract.lead_time_days + contract.review_days) / period_days


def _z(
    demand: Floats, contracts: Sequence[Contract], estimates: Estimates, target: Target
) -> float:
    step = -(-len(demand) // ITEMS_REPLAYED_MAX)
    some = slice(None, None, step)  # every so manyth, so that the same items are taken each night
    demand, contracts = demand[some], contracts[some]
    estimates = Estimates(
        protection=estimates.protection,
        mean=estimates.mean[some],
        own=estimates.own[some],
        windows=estimates.windows[some],
    )
    match target.service:
        case Service.CYCLE:
            return z_for_cycles(demand, estimates, target.share)
        case Service.FILL:
            lot = Lot(
                quantity=np.array([_quantity(contract) for contract in contracts], float),
                moq=np.array([contract.moq for contract in contracts], float),
                pack=np.array([contract.pack for contract in contracts], float),
            )
            price = np.array([float(contract.price) for contract in contracts])
            group = Group(demand=demand, price=price, lot=lot)
            return float(settings_over_time(group, estimates, np.array([target.share]))[-1, 0])


def _quantity(contract: Contract) -> int:
    return max(contract.order_up_to - contract.minimum, contract.moq, 1)


def _learning(contract: Contract, seen: int, demands: int) -> Parameters:
    return Parameters(
        mean_per_period=0.0,
        spread=0.0,
        reorder_point=contract.minimum,
        order_up_to=contract.order_up_to,
        method=Method.CONTRACT,
        learning=True,
        because=(
            f"learning: {seen} of {PERIODS_KNOWN} periods were seen, {demands} of"
            f" {DEMANDS_KNOWN} of them with demand; until then the contract's"
            f" {contract.minimum} and {contract.order_up_to} hold"
        ),
    )


def _known(
    contract: Contract, *, mean: float, spread: float, periods: float, z: float, target: Target
) -> Parameters:
    point = max(0, math.floor(mean * periods + z * spread))
    up_to = point + _quantity(contract)
    bound = ""
    if contract.capacity is not None and up_to > contract.capacity:
        up_to = contract.capacity
        point = max(0, min(point, up_to - contract.pack))
        bound = f"; the bin holds {contract.capacity}, which bounds it"
    return Parameters(
        mean_per_period=mean,
        spread=spread,
        reorder_point=point,
        order_up_to=up_to,
        method=Method.HISTORY,
        learning=False,
        because=(
            f"{mean:.2f} a period over {periods:.1f} periods, and {z:.2f} times a spread of"
            f" {spread:.1f}, make {point}; that z gives"
            f" {target.share:.1%} {target.service.value} service by replaying the past{bound}"
        ),
    )
