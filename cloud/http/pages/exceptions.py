"""Needs a person: one list, the least time left first, each with its cause and one thing to do."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from cloud.actions.look_for_cases import Looked, look_for_cases, put_off
from cloud.core.exceptions import Action, Case, Kind, Snooze
from cloud.core.refusals import SnoozeWithoutReason
from cloud.http import auth, rendering, words
from cloud.http.auth import Operations
from cloud.http.parts import CaseKey, parts_of
from cloud.postgres.sessions import Session

router = APIRouter(include_in_schema=False)

LISTED_MAX = 300
SOON = timedelta(hours=24)
BECAUSE_CHARS_MAX = 500
SPANS = {
    "1h": ("for an hour", timedelta(hours=1)),
    "4h": ("for 4 hours", timedelta(hours=4)),
    "1d": ("until tomorrow", timedelta(days=1)),
    "7d": ("for a week", timedelta(days=7)),
}
BUTTONS = {
    Action.ORDER: "Open bin",
    Action.EXPEDITE: "Open order",
    Action.CALL_SUPPLIER: "Open order",
    Action.LOOK_FOR_DELIVERY: "Open bin",
    Action.COUNT_AGAIN: "Open bin",
    Action.CHECK_SCALE: "Open bin",
    Action.CHECK_GATEWAY: "Show its bins",
    Action.DECIDE_ORDER: "Open bin",
    Action.LOWER_MAXIMUM: "Change the limits",
    Action.APPROVE: "Open order",
    Action.ANSWER_PROPOSAL: "Open agreement",
    Action.RENEW_AGREEMENT: "Open agreement",
}
TO_DO = {
    Action.ORDER: "Find out why nothing was ordered.",
    Action.EXPEDITE: "Ask for it sooner.",
    Action.CALL_SUPPLIER: "Call the supplier.",
    Action.LOOK_FOR_DELIVERY: "Look whether it came.",
    Action.COUNT_AGAIN: "Count once more.",
    Action.CHECK_SCALE: "Look at the scale and its cable.",
    Action.CHECK_GATEWAY: "Look at its power and network.",
    Action.DECIDE_ORDER: "Decide what to order.",
    Action.LOWER_MAXIMUM: "Take some out, or change the maximum.",
    Action.APPROVE: "Approve it, or cancel it.",
    Action.ANSWER_PROPOSAL: "Accept it or decline it.",
    Action.RENEW_AGREEMENT: "Agree on a later day.",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    case: Case
    mark: str  # empty, low, stale: how much time is left
    left: str
    to_do: str
    button: str
    href: str
    order: str  # whose evidence can be opened; empty: none
    code: str
    zone: str
    snooze: Snooze | None


@router.get("/exceptions")
def exceptions_page(request: Request, session: Operations) -> Response:
    return _page(request, session)


@router.post("/exceptions/{key}/snooze")
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
    return RedirectResponse("/exceptions", 303)


def _page(request: Request, session: Session, refused: str = "") -> Response:
    parts = parts_of(request)
    now = parts.now()
    with auth.asked_by(parts, session) as conn:
        looked = look_for_cases(conn, now)
    return rendering.page(
        request,
        "exceptions.html",
        status=422 if refused else 200,
        at="/exceptions",
        session=session,
        now=now,
        rows=[_row(case, looked, now) for case in looked.cases.open[:LISTED_MAX]],
        more=max(0, len(looked.cases.open) - LISTED_MAX),
        snoozed=[_row(case, looked, now) for case in looked.cases.snoozed[:LISTED_MAX]],
        spans={key: title for key, (title, _) in SPANS.items()},
        refused=refused,
        refusal=SnoozeWithoutReason(),
    )


def _row(case: Case, looked: Looked, now: datetime) -> Row:
    bin_ = looked.bins[case.bin_id]
    order = next((one for one in case.evidence if one.startswith("RO-")), "")
    return Row(
        case=case,
        mark=_mark(case, now),
        left=_left(case, now),
        to_do=TO_DO[case.action],
        button=BUTTONS[case.action],
        href=_href(case, bin_.code, order),
        order=order,
        code=bin_.code,
        zone=bin_.time_zone,
        snooze=looked.snoozes.get(case.key),
    )


def _href(case: Case, code: str, order: str) -> str:
    match case.action:
        case Action.EXPEDITE | Action.CALL_SUPPLIER | Action.APPROVE if order:
            return f"/orders/{order}"
        case Action.CHECK_GATEWAY:
            return "/wall?state=stale"
        case Action.ANSWER_PROPOSAL | Action.RENEW_AGREEMENT:
            return f"/agreements/{case.evidence[0].removeprefix('agreement-')}"
        case Action.LOWER_MAXIMUM:
            return f"/bins/{code}/edit"
        case _:
            return f"/bins/{code}"


def _mark(case: Case, now: datetime) -> str:
    if case.act_before is None:
        return "stale"
    return "empty" if case.act_before - now < SOON else "low"


def _left(case: Case, now: datetime) -> str:
    if case.act_before is None:
        return "no time limit is known"
    left = (case.act_before - now).total_seconds()
    if case.kind is Kind.AGREEMENT_ENDS:
        return f"ends in {words.span(left)}" if left > 0 else "has ended"
    return f"runs out in {words.span(left)}" if left > 0 else "may have run out"
