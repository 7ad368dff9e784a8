"""Measure a time: the KPIs of every site, item or supplier, from what really happened."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

import psycopg

from cloud.core import kpis
from cloud.core.kpis import (
    Availability,
    Counted,
    Demand,
    Held,
    OrderCycle,
    OrderTimes,
    Overstock,
    Since,
    StockAccuracy,
)
from cloud.postgres import kpis as kept
from cloud.postgres.kpis import KpiBin, KpiCount, KpiOrder, Moved, Silence

TOLERANCE_PER_MILLE = 20  # a count within two percent of the level is a hit
WEEKS_MIN = 4  # of fewer a variance says nothing
USED = ("usage", "put_back")
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_MILLE = 1_000


class Group(StrEnum):
    SITE = "site"
    ITEM = "item"
    SUPPLIER = "supplier"


@dataclass(frozen=True, kw_only=True)
class OfBin:
    """One bin over the time."""

    bin: KpiBin
    availability: Availability
    used: int
    unseen: int  # probably wanted while it was empty
    days_of_supply: float | None
    empty_times: tuple[tuple[datetime, datetime], ...]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One site, item or supplier over the time. None is "not defined", and never zero."""

    name: str
    bins: tuple[OfBin, ...]
    orders: tuple[KpiOrder, ...]
    counts: tuple[KpiCount, ...]
    fill_rate: float | None  # estimated: nobody sees who found a bin empty
    unseen: int
    stock_outs: int
    empty: timedelta
    availability: float | None
    coverage: float | None
    accuracy: StockAccuracy
    cycle: OrderCycle
    rush: float | None
    zero_touch: float | None
    days_of_supply: float | None  # the median of its bins
    overstock: Overstock
    overstock_currency: str | None  # None: no price is known, or there are several currencies
    bullwhip: float | None


@dataclass(frozen=True, kw_only=True)
class _Happened:
    from_at: datetime
    to_at: datetime
    orders: Sequence[KpiOrder]
    counts: Sequence[KpiCount]
    moved: Mapping[int, Sequence[Moved]]


def measure(
    conn: psycopg.Connection, from_at: datetime, to_at: datetime, group: Group
) -> list[Measured]:
    moved, silences = defaultdict(list), defaultdict(list)
    for one in kept.movements(conn, from_at, to_at):
        moved[one.bin_id].append(one)
    for silence in kept.silences(conn, from_at, to_at):
        silences[silence.bin_id].append(silence)
    happened = _Happened(
        from_at=from_at,
        to_at=to_at,
        orders=kept.orders(conn, from_at, to_at),
        counts=kept.counts(conn, from_at, to_at),
        moved=moved,
    )
    by_name: dict[str, list[OfBin]] = defaultdict(list)
    for bin_ in kept.bins(conn):
        of_bin = _of_bin(bin_, moved[bin_.bin_id], silences[bin_.bin_id], from_at, to_at)
        by_name[_name(bin_, group)].append(of_bin)
    return [_of_group(name, bins, happened) for name, bins in sorted(by_name.items())]


def _name(bin_: KpiBin, group: Group) -> str:
    match group:
        case Group.SITE:
            return bin_.site
        case Group.ITEM:
            return f"{bin_.sku} {bin_.part}"
        case Group.SUPPLIER:
            return bin_.supplier


def _of_bin(
    bin_: KpiBin,
    moved: Sequence[Moved],
    silences: Sequence[Silence],
    from_at: datetime,
    to_at: datetime,
) -> OfBin:
    levels = [Since(at=max(from_at, one.at), pieces=one.after_pieces) for one in moved]
    gaps = [(max(from_at, one.from_at), min(to_at, one.upto_at)) for one in silences]
    known = kpis.without_silences(levels, gaps, from_at)
    available = kpis.availability(known, to_at)
    used = _used(moved, from_at)
    seen = (available.coverage or 0.0) * (to_at - from_at)
    rate_milli = max(0, used) * _MILLE * _DAY // seen if seen else 0
    days = max(1, round(seen / _DAY)) if seen else 0
    return OfBin(
        bin=bin_,
        availability=available,
        used=max(0, used),
        unseen=round(kpis.unseen_demand(rate_milli, available.empty)),
        days_of_supply=None
        if bin_.pieces is None or not days
        else kpis.days_of_supply(bin_.pieces, [max(0, used), *([0] * (days - 1))]),
        empty_times=kpis.empty_times(known, to_at),
    )


