"""Measure a time: the KPIs of every site, item, supplier, month or week, from what happened.

Levels, use and counts come from days that were added up (`sum_days`), orders from the orders.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import TypeVar

import psycopg

from cloud.core import kpis
from cloud.core.bin_days import day_of, midnight
from cloud.core.kpis import (
    Availability,
    CountSums,
    Delivered,
    Demand,
    Forecast,
    ForecastAccuracy,
    Held,
    Lasted,
    OrderAccuracy,
    OrderCycle,
    OrderTimes,
    Overstock,
    Since,
    StockAccuracy,
    Turnover,
)
from cloud.postgres import bin_days
from cloud.postgres import kpis as kept
from cloud.postgres.bin_days import Due
from cloud.postgres.kpis import BinSums, BinWeek, Every, KpiOrder

WEIGHED_TOLERANCE = 1  # pieces: the scale's own doubt is no mistake of the supplier's
WEEKS_MIN = 4  # of fewer a variance says nothing
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_MS, _TICK = timedelta(milliseconds=1), timedelta(microseconds=1)
_LONGEST_MONTH = timedelta(days=31)
_MILLE = 1_000

T = TypeVar("T")


class Group(StrEnum):
    SITE = "site"
    ITEM = "item"
    SUPPLIER = "supplier"
    MONTH = "month"
    WEEK = "week"


_EVERY = {Group.MONTH: Every.MONTH, Group.WEEK: Every.WEEK}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Of which time, by what, of whom."""

    from_at: datetime
    to_at: datetime
    group: Group = Group.SITE
    supplier_id: int | None = None  # None: all of them
    supplier_prices: bool = False  # stock is worth what its supplier asks, and both sides see it
    name: str | None = None  # only the group of that name

    @property
    def first(self) -> date:
        return day_of(self.from_at)

    @property
    def last(self) -> date:
        return day_of(self.to_at - _TICK)


