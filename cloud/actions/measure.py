"""Measure a time: the KPIs of every site, item, supplier, month or week, from what happened.

Levels, use and counts come from days that were added up (`sum_days`), orders from the orders.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import sqrt

import psycopg

from cloud.core import kpis
from cloud.core.asked import Asked, Group
from cloud.core.bin_days import day_of
from cloud.core.kpis import (
    Availability,
    CountSums,
    Demand,
    Forecast,
    ForecastAccuracy,
    Lasted,
    OrderAccuracy,
    OrderCycle,
    Overstock,
    Since,
    StockAccuracy,
    Turnover,
)
from cloud.core.periods import Period, monday_of
from cloud.postgres import bin_days, kpi_sums
from cloud.postgres import kpis as kept
from cloud.postgres.bin_days import Due
from cloud.postgres.kpi_sums import GroupBins, GroupForecasts, GroupOrders, InWeek, Key
from cloud.postgres.kpis import BinSums, BinWeek, KpiOrder, One

WEIGHED_TOLERANCE = 1  # pieces: the scale's own doubt is no mistake of the supplier's
WEEKS_MIN = 4  # of fewer a variance says nothing
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_MS = timedelta(milliseconds=1)
_MILLE = 1_000


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

    key: Key
    name: str
    asked: Asked  # its own time: that of its month or week, where it is one
    bin_count: int
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
    mean_stock_e4: float | None  # what lay there was worth, on average
    currency: str | None  # None: no price is known, or there are several currencies
    forecast: ForecastAccuracy
    bullwhip: float | None
    reckoned_at: datetime | None  # up to when the days are; None: there is no day


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What the numbers of one group were added up from."""

    asked: Asked
    bins: tuple[OfBin, ...]
    orders: tuple[KpiOrder, ...]  # by line; of a bin the one line that is for it
    weeks: tuple[BinWeek, ...]


def measure(conn: psycopg.Connection, asked: Asked) -> list[Measured]:
    """Groups in the order of their names, those of periods in the order of time."""
    kpi_sums.with_room(conn)
    of_bins = {row.key: row for row in kpi_sums.bins(conn, asked)}
    of_orders = {row.key: row for row in kpi_sums.orders(conn, asked, WEIGHED_TOLERANCE)}
    of_weeks = {row.key: row for row in kpi_sums.forecasts(conn, asked)}
    used = _by_week(kpi_sums.used(conn, asked))
    keys = set(of_bins)
    if asked.group.period is not None:  # else an order of what has no bin here is of no group
        keys |= {*of_orders, *of_weeks, *used}
    found = [
        _measured(
            asked,
            key,
            of_bins.get(key),
            of_orders.get(key),
            of_weeks.get(key),
            used.get(key, {}),
        )
        for key in keys
    ]
    return sorted((one for one in found if one.name), key=lambda one: one.name)


def behind(conn: psycopg.Connection, asked: Asked, name: str) -> Behind | None:
    """The rows behind the numbers of the group of that name; None: there is no such group."""
    period, whole = asked.group.period, asked
    if period is None:
        one = kept.find(conn, asked.group, name)
    else:
        first = _first_of(name, period)
        one = None if first is None else One(key=first)
        asked = asked if first is None else asked.within(period, first)
    if one is None or asked.from_at >= asked.to_at:
        return None
    rows = kept.sums(conn, asked, one)
    if period is None and not rows:
        return None
    return Behind(
        asked=asked,
        bins=tuple(
            _of_bin(row, asked) for row in rows if period is None or row.window_ms is not None
        ),
        orders=tuple(kept.orders(conn, asked, one)),
        weeks=tuple(kept.weeks(conn, whole, one)),  # one is of the month in which it begins
    )


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


# ------------------------------------------------------------------ what it comes to


