"""The KPIs as they are told: what each is called, what it means, how it is written.

The page, the review and its PDF say the same words, because they take them from here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cloud.actions.measure import Measured
from cloud.http import words
from cloud.http.words import UNDEFINED

E4 = 10_000
_HOUR_S = 3_600


@dataclass(frozen=True, kw_only=True)
class Column:
    title: str
    behind: str  # which list stands behind the number
    means: str
    text: Callable[[Measured], str]
    sub: Callable[[Measured], str]
    about: str  # which part of a review it belongs to
    value: Callable[[Measured], float | None]  # for a trend


SERVICE, STOCK, ORDERS, ACCURACY, FORECAST = "Service", "Stock", "Orders", "Accuracy", "Forecast"


def hours(hours: float | None) -> str:
    return UNDEFINED if hours is None else words.lasting(hours * _HOUR_S)


def number(value: float | None, places: int = 1) -> str:
    return UNDEFINED if value is None else f"{value:,.{places}f}"


def signed_percent(share: float | None) -> str:
    """To a tenth, with a sign: what is forecast too low is as wrong as what is too high."""
    if share is None:
        return UNDEFINED
    sign = "\N{MINUS SIGN}" if share <= -0.0005 else "+" if share >= 0.0005 else ""  # noqa: PLR2004 - half of the last place
    return f"{sign}{abs(share) * 100:.1f} %"


# What stands below a number is a sentence: where there is nothing to tell, it says of what.


def _known(one: Measured) -> str:
    return "nothing is known" if one.coverage is None else f"{words.percent(one.coverage)} known"


def _counted(one: Measured) -> str:
    if not one.counts:
        return "nobody counted"
    counts = words.plural(one.counts, "count")
    if one.accuracy.gross is None:
        return counts
    return f"{counts}, {words.percent(one.accuracy.gross)} gross"


def _unanswered(one: Measured) -> str:
    return f"{one.cycle.unanswered:,} unanswered" if one.order_count else "no order"


def _came(one: Measured) -> str:
    """How long nine of ten took, and how many have not come."""
    if not one.order_count:
        return "no order"
    took = one.cycle.cycle_hours_p90
    said = "none has come" if took is None else f"9 of 10 in {hours(took)}"
    return f"{said}, {one.cycle.open_orders:,} open"


def _shipped(one: Measured) -> str:
    if one.delivered.weighed_as_shipped is None:
        return "no shipment told" if one.order_count else "no order"
    return f"{words.percent(one.delivered.weighed_as_shipped)} as shipped"


def _rush(one: Measured) -> str:
    return "no order" if one.rush is None else f"{words.percent(one.rush)} rush"


def _lies(one: Measured) -> str:
    return "" if one.turnover.days is None else f"{one.turnover.days:,.0f} days"


def _weeks(one: Measured) -> str:
    return words.plural(one.forecast.weeks, "week") if one.forecast.weeks else "no whole week"


def _value(one: Measured) -> str:
    if one.currency is None:
        return "no one price"
    return f"{one.overstock.value // E4:,} {one.currency}"


COLUMNS = (
    Column(
        title="Fill rate",
        behind="bins",
        about=SERVICE,
        means="Pieces used, by these and those probably wanted while a bin was empty. Estimated:"
        " who finds a bin empty leaves no trace.",
        text=lambda m: words.percent(m.fill_rate),
        value=lambda m: m.fill_rate,
        sub=lambda m: f"{m.unseen:,} unseen",
    ),
    Column(
        title="Stock-outs",
        behind="stock_outs",
        about=SERVICE,
        means="Times a bin was empty, and for how long in all.",
        text=lambda m: f"{m.stock_outs:,}" if m.coverage else UNDEFINED,
        value=lambda m: m.stock_outs if m.coverage else None,
        sub=lambda m: words.lasting(m.empty.total_seconds()) if m.empty else "",
    ),
    Column(
        title="Availability",
        behind="bins",
        about=SERVICE,
        means="One less the empty share of the time in which the level was known. What a silent"
        " scale did not see is taken out, and told as the share that is known.",
        text=lambda m: words.percent(m.availability),
        value=lambda m: m.availability,
        sub=_known,
    ),
    Column(
        title="Accuracy",
        behind="counts",
        about=ACCURACY,
        means="Counts by people that the level met within two percent; below it one less all"
        " differences by all that was counted, none making up for another.",
        text=lambda m: words.percent(m.accuracy.hit_rate),
        value=lambda m: m.accuracy.hit_rate,
        sub=_counted,
    ),
    Column(
        title="Response",
        behind="orders",
        about=ORDERS,
        means="From the order to the supplier's first answer, the median.",
        text=lambda m: hours(m.cycle.response_hours_median),
        value=lambda m: m.cycle.response_hours_median,
        sub=_unanswered,
    ),
    Column(
        title="Order cycle",
        behind="orders",
        about=ORDERS,
        means="From the order to the refill the scale saw, the mean; below it how long nine of ten"
        " took at most.",
        text=lambda m: hours(m.cycle.cycle_hours_mean),
        value=lambda m: m.cycle.cycle_hours_mean,
        sub=_came,
    ),
    Column(
        title="As ordered",
        behind="orders",
        about=ORDERS,
        means="Lines shipped with as many pieces as were agreed; below it those of which as many"
        " were weighed as were said to be shipped. Of lines somebody said to have shipped.",
        text=lambda m: words.percent(m.delivered.shipped_as_ordered),
        value=lambda m: m.delivered.shipped_as_ordered,
        sub=_shipped,
    ),
    Column(
        title="Zero touch",
        behind="orders",
        about=ORDERS,
        means="Orders that nobody here had to touch; below it those in a rush, because the bin was"
        " to run out before they could come.",
        text=lambda m: words.percent(m.zero_touch),
        value=lambda m: m.zero_touch,
        sub=_rush,
    ),
    Column(
        title="Turnover",
        behind="bins",
        about=STOCK,
        means="Use of a year by the mean of what lay there, both by value; below it how long a"
        " piece lies.",
        text=lambda m: number(m.turnover.turns),
        value=lambda m: m.turnover.turns,
        sub=_lies,
    ),
    Column(
        title="Days of supply",
        behind="bins",
        about=STOCK,
        means="What was there at the end, by the mean use of a day: the median of the bins.",
        text=lambda m: number(m.days_of_supply),
        value=lambda m: m.days_of_supply,
        sub=lambda _: "",
    ),
    Column(
        title="Overstock",
        behind="bins",
        about=STOCK,
        means="Bins above their maximum at the end, and what is above it is worth.",
        text=lambda m: words.percent(m.overstock.share_of_bins),
        value=lambda m: m.overstock.share_of_bins,
        sub=_value,
    ),
    Column(
        title="Forecast",
        behind="forecasts",
        about=FORECAST,
        means="What was said of each week before it began, against what was used: the root mean"
        " square of the misses by that of the steps from week to week (RMSSE). Below one it is"
        " better than saying the same as last week. Weeks that were hidden do not count.",
        text=lambda m: number(m.forecast.rmsse, 2),
        value=lambda m: m.forecast.rmsse,
        sub=_weeks,
    ),
    Column(
        title="Bias",
        behind="forecasts",
        about=FORECAST,
        means="By how much more was forecast than used, by what was used.",
        text=lambda m: signed_percent(m.forecast.bias),
        value=lambda m: m.forecast.bias,
        sub=lambda _: "",
    ),
    Column(
        title="Lead-time miss",
        behind="forecasts",
        about=FORECAST,
        means="Misses of the forecast over a lead time, whatever their direction, by what was used"
        " in it (WAPE): what an order has to last for.",
        text=lambda m: words.percent(m.forecast.lead_time_wape),
        value=lambda m: m.forecast.lead_time_wape,
        sub=lambda _: "",
    ),
    Column(
        title="Bullwhip",
        behind="weeks",
        about=FORECAST,
        means="Variance of weekly orders by variance of weekly use; four whole weeks or more. Far"
        " above one, orders swing more than use does.",
        text=lambda m: number(m.bullwhip),
        value=lambda m: m.bullwhip,
        sub=lambda _: "",
    ),
)