def _used(moved: Iterable[Moved], from_at: datetime) -> int:
    return -sum(one.pieces for one in moved if one.kind in USED and one.at >= from_at)


def _of_group(name: str, bins: Sequence[OfBin], happened: _Happened) -> Measured:
    ids = {one.bin.bin_id for one in bins}
    orders = tuple(one for one in happened.orders if one.bin_id in ids)
    counts = tuple(one for one in happened.counts if one.bin_id in ids)
    moved = [one for key in ids for one in happened.moved.get(key, ())]
    lasted = happened.to_at - happened.from_at
    times = [_times(order) for order in orders]
    window = lasted * len(bins)
    known = sum(((one.availability.coverage or 0.0) * lasted for one in bins), timedelta())
    empty = sum((one.availability.empty for one in bins), timedelta())
    unseen = sum(one.unseen for one in bins)
    used = sum(one.used for one in bins)
    supplies = [one.days_of_supply for one in bins if one.days_of_supply is not None]
    overstock, currency = _overstock(bins)
    return Measured(
        name=name,
        bins=tuple(bins),
        orders=orders,
        counts=counts,
        fill_rate=kpis.fill_rate([Demand(demanded=used + unseen, served=used)]).unit,
        unseen=unseen,
        stock_outs=sum(one.availability.stock_outs for one in bins),
        empty=empty,
        availability=1 - empty / known if known else None,
        coverage=known / window if window else None,
        accuracy=kpis.stock_accuracy(
            [Counted(physical=one.pieces, system=one.level_pieces) for one in counts],
            tolerance_per_mille=TOLERANCE_PER_MILLE,
        ),
        cycle=kpis.order_cycle(times),
        rush=kpis.rush_share(times),
        zero_touch=kpis.zero_touch_share(times),
        days_of_supply=median(supplies) if supplies else None,
        overstock=overstock,
        overstock_currency=currency,
        bullwhip=_bullwhip(orders, moved, happened.from_at, happened.to_at),
    )


def _times(order: KpiOrder) -> OrderTimes:
    return OrderTimes(
        sent_at=order.placed_at,
        answered_at=order.acknowledged_at,
        received_at=order.closed_at,
        rush=order.rush,
        touches=order.touches,
    )


def _overstock(bins: Sequence[OfBin]) -> tuple[Overstock, str | None]:
    """Of bins whose level is known; a sum of several currencies is no sum."""
    held = [one.bin for one in bins if one.bin.pieces is not None]
    currencies = {one.currency for one in held if one.currency}
    told = kpis.overstock(
        [
            Held(on_hand=one.pieces or 0, maximum=one.maximum, price=one.price_e4 or 0)
            for one in held
        ]
    )
    return told, currencies.pop() if len(currencies) == 1 else None


def _bullwhip(
    orders: Sequence[KpiOrder], moved: Sequence[Moved], from_at: datetime, to_at: datetime
) -> float | None:
    """Over the whole weeks that end with the time; of too few it is not defined."""
    weeks = (to_at - from_at) // _WEEK
    if weeks < WEEKS_MIN:
        return None
    first = to_at - weeks * _WEEK
    ordered, used = [0] * weeks, [0] * weeks
    for order in orders:
        if order.placed_at >= first:
            ordered[(order.placed_at - first) // _WEEK] += order.quantity
    for one in moved:
        if one.kind in USED and first <= one.at < to_at:
            used[(one.at - first) // _WEEK] -= one.pieces
    return kpis.bullwhip(ordered, used)
