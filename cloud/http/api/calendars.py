"""When a supplier takes orders and delivers, as JSON: operations keep it, the supplier sees its."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import JsonValue

from cloud.actions import keep_policies
from cloud.core import calendar_settings
from cloud.core.nouns import SUPPLIER
from cloud.core.refusals import CalendarNeverOpens, NotAsAllowed
from cloud.http import auth, kept, ordering
from cloud.http.api.nouns import REFUSED, UNKNOWN
from cloud.http.api.policies import because_of, version_of
from cloud.http.auth import Anyone, Operations
from cloud.http.parts import parts_of
from cloud.postgres import asking, calendars, policies

router = APIRouter(prefix="/api/suppliers/{ident}", tags=["suppliers"])

HISTORY_MAX = 100
CALENDAR_EXAMPLE: dict[str, JsonValue] = {
    "zone": "Europe/Berlin",
    "order_days": ["tue", "fri"],
    "cut_off": "14:00",
    "lead_days": 3,
    "lead_kind": "working",
    "working_days": ["mon", "tue", "wed", "thu", "fri"],
    "delivery_days": ["tue", "thu"],
    "delivered_by": "18:00",
    "holidays": ["2026-12-25", "2026-12-26"],
    "gathers": True,
}
EXAMPLE: dict[str, JsonValue] = {
    "supplier": "Ferro AG",
    "version": 2,
    **CALENDAR_EXAMPLE,
    "chances": [
        {
            "order_day": "2026-11-20",
            "until": "2026-11-20T13:00:00Z",
            "delivery_day": "2026-11-26",
            "arrives_at": "2026-11-26T17:00:00Z",
        }
    ],
}
_SAID: Any = {200: {"content": {"application/json": {"example": EXAMPLE}}}}


def _body(example: dict[str, JsonValue]) -> Any:  # noqa: ANN401 - what FastAPI calls a default
    days = ", ".join(calendar_settings.DAY_NAMES)
    said = (
        f"Weekdays are lists of {days}. What is left out has its default. With `gathers` orders to"
        " the supplier wait for each other until shortly before the cut-off; a rush never waits."
    )
    return Body(
        description=said,
        openapi_examples={"calendar": {"summary": "Tuesdays and Fridays", "value": example}},
    )


@router.get("/calendar", summary="When a supplier can be ordered from", responses=UNKNOWN | _SAID)
def calendar(request: Request, session: Anyone, ident: int) -> dict[str, Any]:
    """With version 0 nothing was said: every day is as good as another. `chances` are the next."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        row = kept.find(conn, SUPPLIER, str(ident))
        there = calendars.of_supplier(conn, ident)
    version, said = there or (0, None)
    try:
        comes_to = None if said is None else calendar_settings.chances(said, parts.now())
    except CalendarNeverOpens:
        comes_to = None
    return ordering.calendar_out(str(row.values["name"]), version, said, comes_to)


@router.put("/calendar", summary="Say when", responses=REFUSED | _SAID)
def put_calendar(
    request: Request,
    session: Operations,
    ident: int,
    given: Annotated[dict[str, JsonValue], _body({"version": 1, **CALENDAR_EXAMPLE})],
) -> dict[str, Any]:
    """Whole, over the `version` you looked at; 0: nothing was said yet."""
    parts = parts_of(request)
    version, because = version_of(given), because_of(given)
    with auth.asked_by(parts, session) as conn:
        asking.because(conn, because)
        kept.find(conn, SUPPLIER, str(ident))
        keep_policies.save_calendar(conn, ident, version, _fields(given), parts.now())
    return calendar(request, session, ident)


@router.post("/calendar/preview", summary="What one would come to", responses=REFUSED | _SAID)
def preview_calendar(
    request: Request,
    session: Operations,
    ident: int,
    given: Annotated[dict[str, JsonValue], _body(CALENDAR_EXAMPLE)],
) -> dict[str, Any]:
    """Nothing is kept: the next two chances to order, and when each would arrive."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        row = kept.find(conn, SUPPLIER, str(ident))
        there = calendars.of_supplier(conn, ident)
    read = calendar_settings.read(_fields(given), parts.now())
    if read.calendar is None:
        raise NotAsAllowed(read.mistakes)
    comes_to = calendar_settings.chances(read.calendar, parts.now())
    version = 0 if there is None else there[0]
    return ordering.calendar_out(str(row.values["name"]), version, read.calendar, comes_to)


@router.get("/calendar/history", summary="Who changed it", responses=UNKNOWN)
def calendar_history(request: Request, session: Operations, ident: int) -> list[dict[str, Any]]:
    """Newest first, each version whole: a decision names the version it was made by."""
    with auth.asked_by(parts_of(request), session) as conn:
        kept.find(conn, SUPPLIER, str(ident))
        changes = policies.changes_of(conn, "supplier_calendar", ident, HISTORY_MAX)
    return ordering.history_out(changes)


def _fields(given: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in given.items() if name not in ("version", "because")}
