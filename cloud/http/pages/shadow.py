"""What would have been ordered, beside what people did: before anybody hands over control."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloud.http import auth, rendering, words
from cloud.http.auth import Operations
from cloud.http.parts import parts_of
from cloud.http.spans import span_of
from cloud.postgres import shadow_orders

router = APIRouter(include_in_schema=False)


@router.get("/shadow")
def shadow_page(
    request: Request,
    session: Operations,
    from_: Annotated[date | None, Query(alias="from")] = None,
    to: date | None = None,
) -> Response:
    parts = parts_of(request)
    from_at, to_at = span_of(from_, to, parts.now())
    with auth.asked_by(parts, session) as conn:
        found = shadow_orders.compared(conn, from_at, to_at)
    return rendering.page(
        request,
        "shadow.html",
        session=session,
        now=parts.now(),
        rows=found,
        money=_money,
        asked={"from": from_at.date(), "to": (to_at - timedelta(microseconds=1)).date()},
    )


def _money(value_e4: int | None, currency: str | None) -> str:
    if value_e4 is None or currency is None:
        return words.UNDEFINED
    return f"{value_e4 / 10_000:,.2f} {currency}"