@dataclass(frozen=True, kw_only=True)
class OfBin:
    """One bin over the time. None is "not defined", and never zero."""

    bin: BinSums
    availability: Availability
    used: int
    unseen: int  # probably wanted while it was empty
    days_of_supply: float | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One group over the time. None is "not defined", and never zero."""

    name: str
    asked: Asked  # its own time: that of its month or week, where it is one
    bins: tuple[OfBin, ...]
    orders: tuple[KpiOrder, ...]  # by line; of a bin the one line that is for it
    weeks: tuple[BinWeek, ...]
    counts: int
    fill_rate: float | None  # estimated: nobody sees who found a bin empty
    used: int
    unseen: int
    stock_outs: int
    empty: timedelta
    availability: float | None
    coverage: float | None
    accuracy: StockAccuracy
    order_count: int
    cycle: OrderCycle
    delivered: OrderAccuracy
    rush: float | None
    zero_touch: float | None
    days_of_supply: float | None  # the median of its bins
    turnover: Turnover
    overstock: Overstock
    currency: str | None  # None: no price is known, or there are several currencies
    forecast: ForecastAccuracy
    bullwhip: float | None
    reckoned_at: datetime | None  # up to when the days are; None: there is no day


@dataclass(frozen=True, kw_only=True)
class _Happened:
    """All of a group, before anything is made of it."""

    bins: Sequence[BinSums] = ()
    orders: Sequence[KpiOrder] = ()
    weeks: Sequence[BinWeek] = ()


def measure(conn: psycopg.Connection, asked: Asked) -> list[Measured]:
    """Groups in the order of their names, those of periods in the order of time."""
    rows = kept.sums(
        conn,
        asked.first,
        asked.last,
        _EVERY.get(asked.group, Every.TIME),
        supplier_id=asked.supplier_id,
        supplier_prices=asked.supplier_prices,
    )
    orders = kept.orders(conn, asked.from_at, asked.to_at, supplier_id=asked.supplier_id)
    weeks = kept.weeks(conn, asked.first, asked.last, supplier_id=asked.supplier_id)
    grouped = _grouped(rows, orders, weeks, asked.group)
    return [
        _measured(name, grouped[name], _within(asked, grouped[name]))
        for name in sorted(grouped)
        if asked.name is None or name == asked.name
    ]


def empty_times(
    conn: psycopg.Connection, bin_ids: Sequence[int], asked: Asked
) -> dict[int, tuple[tuple[datetime, datetime], ...]]:
    """When each of them was empty; read from the movements, so of a few bins at a time."""
    # A silence shows when it ends, or at the end of what is looked at.
    due = [Due(bin_id, asked.from_at) for bin_id in bin_ids]
    moved = bin_days.moved(conn, due, asked.to_at)
    silent: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    for one in bin_days.silences(conn, due, asked.to_at + _WEEK):
        if one.from_at < asked.to_at:
            silent[one.bin_id].append((one.from_at, min(one.upto_at, asked.to_at)))
    return {
        bin_id: kpis.empty_times(
            kpis.without_silences(
                [Since(at=max(asked.from_at, m.at), pieces=m.after_pieces) for m in moved[bin_id]],
                silent[bin_id],
                asked.from_at,
            ),
            asked.to_at,
        )
        for bin_id in bin_ids
        if bin_id in moved
    }


# ------------------------------------------------------------------ who belongs to which group


def _grouped(
    rows: Sequence[BinSums], orders: Sequence[KpiOrder], weeks: Sequence[BinWeek], group: Group
) -> dict[str, _Happened]:
    if group in _EVERY:
        rows = [row for row in rows if row.period is not None]
    bins = _by(rows, _name_of(group))
    names = _names(rows, group)
    of_orders = _by(orders, lambda one: names(one, day_of(one.sent_at)))
    of_weeks = _by(weeks, lambda one: names(one, one.week))
    found = {*bins, *of_orders, *of_weeks} - {""}
    return {
        name: _Happened(
            bins=bins.get(name, ()), orders=of_orders.get(name, ()), weeks=of_weeks.get(name, ())
        )
        for name in found
    }


def _by(many: Iterable[T], name_of: Callable[[T], str]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for one in many:
        found[name_of(one)].append(one)
    return found


def _name_of(group: Group) -> Callable[[BinSums], str]:
    match group:
        case Group.SITE:
            return lambda row: row.site or "no longer its bins"
        case Group.ITEM:
            return lambda row: f"{row.sku} {row.part}"
        case Group.SUPPLIER:
            return lambda row: row.supplier
        case Group.MONTH | Group.WEEK:
            return lambda row: _period(row.period, group)


def _period(first: date | None, group: Group) -> str:
    assert first is not None
    return f"{first:%Y-%m}" if group is Group.MONTH else str(first - first.weekday() * _DAY)


def _names(rows: Sequence[BinSums], group: Group) -> Callable[[KpiOrder | BinWeek, date], str]:
    """The group of an order or a week: as the bins are called, by the number they share."""
    name_of = _name_of(group)
    match group:
        case Group.MONTH | Group.WEEK:
            return lambda _, day: _period(day, group)
        case Group.SITE:
            by_bin = {row.bin_id: name_of(row) for row in rows}
            return lambda one, _: by_bin.get(one.bin_id, "")
        case Group.ITEM:
            by_item = {row.item_id: name_of(row) for row in rows}
            return lambda one, _: by_item.get(one.item_id, "")
        case Group.SUPPLIER:
            by_supplier = {row.supplier_id: name_of(row) for row in rows}
            return lambda one, _: by_supplier.get(one.supplier_id, "")


def _within(asked: Asked, happened: _Happened) -> Asked:
    """The month or the week that a group is; the whole time, where it is something else."""
    firsts = {row.period for row in happened.bins if row.period is not None}
    if not firsts:
        return asked
    first = midnight(min(firsts))
    is_week = asked.group is Group.WEEK
    end = first + _WEEK if is_week else (first + _LONGEST_MONTH).replace(day=1)
    return replace(asked, from_at=max(first, asked.from_at), to_at=min(end, asked.to_at))


# ------------------------------------------------------------------ what it comes to


def _measured(name: str, happened: _Happened, asked: Asked) -> Measured:
    bins = [_of_bin(row, asked) for row in happened.bins]
    lasted = [_lasted(row, asked) for row in happened.bins]
    lines = [_times(line) for line in happened.orders]
    # An order is answered and touched once, however many bins it is for.
    ids = [one.order_id for one in happened.orders]
    times = [*dict(zip(ids, lines, strict=True)).values()]
    known = sum((one.known for one in lasted), timedelta())
    window = sum((one.window for one in lasted), timedelta())
    empty = sum((one.empty for one in lasted), timedelta())
    used = sum(one.used for one in bins)
    unseen = sum(one.unseen for one in bins)
    supplies = [one.days_of_supply for one in bins if one.days_of_supply is not None]
    currency = _currency(happened.bins)
    counts = _counts(happened.bins)
    return Measured(
        name=name,
        asked=asked,
        bins=tuple(bins),
        orders=tuple(happened.orders),
        weeks=tuple(happened.weeks),
        counts=counts.counts,
        fill_rate=kpis.fill_rate([Demand(demanded=used + unseen, served=used)]).unit,
        used=used,
        unseen=unseen,
        stock_outs=sum(one.stock_outs for one in lasted),
        empty=empty,
        availability=1 - empty / known if known else None,
        coverage=known / window if window else None,
        accuracy=kpis.accuracy_of(counts),
        order_count=len(times),
        cycle=_cycle(times, lines),
        delivered=_delivered(happened.orders),
        rush=kpis.rush_share(times),
        zero_touch=kpis.zero_touch_share(times),
        days_of_supply=median(supplies) if supplies else None,
        turnover=_turnover(happened.bins, currency),
        overstock=_overstock(happened.bins),
        currency=currency,
        forecast=kpis.forecast_accuracy(forecasts(happened.weeks).values()),
        bullwhip=_bullwhip(happened, asked),
        reckoned_at=max((row.upto_at for row in happened.bins if row.upto_at), default=None),
    )


def _lasted(row: BinSums, asked: Asked) -> Lasted:
    """Of a bin that never said anything all of the time is unknown."""
    window = asked.to_at - asked.from_at if row.window_ms is None else row.window_ms * _MS
    return Lasted(
        window=window,
        known=row.known_ms * _MS,
        empty=row.empty_ms * _MS,
        piece_hours=row.piece_hours,
        stock_outs=row.stock_outs,
    )


def _of_bin(row: BinSums, asked: Asked) -> OfBin:
    """What was probably wanted of an empty bin: as much as of a filled one in the same time."""
    lasted, used = _lasted(row, asked), max(0, row.used)
    filled = lasted.known - lasted.empty
    rate_milli = used * _MILLE * _DAY // filled if filled else 0
    return OfBin(
        bin=row,
        availability=kpis.availability_of(lasted),
        used=used,
        unseen=round(kpis.unseen_demand(rate_milli, lasted.empty)),
        days_of_supply=None
        if row.held is None
        else kpis.lasts_days(row.held, used, lasted.known / _DAY),
    )


def _times(order: KpiOrder) -> OrderTimes:
    return OrderTimes(
        sent_at=order.sent_at,
        answered_at=order.answered_at,
        received_at=order.came_at,
        given_up=order.ended_at is not None and order.came_at is None,
        rush=order.rush,
        touches=order.touches,
    )


def _cycle(orders: Sequence[OrderTimes], lines: Sequence[OrderTimes]) -> OrderCycle:
    """Answers by the order, arrivals by its lines."""
    return replace(
        kpis.order_cycle(lines),
        response_hours_median=(answers := kpis.order_cycle(orders)).response_hours_median,
        unanswered=answers.unanswered,
    )


def _delivered(lines: Iterable[KpiOrder]) -> OrderAccuracy:
    """Of lines that were said to be shipped, and are over."""
    return kpis.order_accuracy(
        [
            Delivered(ordered=one.quantity, shipped=one.shipped, weighed=one.received)
            for one in lines
            if one.shipped and one.is_over
        ],
        tolerance_pieces=WEIGHED_TOLERANCE,
    )


def _counts(rows: Iterable[BinSums]) -> CountSums:
    total = CountSums()
    for row in rows:
        if row.counts:
            total = total.plus(
                CountSums(
                    counts=row.counts,
                    hits=row.count_hits,
                    physical=row.counted,
                    off=row.counted_off,
                    net=row.counted_net,
                )
            )
    return total


def _currency(rows: Iterable[BinSums]) -> str | None:
    """A sum of several currencies is no sum."""
    currencies = {row.currency for row in rows if row.price_e4 is not None}
    return currencies.pop() if len(currencies) == 1 else None


def _turnover(rows: Sequence[BinSums], currency: str | None) -> Turnover:
    """Of bins whose price is known; where all hold one item, it needs none."""
    one_item = len({row.item_id for row in rows}) == 1
    used, stock = 0.0, 0.0
    for row in rows:
        price = 1 if one_item else row.price_e4 if currency is not None else None
        if price is None or row.known_ms == 0:
            continue
        known = row.known_ms * _MS
        used += max(0, row.used) * price * (kpis.DAYS_PER_YEAR * _DAY / known)
        stock += row.piece_hours / (known / timedelta(hours=1)) * price
    return kpis.turnover(round(used), stock)


def _overstock(rows: Iterable[BinSums]) -> Overstock:
    """Of bins whose level was known at the end."""
    return kpis.overstock(
        [
            Held(on_hand=row.held, maximum=row.maximum, price=row.price_e4 or 0)
            for row in rows
            if row.held is not None and row.maximum is not None
        ]
    )


def forecasts(weeks: Iterable[BinWeek]) -> Mapping[int, list[Forecast]]:
    """Of each bin the weeks that something was said of, as accuracy is reckoned from."""
    found: dict[int, list[Forecast]] = defaultdict(list)
    for row in weeks:
        if row.forecast is not None:
            found[row.bin_id].append(
                Forecast(
                    week=row.week.toordinal() // 7,
                    said=row.forecast,
                    came=row.used if row.seen else None,
                    square=row.square,
                    lead_weeks=row.lead_weeks,
                )
            )
    return found


def _bullwhip(happened: _Happened, asked: Asked) -> float | None:
    """Over the whole weeks from Monday in the time; of too few it is not defined."""
    ordered, used = weekly(happened.orders, happened.weeks, asked)
    return kpis.bullwhip(list(ordered.values()), list(used.values())) if ordered else None


def weekly(
    orders: Iterable[KpiOrder], weeks: Iterable[BinWeek], asked: Asked
) -> tuple[dict[date, int], dict[date, int]]:
    """Ordered and used in each whole week of the time; nothing, where there are too few."""
    first = asked.first + -asked.first.weekday() % 7 * _DAY
    count = (day_of(asked.to_at) - first) // _WEEK  # the day that is not over is of none
    if count < WEEKS_MIN:
        return {}, {}
    mondays = [first + at * _WEEK for at in range(count)]
    ordered, used = dict.fromkeys(mondays, 0), dict.fromkeys(mondays, 0)
    for order in orders:
        day = day_of(order.sent_at)
        monday = day - day.weekday() * _DAY
        if monday in ordered:
            ordered[monday] += order.asked
    for week in weeks:
        if week.week in used:
            used[week.week] += week.used
    return ordered, used
