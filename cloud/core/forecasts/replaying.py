"""Demand that has been, met again with other parameters: what stock, and what service, would it be?

One period: what arrives is put away and serves backorders first, demand is served from what lies
there, the rest is owed (or lost), the position is looked at, and an order is placed at or below the
reorder point: up to `point + quantity`, at least the MOQ, in whole packs. An order placed at the
end of t arrives at the start of t + 1 + lead time, so one decision lasts lead time + 1 periods.

All items run side by side, each with several reorder points at once: a curve of stock against
service costs one pass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cloud.core.forecasts.panels import Floats

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Lot:
    """What orders are made of, per item."""

    quantity: Floats  # order-up-to level less reorder point
    moq: Floats
    pack: Floats

    def of(self, items: Floats) -> "Lot":
        return Lot(quantity=self.quantity[items], moq=self.moq[items], pack=self.pack[items])


@dataclass(frozen=True, kw_only=True)
class Period:
    """Items by alternatives, at the end of one period."""

    on_hand: Floats
    owed: Floats
    position: Floats  # before ordering
    ordered: Floats
    served: Floats


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Per alternative: mean stock in periods of demand value, and the service it gave."""

    stock: Floats
    value_fill: Floats
    line_fill: Floats


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Sums over the replayed periods, items by alternatives."""

    on_hand: Floats
    served: Floats
    lines_whole: Floats
    demand: Floats  # per item
    lines: Floats

    def curve(self, price: Floats) -> Curve:
        value = price @ self.demand
        lines = self.lines.sum()
        return Curve(
            stock=price @ self.on_hand / value if value else np.zeros(self.on_hand.shape[1]),
            value_fill=price @ self.served / value if value else np.ones(self.on_hand.shape[1]),
            line_fill=self.lines_whole.sum(axis=0) / lines
            if lines
            else np.ones(self.on_hand.shape[1]),
        )


class Replay:
    """Walks through the periods; each step is one of them."""

    def __init__(
        self, start: Floats, lot: Lot, lead_time: int, *, lost_sales: bool = False
    ) -> None:
        self._stock = np.ceil(start)  # pieces are whole
        self._on_order = np.zeros_like(self._stock)
        self._coming = [np.zeros_like(self._stock) for _ in range(lead_time + 1)]
        self._quantity, self._moq = lot.quantity[:, None], lot.moq[:, None]
        self._pack = lot.pack[:, None]
        self._lost_sales = lost_sales

    def step(self, demand: Floats, point: Floats) -> Period:
        """`demand` of one period, by item; masked, it is none. `point` holds at its end."""
        arrived = self._coming.pop(0)
        stock = self._stock + arrived
        on_order = self._on_order - arrived
        wanted = np.nan_to_num(demand)[:, None]
        served = np.minimum(wanted, np.maximum(stock, 0))
        stock = stock - (served if self._lost_sales else wanted)
        position = stock + on_order
        order = np.maximum(point + self._quantity - position, self._moq)
        order = np.where(
            position <= point + _ROUNDING,
            np.ceil(order / self._pack - _ROUNDING) * self._pack,
            0.0,
        )
        self._coming.append(order)
        self._stock, self._on_order = stock, on_order + order
        return Period(
            on_hand=np.maximum(stock, 0),
            owed=np.maximum(-stock, 0),
            position=position,
            ordered=order,
            served=served,
        )


def replay(
    demand: Floats,
    points: Sequence[Floats],
    start: Floats,
    lot: Lot,
    lead_time: int,
    *,
    lost_sales: bool = False,
) -> Iterator[Period]:
    """All periods; `points[t]` holds at the end of t."""
    walk = Replay(start, lot, lead_time, lost_sales=lost_sales)
    for t, point in enumerate(points):
        yield walk.step(demand[:, t], point)


def tally(demand: Floats, periods: Iterator[Period]) -> Tally:
    wanted = np.nan_to_num(demand)
    on_hand = served = whole = np.zeros((len(demand), 1))
    for t, period in enumerate(periods):
        on_hand = on_hand + period.on_hand
        served = served + period.served
        line = wanted[:, t, None]
        whole = whole + ((period.served >= line) & (line > 0))
    return Tally(
        on_hand=on_hand,
        served=served,
        lines_whole=whole,
        demand=wanted.sum(axis=1),
        lines=(wanted > 0).sum(axis=1),
    )


def stock_at(stock: Floats, service: Floats, asked: float) -> float:
    """The stock that gives a service, read off the curve between two alternatives; NaN beyond."""
    order = np.argsort(stock)
    rising = np.maximum.accumulate(service[order])
    if not rising[0] <= asked <= rising[-1]:
        return float("nan")
    return float(np.interp(asked, rising, stock[order]))


def alternative_at(alternatives: Floats, service: Floats, asked: float) -> float:
    """The alternative, between two that were tried, that gives a service; the nearest beyond."""
    rising = np.maximum.accumulate(service)
    return float(np.interp(asked, rising, alternatives))
