"""How a bin is ordered for: set in a form that says at once what comes of it; planned; looked up.

Works without JavaScript: then a button shows what would come of it. What history suggests is beside
the form, taken over with one click.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from cloud.actions import keep_policies
from cloud.actions.keep_policies import Ordering, Preview
from cloud.core.nouns import Field, Mistake, Read, paper, read_paper
from cloud.core.planned_usage import entries
from cloud.core.policy_settings import (
    AUTOMATIC,
    PARAMETERS,
    POLICY,
    POLICY_WORDS,
    PolicySettings,
    values_of,
)
from cloud.core.refusals import ChangedMeanwhile, NotAsAllowed, NothingSuggested, Refusal
from cloud.http import auth, ordering, problems, rendering, views, words
from cloud.http.auth import Operations
from cloud.http.parts import BinCode, parts_of
from cloud.http.problems import Problem
from cloud.postgres import asking, planned_usage, policies
from cloud.postgres.sessions import Session

router = APIRouter(include_in_schema=False)

FORM_FIELDS_MAX = 60
TEXT_CHARS_MAX = 500
HISTORY_MAX = 20
PLANNED_MAX = 20
SHARED = ("rounding", "moq", "lead_time_days", "grace_hours")
BEFORE_LOW = ("dwell_s", "dwell_levels")
BY_HISTORY = ("automatic", "minimum_from", "minimum_to", "target_permille")
DONE = {
    "saved": "Saved. The bin is looked at by it at once.",
    "taken": "Taken over: the bin has these levels now.",
    "planned": "Planned. The bin is ordered for in time.",
    "withdrawn": "Withdrawn.",
}


@dataclass(frozen=True, kw_only=True)
class Input:
    field: Field
    text: str
    mistake: str


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a form of this page came to, shown beside it."""

    typed: Mapping[str, str]
    mistakes: tuple[Mistake, ...] = ()
    conflict: ChangedMeanwhile | None = None
    problem: Problem | None = None
    instead: PolicySettings | None = None  # what is typed, where it could be set
    form: str = "ordering"


@router.get("/bins/{code}/ordering")
def ordering_page(request: Request, session: Operations, code: BinCode) -> Response:
    return _page(request, session, code, None)


@router.post("/bins/{code}/ordering")
async def save(request: Request, session: Operations, code: BinCode) -> Response:
    return await run_in_threadpool(_save, request, session, code, await _typed(request))


@router.post("/bins/{code}/ordering/preview")
async def preview(request: Request, session: Operations, code: BinCode) -> Response:
    """The same page, as if it were set: nothing is kept."""
    return await run_in_threadpool(_preview, request, session, code, await _typed(request))


@router.post("/bins/{code}/ordering/take-over")
def take_over(request: Request, session: Operations, code: BinCode) -> Response:
    try:
        with auth.asked_by(parts_of(request), session) as conn:
            asking.because(conn, "taken over from the nightly estimate")
            keep_policies.take_over(conn, code)
    except NothingSuggested as refused:
        said = Said(typed={}, problem=problems.of_refusal(refused), form="suggestion")
        return _page(request, session, code, said)
    return RedirectResponse(f"/bins/{code}/ordering?done=taken", 303)


@router.post("/bins/{code}/planned-usage")
async def plan(request: Request, session: Operations, code: BinCode) -> Response:
    return await run_in_threadpool(_plan, request, session, code, await _typed(request))


@router.post("/bins/{code}/planned-usage/{planned_usage_id}/withdraw")
def withdraw(
    request: Request, session: Operations, code: BinCode, planned_usage_id: int
) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        keep_policies.withdraw_usage(conn, code, planned_usage_id, session.email, parts.now())
    return RedirectResponse(f"/bins/{code}/ordering?done=withdrawn#planned", 303)


# ------------------------------------------------------------------------------ what a form says


async def _typed(request: Request) -> dict[str, str]:
    given = await request.form(max_files=0, max_fields=FORM_FIELDS_MAX)
    return {name: str(value)[:TEXT_CHARS_MAX] for name, value in given.items()}


def _read(found: Ordering, typed: Mapping[str, str]) -> Read:
    # A program may leave fields out; a browser sends all of them, and an empty one is empty.
    return read_paper(POLICY, typed, values_of(found.settings))


