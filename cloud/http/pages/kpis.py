"""KPIs of a time by site, item, supplier or agreement; each number opens the list behind it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

import psycopg
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from cloud.actions import measure
from cloud.actions.achieve import reached
from cloud.actions.measure import Behind, Measured, OfBin
from cloud.core import kpis
from cloud.core.asked import Asked, Group
from cloud.core.orders import order_label
from cloud.http import auth, problems, rendering, words
from cloud.http.auth import Operations
from cloud.http.kpi_columns import COLUMNS, number, signed_percent
from cloud.http.parts import parts_of
from cloud.http.spans import span_of
from cloud.http.words import UNDEFINED
from cloud.postgres import kpis as kept

router = APIRouter(include_in_schema=False)

LISTED_MAX = 1_000
_DAY = timedelta(days=1)


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


def _asked(
    request: Request,
    from_: Annotated[date | None, Query(alias="from")] = None,
    to: date | None = None,
    group: Group = Group.SITE,
) -> Asked:
    from_at, to_at = span_of(from_, to, parts_of(request).now())
    return Asked(from_at=from_at, to_at=to_at, group=group)


AskedFor = Annotated[Asked, Depends(_asked)]


def _query(asked: Asked) -> dict[str, str]:
    return {"from": str(asked.first), "to": str(asked.last), "group": asked.group.value}


@router.get("/kpis")
def kpis_page(request: Request, session: Operations, asked: AskedFor) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        measured = measure.measure(conn, asked)
        is_agreed = asked.group is Group.AGREEMENT
        held = reached(conn, asked.from_at, asked.to_at) if is_agreed else []
    query = _query(asked)
    targets = [
        (f"/agreements/{one.held.agreement_id}", f"{one.held.site}, {one.held.supplier}", target)
        for one in held
        for target in one.targets
    ]
    return rendering.page(
        request,
        "kpis.html",
        session=session,
        now=parts.now(),
        columns=COLUMNS,
        rows=[(one.name, one.bin_count, _cells(one, query)) for one in measured[:LISTED_MAX]],
        more=max(0, len(measured) - LISTED_MAX),
        groups=list(Group),
        reached_rows=targets[:LISTED_MAX],
        reached_more=max(0, len(targets) - LISTED_MAX),
        group=asked.group,
        asked=query,
        reckoned_at=max((one.reckoned_at for one in measured if one.reckoned_at), default=None),
    )


@router.get("/kpis/{behind}")
def behind_page(
    request: Request, session: Operations, behind: str, asked: AskedFor, name: str = ""
) -> Response:
    parts = parts_of(request)
    if behind not in LISTS:
        raise problems.Told(problems.NOT_FOUND)
    title, heads, rows_of = LISTS[behind]
    with auth.asked_by(parts, session) as conn:
        found = measure.behind(conn, asked, name)
        if found is None:
            raise problems.Told(problems.NOT_FOUND)
        rows = rows_of(conn, found)
    query = _query(asked)
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
        asked=query,
        back="/kpis?" + urlencode(query),
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


def _named(of: OfBin) -> str:
    return f"{of.bin.part}, {of.bin.place}"


def _href(of: OfBin) -> str:
    return f"/bins/{of.bin.code}"


def _bins(_conn: psycopg.Connection, one: Behind) -> list[Listed]:
    return [
        Listed(
            href=_href(of),
            cells=(
                _named(of),
                UNDEFINED if of.bin.held is None else f"{of.bin.held:,}",
                UNDEFINED if of.bin.maximum is None else f"{of.bin.maximum:,}",
                f"{of.used:,}",
                f"{of.unseen:,}",
                number(of.availability.mean_stock, 0),
                words.lasting(of.availability.empty.total_seconds()),
                words.percent(of.availability.availability),
                words.percent(of.availability.coverage),
                number(of.days_of_supply),
            ),
        )
        for of in one.bins
    ]


def _stock_outs(conn: psycopg.Connection, one: Behind) -> list[Listed]:
    bins = {of.bin.bin_id: of for of in one.bins if of.availability.empty}
    some = list(bins)[:LISTED_MAX]
    return [
        Listed(
            href=_href(bins[bin_id]),
            cells=(
                _named(bins[bin_id]),
                f"{begun:%Y-%m-%d %H:%M} UTC",
                words.lasting((ended - begun).total_seconds()),
            ),
        )
        for bin_id, times in measure.empty_times(conn, some, one.asked).items()
        for begun, ended in times
    ]


def _orders(_conn: psycopg.Connection, one: Behind) -> list[Listed]:
    return [
        Listed(
            href=f"/orders/{order_label(order.number)}/evidence",
            cells=(
                order_label(order.number),
                f"{order.asked:,}",
                f"{order.shipped:,}" if order.shipped else UNDEFINED,
                f"{order.received:,}" if order.came_at else UNDEFINED,
                f"{order.sent_at:%Y-%m-%d %H:%M} UTC",
                _after(order.sent_at, order.answered_at),
                _after(order.sent_at, order.came_at),
                "yes" if order.rush else "no",
                f"{order.touches:,}",
            ),
        )
        for order in one.orders
    ]


def _counts(conn: psycopg.Connection, one: Behind) -> list[Listed]:
    bins = {of.bin.bin_id: of for of in one.bins if of.bin.counts}
    return [
        Listed(
            href=_href(bins[count.bin_id]),
            cells=(
                _named(bins[count.bin_id]),
                f"{count.pieces:,}",
                f"{count.level_pieces:,}",
                f"{count.level_pieces - count.pieces:+,}",
                f"{count.counted_at:%Y-%m-%d %H:%M} UTC",
                count.by,
            ),
        )
        for count in kept.counts(conn, list(bins), one.asked.from_at, one.asked.to_at)
    ]


def _forecasts(_conn: psycopg.Connection, one: Behind) -> list[Listed]:
    bins = {of.bin.bin_id: of for of in one.bins}
    then = Counter(week.bin_id for week in one.weeks if week.said_then)
    rows = []
    for bin_id, told in measure.forecasts(one.weeks).items():
        found = kpis.forecast_accuracy([told])
        if bin_id not in bins or not found.weeks:
            continue
        seen = [week for week in told if week.came is not None]
        rows.append(
            Listed(
                href=_href(bins[bin_id]),
                cells=(
                    _named(bins[bin_id]),
                    f"{found.weeks:,}",
                    f"{then[bin_id]:,}",
                    number(sum(week.said for week in seen)),
                    f"{sum(week.came or 0 for week in seen):,}",
                    number(found.rmsse, 2),
                    signed_percent(found.bias),
                    words.percent(found.lead_time_wape),
                ),
            )
        )
    return rows


def _weeks(_conn: psycopg.Connection, one: Behind) -> list[Listed]:
    return [
        Listed(
            href=f"/kpis?from={monday}&to={monday + 6 * _DAY}&group=week",
            cells=(f"week of {monday}", f"{ordered:,}", f"{used:,}"),
        )
        for monday, ordered, used in measure.weekly(one)
    ]


def _after(begun: datetime, ended: datetime | None) -> str:
    return UNDEFINED if ended is None else words.lasting((ended - begun).total_seconds())


Rows = Callable[[psycopg.Connection, Behind], list[Listed]]
LISTS: dict[str, tuple[str, tuple[str, ...], Rows]] = {
    "bins": (
        "Bins",
        ("Bin", "At the end", "Maximum", "Used", "Unseen", "Mean stock", "Empty for",
         "Availability", "Known", "Days"),
        _bins,
    ),
    "stock_outs": ("Stock-outs", ("Bin", "Since", "For"), _stock_outs),
    "orders": (
        "Orders",
        ("Order", "Pieces", "Shipped", "Weighed", "Sent", "Answered after", "Refilled after",
         "Rush", "Touched"),
        _orders,
    ),
    "counts": ("Counts", ("Bin", "Counted", "Level", "Off by", "When", "By"), _counts),
    "forecasts": (
        "Forecasts",
        ("Bin", "Weeks seen", "Said then", "Said", "Used", "RMSSE", "Bias", "Lead-time miss"),
        _forecasts,
    ),
    "weeks": ("Weeks", ("Week", "Ordered", "Used"), _weeks),
}  # fmt: skip
