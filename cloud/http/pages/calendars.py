"""The calendar of a supplier: kept by operations, with what it comes to beside it; seen by both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from cloud.actions import keep_policies
from cloud.core import calendar_settings
from cloud.core.calendar_settings import DAY_NAMES, Chances
from cloud.core.calendars import Calendar
from cloud.core.nouns import SUPPLIER, Mistake
from cloud.core.refusals import CalendarNeverOpens, ChangedMeanwhile, NotAsAllowed, Refusal
from cloud.http import auth, kept, ordering, problems, rendering, words
from cloud.http.auth import Operations, Supplier
from cloud.http.parts import parts_of
from cloud.http.problems import Problem
from cloud.postgres import asking, calendars, policies, portal
from cloud.postgres.sessions import Session

router = APIRouter(include_in_schema=False)

FORM_FIELDS_MAX = 60
HOLIDAYS_CHARS_MAX = 6_000
TEXT_CHARS_MAX = 500
HISTORY_MAX = 20
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_FIELDS = ("order_days", "working_days", "delivery_days")
FRESH: Mapping[str, object] = {
    "zone": "",
    "order_days": [*DAY_NAMES[:5]],
    "cut_off": "14:00",
    "lead_days": 0,
    "lead_kind": "working",
    "working_days": [*DAY_NAMES[:5]],
    "delivery_days": [*DAY_NAMES[:5]],
    "delivered_by": "18:00",
    "holidays": [],
    "gathers": False,
}


@dataclass(frozen=True, kw_only=True)
class Said:
    typed: Mapping[str, object]
    because: str = ""
    calendar: Calendar | None = None  # what is typed, where it could be set
    mistakes: tuple[Mistake, ...] = ()
    conflict: ChangedMeanwhile | None = None
    problem: Problem | None = None


@router.get("/suppliers/{ident}/calendar")
def calendar_page(request: Request, session: Operations, ident: str) -> Response:
    return _page(request, session, ident, None)


@router.post("/suppliers/{ident}/calendar")
async def save(request: Request, session: Operations, ident: str) -> Response:
    form = await request.form(max_files=0, max_fields=FORM_FIELDS_MAX)
    return await run_in_threadpool(_save, request, session, ident, form)


@router.post("/suppliers/{ident}/calendar/preview")
async def preview(request: Request, session: Operations, ident: str) -> Response:
    """The same page, as if it were set: nothing is kept."""
    form = await request.form(max_files=0, max_fields=FORM_FIELDS_MAX)
    return await run_in_threadpool(_preview, request, session, ident, form)


@router.get("/p/calendar")
def own_calendar(request: Request, session: Supplier) -> Response:
    """The supplier's own, to be read: operations keep it."""
    assert session.supplier_id is not None
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        there = calendars.of_supplier(conn, session.supplier_id)
        name = portal.supplier_name(conn, session.supplier_id)
    calendar = None if there is None else there[1]
    return rendering.page(
        request,
        "supplier_calendar.html",
        session=session,
        now=parts.now(),
        supplier=name,
        calendar=calendar,
        version=0 if there is None else there[0],
        said=None if calendar is None else calendar_settings.told(calendar),
        comes_to=_comes_to(calendar, request),
        zone=words.zone("UTC" if calendar is None else calendar.zone),
        weekdays=WEEKDAYS,
        day_names=DAY_NAMES,
        day=_day,
    )


def _typed(form: FormData) -> dict[str, object]:
    """As the API takes it. A day that is not ticked is not sent, so each list is made anew."""
    typed: dict[str, object] = {
        name: [str(day)[:10] for day in form.getlist(name)] for name in DAY_FIELDS
    }
    for name in ("zone", "cut_off", "lead_kind", "delivered_by"):
        typed[name] = str(form.get(name, "")).strip()[:TEXT_CHARS_MAX]
    days = str(form.get("lead_days", "")).strip()[:10]
    typed["lead_days"] = int(days) if days.isascii() and days.isdecimal() else days
    gathers = str(form.get("gathers", "no")).strip()[:TEXT_CHARS_MAX]
    typed["gathers"] = gathers == "yes" if gathers in ("yes", "no") else gathers
    typed["holidays"] = str(form.get("holidays", ""))[:HOLIDAYS_CHARS_MAX].replace(",", " ").split()
    return typed