def _save(request: Request, session: Session, code: str, typed: dict[str, str]) -> Response:
    version = typed.get("version", "")
    looked_at = int(version) if version.isascii() and version.isdecimal() else -1
    try:
        with auth.asked_by(parts_of(request), session) as conn:
            asking.because(conn, typed.get("because", ""))
            read = _read(keep_policies.ordering_of(conn, code), typed)
            keep_policies.save_settings(conn, code, looked_at, read)
    except (NotAsAllowed, ChangedMeanwhile) as refused:
        return _page(request, session, code, _refused(refused, typed))
    return RedirectResponse(f"/bins/{code}/ordering?done=saved", 303)


def _preview(request: Request, session: Session, code: str, typed: dict[str, str]) -> Response:
    try:
        with auth.asked_by(parts_of(request), session) as conn:
            found = keep_policies.ordering_of(conn, code)
            instead = keep_policies.settings_asked(found, _read(found, typed))
    except NotAsAllowed as refused:
        return _page(request, session, code, _refused(refused, typed))
    return _page(request, session, code, Said(typed=typed, instead=instead))


def _plan(request: Request, session: Session, code: str, typed: dict[str, str]) -> Response:
    parts = parts_of(request)
    pieces = typed.get("pieces", "").strip().replace(",", "")
    given: dict[str, object] = {
        name: typed[name].strip() for name in ("from_day", "to_day", "because") if name in typed
    }
    given["pieces"] = int(pieces) if pieces.isascii() and pieces.isdecimal() else pieces
    try:
        with auth.asked_by(parts, session) as conn:
            keep_policies.plan_usage(conn, code, given, session.email, parts.now())
    except NotAsAllowed as refused:
        return _page(request, session, code, _refused(refused, typed, form="planned"))
    return RedirectResponse(f"/bins/{code}/ordering?done=planned#planned", 303)


def _refused(refused: Refusal, typed: dict[str, str], form: str = "ordering") -> Said:
    return Said(
        typed=typed,
        mistakes=tuple(refused.mistakes) if isinstance(refused, NotAsAllowed) else (),
        conflict=refused if isinstance(refused, ChangedMeanwhile) else None,
        problem=problems.of_refusal(refused),
        form=form,
    )


# ------------------------------------------------------------------------------ the page


def _page(request: Request, session: Session, code: str, said: Said | None) -> Response:
    parts = parts_of(request)
    now = parts.now()
    instead = said.instead if said else None
    with auth.asked_by(parts, session) as conn:
        found = keep_policies.ordering_of(conn, code)
        seen: Preview = keep_policies.preview(conn, found, now, instead)
        changes = policies.changes_of(conn, "bin_policy", found.bin.bin_id, HISTORY_MAX)
        rows = planned_usage.listed(conn, found.bin.bin_id, PLANNED_MAX)
        ahead = entries(planned_usage.of_bin(conn, found.bin.bin_id, now), now)
    typed = paper(POLICY, values_of(found.settings))
    of_form = said is not None and said.form == "ordering"
    if said is not None and of_form:
        typed |= said.typed
    mistakes = {one.field: one.allowed for one in said.mistakes} if said and of_form else {}
    inputs = {
        one.name: Input(
            field=one, text=typed.get(one.on_paper, ""), mistake=mistakes.get(one.name, "")
        )
        for one in POLICY.fields
    }
    return rendering.page(
        request,
        "bin_ordering.html",
        status=200 if said is None or said.problem is None else said.problem.status,
        at="" if said is None else f"/bins/{code}/ordering",
        session=session,
        now=now,
        zone=words.zone(found.row.time_zone),
        found=found,
        row=found.row,
        says=ordering.says_of(found, seen, views.judged(found.row, now)),
        previewed=instead is not None,
        inputs=inputs,
        mistaken=[one for one in inputs.values() if one.mistake],
        **_of_templates(),
        said=said,
        conflict=said.conflict if said else None,
        changed_fields=_labels(said.conflict) if said and said.conflict else [],
        because=said.typed.get("because", "") if said and of_form else "",
        told=ordering.history(changes),
        planned=rows,
        planned_ahead=sum(use.pieces for use in ahead),
        today=now.astimezone(words.zone(found.row.time_zone)).date(),
        done=DONE.get(request.query_params.get("done", ""), ""),
        done_what=request.query_params.get("done", ""),
    )


def _of_templates() -> dict[str, Any]:
    return {
        "policy_words": POLICY_WORDS,
        "parameters": PARAMETERS,
        "shared": SHARED,
        "before_low": BEFORE_LOW,
        "by_history": BY_HISTORY,
        "automatic": AUTOMATIC,
        "choices": ordering.ROUNDING_WORDS,
    }


def _labels(conflict: ChangedMeanwhile) -> list[str]:
    return sorted({ordering.LABELS.get(name, name.replace("_", " ")) for name in conflict.fields})
