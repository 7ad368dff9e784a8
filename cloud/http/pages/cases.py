"""Needs a person: one list, the least time left first, each with its cause and one thing to do."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from cloud.actions.look_for_cases import Looked, look_for_cases, put_off
from cloud.core.cases import Case, Snooze
from cloud.core.refusals import SnoozeWithoutReason
from cloud.http import auth, cases, rendering, words
from cloud.http.auth import Operations
from cloud.http.parts import CaseKey, parts_of
from cloud.postgres import portal
from cloud.postgres.sessions import Session

router = APIRouter(include_in_schema=False)

LISTED_MAX = 300
BECAUSE_CHARS_MAX = 500
SPANS = {
    "1h": ("for an hour", timedelta(hours=1)),
    "4h": ("for 4 hours", timedelta(hours=4)),
    "1d": ("until tomorrow", timedelta(days=1)),
    "7d": ("for a week", timedelta(days=7)),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    case: Case
    mark: cases.Mark
    left: str
    to_do: str
    button: str
    href: str
    code: str
    snooze: Snooze | None


@router.get("/cases")
def cases_page(request: Request, session: Operations) -> Response:
    return _page(request, session)


@router.post("/cases/{key}/snooze")
def snooze(
    request: Request,
    session: Operations,
    key: CaseKey,
    because: Annotated[str, Form(max_length=BECAUSE_CHARS_MAX)] = "",
    span: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    parts = parts_of(request)
    now = parts.now()
    if span not in SPANS or not because.strip():
        return _page(request, session, refused=key)
    with auth.asked_by(parts, session) as conn:
        until = now + SPANS[span][1]
        put_off(conn, key, by=session.email, because=because.strip(), until=until, now=now)
    return RedirectResponse("/cases", 303)


@router.get("/exceptions")
def by_its_former_name(_session: Operations) -> Response:
    """Somebody has kept the address."""
    return RedirectResponse("/cases", 308)


def _page(request: Request, session: Session, refused: str = "") -> Response:
    parts = parts_of(request)
    now = parts.now()
    with auth.asked_by(parts, session) as conn:
        looked = look_for_cases(conn, now)
        zones = portal.time_zones(conn)
    return rendering.page(
        request,
        "cases.html",
        status=422 if refused else 200,
        at="/cases",
        session=session,
        now=now,
        zone=words.one_zone(zones, now),
        rows=[_row(case, looked, now) for case in looked.cases.open[:LISTED_MAX]],
        more=max(0, len(looked.cases.open) - LISTED_MAX),
        snoozed=[_row(case, looked, now) for case in looked.cases.snoozed[:LISTED_MAX]],
        spans={key: title for key, (title, _) in SPANS.items()},
        refused=refused,
        refusal=SnoozeWithoutReason(),
    )


def _row(case: Case, looked: Looked, now: datetime) -> Row:
    bin_ = looked.bins[case.bin_id]
    return Row(
        case=case,
        mark=cases.mark_of(case, now),
        left=cases.left_of(case, now),
        to_do=cases.TO_DO[case.action],
        button=cases.BUTTONS[case.action],
        href=cases.href_of(case, bin_.code),
        code=bin_.code,
        snooze=looked.snoozes.get(case.key),
    )
