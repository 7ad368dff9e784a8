"""KPIs of a time by site, item or supplier; each number opens the list behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from cloud.actions.measure import Group, Measured, measure
from cloud.core.orders import order_label
from cloud.http import auth, problems, rendering, words
from cloud.http.auth import Operations
from cloud.http.parts import parts_of
from cloud.http.spans import span_of
from cloud.http.words import UNDEFINED

router = APIRouter(include_in_schema=False)

LISTED_MAX = 1_000
E4 = 10_000
_HOUR_S = 3_600


@dataclass(frozen=True, kw_only=True)
class Column:
    title: str
    behind: str  # which list stands behind the number
    means: str
    text: Callable[[Measured], str]
    sub: Callable[[Measured], str]


def _hours(hours: float | None) -> str:
    return UNDEFINED if hours is None else words.span(hours * _HOUR_S)


def _value(one: Measured) -> str:
    if one.overstock_currency is None:
        return "no price"
    return f"{one.overstock.value // E4:,} {one.overstock_currency}"


COLUMNS = (
    Column(
        title="Fill rate",
        behind="bins",
        means="Pieces used, by these and those probably wanted while a bin was empty. Estimated.",
        text=lambda m: words.percent(m.fill_rate),
        sub=lambda m: f"{m.unseen:,} unseen",
    ),
    Column(
        title="Stock-outs",
        behind="stock_outs",
        means="Times a bin was empty, and for how long in all.",
        text=lambda m: f"{m.stock_outs:,}" if m.coverage else UNDEFINED,
        sub=lambda m: words.span(m.empty.total_seconds()) if m.empty else "",
    ),
    Column(
        title="Availability",
        behind="bins",
        means="One less the empty share of the time in which the level was known.",
        text=lambda m: words.percent(m.availability),
        sub=lambda m: f"{words.percent(m.coverage)} known",
    ),
    Column(
        title="Accuracy",
        behind="counts",
        means="Counts by people that the level met within two percent.",
        text=lambda m: words.percent(m.accuracy.hit_rate),
        sub=lambda m: words.plural(len(m.counts), "count"),
    ),
    Column(
        title="Response",
        behind="orders",
        means="From the order to the supplier's answer, the median.",
        text=lambda m: _hours(m.cycle.response_hours_median),
        sub=lambda m: f"{m.cycle.unanswered:,} unanswered",
    ),
    Column(
        title="Order cycle",
        behind="orders",
        means="From the order to the refill the scale saw, the mean; below it the 90th percentile.",
        text=lambda m: _hours(m.cycle.cycle_hours_mean),
        sub=lambda m: f"p90 {_hours(m.cycle.cycle_hours_p90)}, {m.cycle.open_orders:,} open",
    ),
    Column(
        title="Zero touch",
        behind="orders",
        means="Orders that nobody here had to touch.",
        text=lambda m: words.percent(m.zero_touch),
        sub=lambda m: f"{words.percent(m.rush)} rush",
    ),
    Column(
        title="Days of supply",
        behind="bins",
        means="What is there now, by the mean use of a day: the median of the bins.",
        text=lambda m: UNDEFINED if m.days_of_supply is None else f"{m.days_of_supply:,.1f}",
        sub=lambda _: "",
    ),
    Column(
        title="Overstock",
        behind="bins",
        means="Bins above their maximum now, and what is above it is worth.",
        text=lambda m: words.percent(m.overstock.share_of_bins),
        sub=_value,
    ),
    Column(
        title="Bullwhip",
        behind="orders",
        means="Variance of weekly orders by variance of weekly use; four whole weeks or more.",
        text=lambda m: UNDEFINED if m.bullwhip is None else f"{m.bullwhip:.1f}",
        sub=lambda _: "",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    text: str
    sub: str
    href: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One row behind a number; the first cell leads to its bin or its order."""

    href: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Of which time, and by what."""

    from_at: datetime
    to_at: datetime
    group: Group

    @property
    def query(self) -> dict[str, str]:
        last = (self.to_at - timedelta(microseconds=1)).date()
        return {"from": str(self.from_at.date()), "to": str(last), "group": self.group.value}


def _asked(
    request: Request,
    from_: Annotated[date | None, Query(alias="from")] = None,
    to: date | None = None,
    group: Group = Group.SITE,
) -> Asked:
    from_at, to_at = span_of(from_, to, parts_of(request).now())
    return Asked(from_at=from_at, to_at=to_at, group=group)


AskedFor = Annotated[Asked, Depends(_asked)]


@router.get("/kpis")
def kpis_page(request: Request, session: Operations, asked: AskedFor) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        measured = measure(conn, asked.from_at, asked.to_at, asked.group)
    return rendering.page(
        request,
        "kpis.html",
        session=session,
        now=parts.now(),
        columns=COLUMNS,
        rows=[(one.name, len(one.bins), _cells(one, asked.query)) for one in measured[:LISTED_MAX]],
        more=max(0, len(measured) - LISTED_MAX),
        groups=list(Group),
        group=asked.group,
        asked=asked.query,
    )


@router.get("/kpis/{behind}")
def behind_page(
    request: Request, session: Operations, behind: str, asked: AskedFor, name: str = ""
) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        measured = measure(conn, asked.from_at, asked.to_at, asked.group)
    chosen = next((one for one in measured if one.name == name), None)
    if behind not in LISTS or chosen is None:
        raise problems.Told(problems.NOT_FOUND)
    title, heads, rows_of = LISTS[behind]
    rows = rows_of(chosen)
    return rendering.page(
        request,
        "kpi_list.html",
        session=session,
        now=parts.now(),
        title=title,
        name=name,
        heads=heads,
        rows=rows[:LISTED_MAX],
        more=max(0, len(rows) - LISTED_MAX),
        asked=asked.query,
        back="/kpis?" + urlencode(asked.query),
    )


def _cells(one: Measured, asked: dict[str, str]) -> list[Cell]:
    query = urlencode(asked | {"name": one.name})
    return [
        Cell(
            text=column.text(one),
            sub=column.sub(one),
            href=f"/kpis/{column.behind}?{query}",
            label=f"{column.title} of {one.name}: {column.text(one)}. Show the list behind it",
        )
        for column in COLUMNS
    ]


def _bins(one: Measured) -> list[Listed]:
    return [
        Listed(
            href=f"/bins/{of.bin.code}",
            cells=(
                f"{of.bin.part}, {of.bin.place}",
                UNDEFINED if of.bin.pieces is None else f"{of.bin.pieces:,}",
                f"{of.bin.maximum:,}",
                f"{of.used:,}",
                f"{of.unseen:,}",
                words.span(of.availability.empty.total_seconds()),
                words.percent(of.availability.availability),
                words.percent(of.availability.coverage),
                UNDEFINED if of.days_of_supply is None else f"{of.days_of_supply:,.1f}",
            ),
        )
        for of in one.bins
    ]


def _stock_outs(one: Measured) -> list[Listed]:
    return [
        Listed(
            href=f"/bins/{of.bin.code}",
            cells=(
                f"{of.bin.part}, {of.bin.place}",
                f"{begun:%Y-%m-%d %H:%M} UTC",
                words.span((ended - begun).total_seconds()),
            ),
        )
        for of in one.bins
        for begun, ended in of.empty_times
    ]


def _orders(one: Measured) -> list[Listed]:
    return [
        Listed(
            href=f"/orders/{order_label(order.number)}/evidence",
            cells=(
                order_label(order.number),
                f"{order.quantity:,}",
                f"{order.placed_at:%Y-%m-%d %H:%M} UTC",
                _after(order.placed_at, order.acknowledged_at),
                _after(order.placed_at, order.closed_at),
                "yes" if order.rush else "no",
                f"{order.touches:,}",
            ),
        )
        for order in one.orders
    ]


def _counts(one: Measured) -> list[Listed]:
    bins = {of.bin.bin_id: of.bin for of in one.bins}
    return [
        Listed(
            href=f"/bins/{bins[count.bin_id].code}",
            cells=(
                f"{bins[count.bin_id].part}, {bins[count.bin_id].place}",
                f"{count.pieces:,}",
                f"{count.level_pieces:,}",
                f"{count.level_pieces - count.pieces:+,}",
                f"{count.counted_at:%Y-%m-%d %H:%M} UTC",
                count.by,
            ),
        )
        for count in one.counts
    ]


def _after(begun: datetime, ended: datetime | None) -> str:
    return UNDEFINED if ended is None else words.span((ended - begun).total_seconds())


LISTS: dict[str, tuple[str, tuple[str, ...], Callable[[Measured], list[Listed]]]] = {
    "bins": (
        "Bins",
        ("Bin", "Now", "Maximum", "Used", "Unseen", "Empty for", "Availability", "Known", "Days"),
        _bins,
    ),
    "stock_outs": ("Stock-outs", ("Bin", "Since", "For"), _stock_outs),
    "orders": (
        "Orders",
        ("Order", "Pieces", "Placed", "Answered after", "Refilled after", "Rush", "Touched"),
        _orders,
    ),
    "counts": ("Counts", ("Bin", "Counted", "Level", "Off by", "When", "By"), _counts),
}