def _measured(  # noqa: PLR0917 - what one group comes of
    asked: Asked,
    key: Key,
    bins: GroupBins | None,
    orders: GroupOrders | None,
    forecast: GroupForecasts | None,
    used: Mapping[date, int],
) -> Measured:
    bins = bins or _NO_BINS._replace(key=key, name=_name_of(asked.group, key))
    orders = orders or _NO_ORDERS
    known, window, empty = (ms * _MS for ms in (bins.known_ms, bins.window_ms, bins.empty_ms))
    if asked.group.period is not None and isinstance(key, date):
        asked = asked.within(asked.group.period, key)
    counts = CountSums(
        counts=bins.counts,
        hits=bins.count_hits,
        physical=bins.counted,
        off=bins.counted_off,
        net=bins.counted_net,
    )
    return Measured(
        key=key,
        name=bins.name,
        asked=asked,
        bin_count=bins.bins,
        counts=counts.counts,
        fill_rate=kpis.fill_rate([Demand(demanded=bins.used + bins.unseen, served=bins.used)]).unit,
        used=bins.used,
        unseen=bins.unseen,
        stock_outs=bins.stock_outs,
        empty=empty,
        availability=1 - empty / known if known else None,
        coverage=known / window if window else None,
        accuracy=kpis.accuracy_of(counts),
        order_count=orders.orders,
        cycle=OrderCycle(
            response_hours_median=orders.response_hours,
            unanswered=orders.unanswered,
            cycle_hours_mean=orders.cycle_hours,
            cycle_hours_p90=orders.cycle_hours_p90,
            open_orders=orders.open_lines,
        ),
        delivered=OrderAccuracy(
            shipped_as_ordered=_share(orders.as_ordered, orders.shipped),
            weighed_as_shipped=_share(orders.as_shipped, orders.shipped),
        ),
        rush=_share(orders.rush, orders.orders),
        zero_touch=_share(orders.untouched, orders.orders),
        days_of_supply=bins.supply_days,
        turnover=_turnover(bins),
        overstock=Overstock(value=bins.over_e4, share_of_bins=_share(bins.over, bins.held)),
        mean_stock_e4=None if bins.currency is None or not known else bins.mean_e4,
        currency=bins.currency,
        forecast=_accuracy(forecast),
        bullwhip=_bullwhip(asked, dict(zip(orders.mondays, orders.ordered, strict=True)), used),
        reckoned_at=bins.upto_at,
    )


_NO_BINS = GroupBins(
    key=None, name="", bins=0, window_ms=0, known_ms=0, empty_ms=0, stock_outs=0, used=0, unseen=0,
    supply_days=None, counts=0, count_hits=0, counted=0, counted_off=0, counted_net=0, held=0,
    over=0, over_e4=0, one_item=False, currency=None, year_pieces=0.0, mean_pieces=0.0,
    year_e4=0.0, mean_e4=0.0, upto_at=None,
)  # fmt: skip
_NO_ORDERS = GroupOrders(None, 0, None, 0, 0, 0, None, None, 0, 0, 0, 0, [], [])


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _name_of(group: Group, key: Key) -> str:
    """Of a period; it is in time even if no bin is."""
    if not isinstance(key, date):
        return ""
    return f"{key:%Y-%m}" if group is Group.MONTH else str(key)


def _first_of(name: str, period: Period) -> date | None:
    """The first day of the period of that name; None: that is none."""
    text = f"{name}-01" if period is Period.MONTH else name
    try:
        first = date.fromisoformat(text)
    except ValueError:
        return None
    return first if period is Period.MONTH or first.weekday() == 0 else None


def _by_week(rows: Iterable[InWeek]) -> dict[Key, dict[date, int]]:
    found: dict[Key, dict[date, int]] = defaultdict(dict)
    for row in rows:
        found[row.key][row.week] = row.pieces
    return found


def _turnover(bins: GroupBins) -> Turnover:
    """Of bins whose price is known; where all hold one item, it needs none."""
    if bins.one_item:
        return kpis.turnover(round(bins.year_pieces), bins.mean_pieces)
    if bins.currency is None:
        return kpis.turnover(0, 0.0)
    return kpis.turnover(round(bins.year_e4), bins.mean_e4)


def _accuracy(said: GroupForecasts | None) -> ForecastAccuracy:
    if said is None:
        return kpis.forecast_accuracy([])
    return ForecastAccuracy(
        weeks=said.weeks,
        rmsse=None if said.scaled is None else sqrt(said.scaled),
        bias=(said.said - said.came) / said.came if said.came else None,
        lead_time_wape=said.missed / said.in_leads if said.in_leads else None,
    )


# ------------------------------------------------------------------ one bin


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


# ------------------------------------------------------------------ week by week


def _bullwhip(asked: Asked, ordered: Mapping[date, int], used: Mapping[date, int]) -> float | None:
    """Over the whole weeks from Monday in the time; of too few it is not defined."""
    mondays = asked.mondays
    if len(mondays) < WEEKS_MIN:
        return None
    return kpis.bullwhip(
        [ordered.get(monday, 0) for monday in mondays], [used.get(monday, 0) for monday in mondays]
    )


def weekly(found: Behind) -> list[tuple[date, int, int]]:
    """Ordered and used in each whole week of the time; nothing, where there are too few."""
    mondays = found.asked.mondays
    if len(mondays) < WEEKS_MIN:
        return []
    ordered, used = dict.fromkeys(mondays, 0), dict.fromkeys(mondays, 0)
    for order in found.orders:
        monday = monday_of(day_of(order.sent_at))
        if monday in ordered:
            ordered[monday] += order.asked
    for week in found.weeks:
        if week.week in used:
            used[week.week] += week.used
    return [(monday, ordered[monday], used[monday]) for monday in mondays]
