"""What is measured of bins, orders and suppliers, each by one exact definition.

Undefined is None, never zero and never infinite. A time in which a scale was silent is taken out
of the denominator and told beside the number as coverage; what is unanswered or still open is
counted beside a mean, and not dropped in silence. Money is in the smallest coin.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from statistics import fmean, median, pvariance
from typing import NamedTuple

DAYS_PER_YEAR = 365
BULLWHIP_ALARMING = 2.0
BULLWHIP_WEEKS = 13
_HOUR = timedelta(hours=1)
_MILLE = 1_000


# ------------------------------------------------------------------ service


@dataclass(frozen=True, kw_only=True)
class Demand:
    demanded: int
    served: int  # at once, from the bin


@dataclass(frozen=True, kw_only=True)
class FillRate:
    unit: float | None  # the share of pieces
    line: float | None  # the share of demands served whole


def fill_rate(demands: Iterable[Demand]) -> FillRate:
    asked = [demand for demand in demands if demand.demanded > 0]
    pieces = sum(demand.demanded for demand in asked)
    served = sum(min(demand.served, demand.demanded) for demand in asked)
    whole = sum(demand.served >= demand.demanded for demand in asked)
    return FillRate(unit=_ratio(served, pieces), line=_ratio(whole, len(asked)))


def unseen_demand(rate_milli_per_day: int, empty: timedelta) -> float:
    """Who finds an empty bin leaves no trace: what was probably wanted, told beside the fill."""
    return rate_milli_per_day / _MILLE * (empty / timedelta(days=1))


# ------------------------------------------------------------------ levels


@dataclass(frozen=True, kw_only=True)
class Since:
    """From `at` on the bin held so much; None: nobody knows, its scale was silent or doubted."""

    at: datetime
    pieces: int | None


@dataclass(frozen=True, kw_only=True)
class Availability:
    mean_stock: float | None
    stock_outs: int
    empty: timedelta
    availability: float | None  # 1 less the share of the known time in which it was empty
    coverage: float | None  # the share of the window in which the level was known


@dataclass(frozen=True, kw_only=True)
class Lasted:
    """What a bin held over a window, so that windows that follow each other can be put together."""

    window: timedelta = timedelta()
    known: timedelta = timedelta()
    empty: timedelta = timedelta()
    piece_hours: float = 0.0
    stock_outs: int = 0
    first_known: int | None = None  # pieces
    last_known: int | None = None

    def then(self, later: "Lasted") -> "Lasted":
        """Both windows as one. Empty at the end of this and in the beginning of that is one."""
        one = self.last_known == 0 and later.first_known == 0
        return Lasted(
            window=self.window + later.window,
            known=self.known + later.known,
            empty=self.empty + later.empty,
            piece_hours=self.piece_hours + later.piece_hours,
            stock_outs=self.stock_outs + later.stock_outs - one,
            first_known=later.first_known if self.first_known is None else self.first_known,
            last_known=self.last_known if later.last_known is None else later.last_known,
        )


def lasted(levels: Sequence[Since], until: datetime) -> Lasted:
    """Time-weighted, over the window from the first level to `until`; levels in order of time.

    A bin that is empty when the window begins has one stock-out. Empty before a silence and empty
    after it is the same stock-out, as far as anybody knows.
    """
    known, empty, weighted = timedelta(), timedelta(), 0.0
    stock_outs, first_known, last_known = 0, None, None
    ends = [*(level.at for level in levels), until][1:]
    for level, end in zip(levels, ends, strict=True):
        assert level.at <= end, "levels are in order of time"
        if level.pieces is None:
            continue
        took = end - level.at
        known += took
        weighted += level.pieces * (took / _HOUR)
        if level.pieces == 0:
            empty += took
            stock_outs += last_known != 0
        first_known = level.pieces if first_known is None else first_known
        last_known = level.pieces
    return Lasted(
        window=until - levels[0].at if levels else timedelta(),
        known=known,
        empty=empty,
        piece_hours=weighted,
        stock_outs=stock_outs,
        first_known=first_known,
        last_known=last_known,
    )


def availability_of(all_of: Lasted) -> Availability:
    known = all_of.known
    return Availability(
        mean_stock=all_of.piece_hours / (known / _HOUR) if known else None,
        stock_outs=all_of.stock_outs,
        empty=all_of.empty,
        availability=1 - all_of.empty / known if known else None,
        coverage=known / all_of.window if all_of.window else None,
    )


def availability(levels: Sequence[Since], until: datetime) -> Availability:
    return availability_of(lasted(levels, until))


def without_silences(
    levels: Sequence[Since], silences: Iterable[tuple[datetime, datetime]], from_at: datetime
) -> tuple[Since, ...]:
    """Levels in order of time, from `from_at` on, and nothing known while a scale was silent."""
    quiet = sorted(one for one in silences if one[0] < one[1])
    edges = sorted({from_at, *(level.at for level in levels), *(at for one in quiet for at in one)})
    told: list[Since] = []
    place, silent, last = 0, 0, None
    for at in edges:
        while place < len(levels) and levels[place].at <= at:
            last = levels[place].pieces
            place += 1
        while silent < len(quiet) and quiet[silent][1] <= at:
            silent += 1
        hidden = silent < len(quiet) and quiet[silent][0] <= at
        told.append(Since(at=at, pieces=None if hidden else last))
    return tuple(told)


def empty_times(levels: Sequence[Since], until: datetime) -> tuple[tuple[datetime, datetime], ...]:
    """The stretches in which the bin was known to be empty."""
    ends = [*(level.at for level in levels), until][1:]
    times: list[tuple[datetime, datetime]] = []
    for level, end in zip(levels, ends, strict=True):
        if level.pieces != 0 or level.at >= end:
            continue
        if times and times[-1][1] == level.at:
            times[-1] = (times[-1][0], end)
        else:
            times.append((level.at, end))
    return tuple(times)


def days_of_supply(on_hand: int, usage_per_day: Sequence[int | None]) -> float | None:
    """On hand by the mean of all days that are known, those without use too. No use: undefined."""
    days = [used for used in usage_per_day if used is not None]
    return lasts_days(on_hand, sum(days), len(days))


def lasts_days(on_hand: int, used: int, days: float) -> float | None:
    return on_hand * days / used if used > 0 and days > 0 else None


@dataclass(frozen=True, kw_only=True)
class Held:
    on_hand: int
    maximum: int
    price: int


@dataclass(frozen=True, kw_only=True)
class Overstock:
    value: int
    share_of_bins: float | None


def overstock(bins: Sequence[Held]) -> Overstock:
    over = [max(0, one.on_hand - one.maximum) * one.price for one in bins]
    return Overstock(
        value=sum(over),
        share_of_bins=_ratio(sum(one.on_hand > one.maximum for one in bins), len(bins)),
    )


@dataclass(frozen=True, kw_only=True)
class Turnover:
    turns: float | None  # a year
    days: float | None  # a piece lies there


def turnover(annual_usage_value: int, mean_stock_value: float) -> Turnover:
    turns = annual_usage_value / mean_stock_value if mean_stock_value > 0 else None
    return Turnover(turns=turns, days=DAYS_PER_YEAR / turns if turns else None)


# ------------------------------------------------------------------ forecasts


class Forecast(NamedTuple):
    """What was said of one week, and what came; None: it could not be seen."""

    week: int  # counted, so that weeks that follow each other are told
    said: float  # pieces
    came: int | None
    square: float | None  # mean squared step from week to week until then; None: it never changed
    lead_weeks: int  # for how long an order of that week has to last


@dataclass(frozen=True, kw_only=True)
class ForecastAccuracy:
    weeks: int  # that were forecast and seen
    rmsse: float | None  # below one: better than "as last week"
    bias: float | None  # by what came; above zero: more was said
    lead_time_wape: float | None  # misses over lead times by what came in them


def forecast_accuracy(bins: Iterable[Sequence[Forecast]]) -> ForecastAccuracy:
    """Of each bin its weeks in order. A lead time counts if every week of it was seen."""
    scaled: list[float] = []
    weeks, said, came, missed, in_leads = 0, 0.0, 0, 0.0, 0
    for told in bins:
        seen = {one.week: one.came for one in told if one.came is not None}
        for one in told:
            if one.came is None:
                continue
            weeks += 1
            said += one.said
            came += one.came
            if one.square:
                scaled.append((one.said - one.came) ** 2 / one.square)
            lead = [seen.get(one.week + ahead) for ahead in range(one.lead_weeks)]
            known = [pieces for pieces in lead if pieces is not None]
            if len(known) == len(lead):
                missed += abs(one.said * one.lead_weeks - sum(known))
                in_leads += sum(known)
    return ForecastAccuracy(
        weeks=weeks,
        rmsse=sqrt(fmean(scaled)) if scaled else None,
        bias=(said - came) / came if came else None,
        lead_time_wape=missed / in_leads if in_leads else None,
    )


# ------------------------------------------------------------------ book and scale


@dataclass(frozen=True, kw_only=True)
class Counted:
    physical: int
    system: int


@dataclass(frozen=True, kw_only=True)
class StockAccuracy:
    hit_rate: float | None  # the share of counts within the tolerance
    gross: float | None  # errors do not make up for each other
    net: float | None  # they do; to be told beside the gross one, or not at all


@dataclass(frozen=True, kw_only=True)
class CountSums:
    """Counts added up, so that days of them can be put together."""

    counts: int = 0
    hits: int = 0
    physical: int = 0
    off: int = 0  # whatever the direction
    net: int = 0  # the book above the bin

    def plus(self, other: "CountSums") -> "CountSums":
        return CountSums(
            counts=self.counts + other.counts,
            hits=self.hits + other.hits,
            physical=self.physical + other.physical,
            off=self.off + other.off,
            net=self.net + other.net,
        )


def count_sums(counts: Sequence[Counted], *, tolerance_per_mille: int) -> CountSums:
    return CountSums(
        counts=len(counts),
        hits=sum(
            _MILLE * abs(one.system - one.physical) <= tolerance_per_mille * one.physical
            for one in counts
        ),
        physical=sum(one.physical for one in counts),
        off=sum(abs(one.system - one.physical) for one in counts),
        net=sum(one.system - one.physical for one in counts),
    )


def accuracy_of(sums: CountSums) -> StockAccuracy:
    return StockAccuracy(
        hit_rate=_ratio(sums.hits, sums.counts),
        gross=1 - sums.off / sums.physical if sums.physical else None,
        net=1 - abs(sums.net) / sums.physical if sums.physical else None,
    )


def stock_accuracy(counts: Sequence[Counted], *, tolerance_per_mille: int) -> StockAccuracy:
    return accuracy_of(count_sums(counts, tolerance_per_mille=tolerance_per_mille))


# ------------------------------------------------------------------ orders


@dataclass(frozen=True, kw_only=True)
class OrderTimes:
    sent_at: datetime
    answered_at: datetime | None  # the first sign of the supplier
    received_at: datetime | None  # the first weight that came
    given_up: bool = False  # it ended, and nothing came: not open any more, and nothing to time
    rush: bool = False
    touches: int = 0  # what people had to do for it


@dataclass(frozen=True, kw_only=True)
class OrderCycle:
    response_hours_median: float | None
    unanswered: int
    cycle_hours_mean: float | None
    cycle_hours_p90: float | None
    open_orders: int


def order_cycle(orders: Sequence[OrderTimes]) -> OrderCycle:
    response = [(one.answered_at - one.sent_at) / _HOUR for one in orders if one.answered_at]
    cycle = [(one.received_at - one.sent_at) / _HOUR for one in orders if one.received_at]
    return OrderCycle(
        response_hours_median=median(response) if response else None,
        unanswered=sum(one.answered_at is None and not one.given_up for one in orders),
        cycle_hours_mean=fmean(cycle) if cycle else None,
        cycle_hours_p90=percentile(cycle, 90),
        open_orders=sum(one.received_at is None and not one.given_up for one in orders),
    )


def rush_share(orders: Sequence[OrderTimes]) -> float | None:
    return _ratio(sum(order.rush for order in orders), len(orders))


def zero_touch_share(orders: Sequence[OrderTimes]) -> float | None:
    """The share of orders nobody had to touch."""
    return _ratio(sum(order.touches == 0 for order in orders), len(orders))


@dataclass(frozen=True, kw_only=True)
class Delivered:
    ordered: int
    shipped: int
    weighed: int  # as the scale saw it


@dataclass(frozen=True, kw_only=True)
class OrderAccuracy:
    shipped_as_ordered: float | None
    weighed_as_shipped: float | None


def order_accuracy(lines: Sequence[Delivered], *, tolerance_pieces: int = 0) -> OrderAccuracy:
    """Shares of lines. The scale's own doubt is no mistake of the supplier's."""
    as_ordered = sum(line.shipped == line.ordered for line in lines)
    as_shipped = sum(abs(line.weighed - line.shipped) <= tolerance_pieces for line in lines)
    return OrderAccuracy(
        shipped_as_ordered=_ratio(as_ordered, len(lines)),
        weighed_as_shipped=_ratio(as_shipped, len(lines)),
    )


def bullwhip(ordered: Sequence[int], used: Sequence[int]) -> float | None:
    """Variance of orders by variance of usage, over the same weeks; None: usage does not vary."""
    assert len(ordered) == len(used), "the same weeks"
    spread = pvariance(used) if used else 0
    return float(pvariance(ordered) / spread) if spread else None


def is_bullwhip(ordered: Sequence[int], used: Sequence[int]) -> bool:
    """Alarming, and over weeks enough to say so."""
    ratio = bullwhip(ordered[-BULLWHIP_WEEKS:], used[-BULLWHIP_WEEKS:])
    return len(used) >= BULLWHIP_WEEKS and ratio is not None and ratio > BULLWHIP_ALARMING


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Linear between the two nearest, as NumPy reckons it."""
    if not values:
        return None
    ordered = sorted(values)
    whole, part = divmod((len(ordered) - 1) * percent, 100)
    upper = ordered[min(whole + 1, len(ordered) - 1)]
    return ordered[whole] + (upper - ordered[whole]) * part / 100


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