def _save(request: Request, session: Session, ident: str, form: FormData) -> Response:
    typed, because = _typed(form), str(form.get("because", ""))[:TEXT_CHARS_MAX]
    version = str(form.get("version", ""))
    looked_at = int(version) if version.isascii() and version.isdecimal() else -1
    parts = parts_of(request)
    try:
        with auth.asked_by(parts, session) as conn:
            asking.because(conn, because)
            row = kept.find(conn, SUPPLIER, ident)
            number = kept.first_id(row)
            keep_policies.save_calendar(conn, number, looked_at, typed, parts.now())
    except (NotAsAllowed, ChangedMeanwhile) as refused:
        return _page(request, session, ident, _refused(refused, typed, because))
    return RedirectResponse(f"/suppliers/{ident}/calendar?saved=1", 303)


def _preview(request: Request, session: Session, ident: str, form: FormData) -> Response:
    typed, because = _typed(form), str(form.get("because", ""))[:TEXT_CHARS_MAX]
    read = calendar_settings.read(typed, parts_of(request).now())
    if read.calendar is None:
        refused = NotAsAllowed(read.mistakes)
        return _page(request, session, ident, _refused(refused, typed, because))
    said = Said(typed=typed, because=because, calendar=read.calendar)
    return _page(request, session, ident, said)


def _refused(refused: Refusal, typed: dict[str, object], because: str) -> Said:
    return Said(
        typed=typed,
        because=because,
        mistakes=tuple(refused.mistakes) if isinstance(refused, NotAsAllowed) else (),
        conflict=refused if isinstance(refused, ChangedMeanwhile) else None,
        problem=problems.of_refusal(refused),
    )


def _page(request: Request, session: Session, ident: str, said: Said | None) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        row = kept.find(conn, SUPPLIER, ident)
        number = kept.first_id(row)
        there = calendars.of_supplier(conn, number)
        changes = policies.changes_of(conn, "supplier_calendar", number, HISTORY_MAX)
        bins = len(calendars.bins_of_supplier(conn, number))
        zones = calendars.zones_of_supplier(conn, number)
    holds = None if there is None else there[1]
    typed: Mapping[str, object] = {**FRESH, "zone": zones[0] if zones else ""}
    if holds is not None:
        typed = calendar_settings.told(holds)
    if said is not None:
        typed = said.typed
    shown = said.calendar if said is not None and said.calendar is not None else holds
    return rendering.page(
        request,
        "calendar.html",
        status=200 if said is None or said.problem is None else said.problem.status,
        at="" if said is None else f"/suppliers/{ident}/calendar",
        session=session,
        now=parts.now(),
        row=row,
        bins=bins,
        version=0 if there is None else there[0],
        calendar=shown,
        comes_to=_comes_to(shown, request),
        previewed=said is not None and said.calendar is not None,
        zone=words.zone("UTC" if shown is None else shown.zone),
        typed=typed,
        mistakes={one.field: one.allowed for one in said.mistakes} if said else {},
        conflict=said.conflict if said else None,
        changed_fields=_labels(said.conflict) if said and said.conflict else [],
        labels=ordering.LABELS,
        because=said.because if said else "",
        told=ordering.history(changes),
        zones=zones,
        weekdays=WEEKDAYS,
        day_names=DAY_NAMES,
        day=_day,
        saved=request.query_params.get("saved") == "1",
    )


def _comes_to(calendar: Calendar | None, request: Request) -> Chances | None:
    if calendar is None:
        return None
    try:
        return calendar_settings.chances(calendar, parts_of(request).now())
    except CalendarNeverOpens:
        return None


def _labels(conflict: ChangedMeanwhile) -> list[str]:
    return sorted({ordering.LABELS.get(name, name) for name in conflict.fields})


def _day(day: Any) -> str:  # noqa: ANN401 - a date, from a template
    return f"{day:%a} {day.day} {day:%b %Y}"
