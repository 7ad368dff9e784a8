"""Agreements as pages, for either side: what holds in plain words, and what is proposed.

The same page for both: what one side proposes the other answers, and nobody sees another number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from cloud.actions import achieve, agree
from cloud.actions.agree import Found, Wish
from cloud.actions.foresee import foresee
from cloud.core.agreements import Limit, Prediction, Proposal, Side, Validity, Waits, validity_on
from cloud.core.clauses import (
    CLAUSES,
    Difference,
    differences,
    in_words,
    moved_limits,
    values_of,
)
from cloud.core.nouns import INT_MAX, NOUNS, Value, paper, paper_of, read_paper
from cloud.core.refusals import NotAsAllowed, ProposalWithoutReason, Refusal
from cloud.http import auth, problems, rendering, words
from cloud.http.agreed import BECAUSE_CHARS_MAX, line_of, side_of
from cloud.http.auth import Anyone, Operations
from cloud.http.parts import parts_of
from cloud.postgres import agreements, nouns, portal
from cloud.postgres.agreements import AgreedBin
from cloud.postgres.sessions import Session

router = APIRouter(include_in_schema=False)

AgreementId = Annotated[int, Path(ge=1, le=INT_MAX)]
FORM_FIELDS_MAX = 5_000
VALIDITY_MARKS = {
    Validity.VALID: ("ok", "in force"),
    Validity.ENDS_SOON: ("low", "ends soon"),
    Validity.ENDED: ("empty", "ended"),
    Validity.NOT_YET: ("stale", "not yet"),
}
MODES = {
    "auto": "Orders leave",
    "approve": "A person approves",
    "notify": "Only told",
    "shadow": "Only written down",
}


@dataclass(frozen=True, kw_only=True)
class Input:
    """One clause in the form, as it was typed, and what is wrong with it."""

    field: Any
    text: str
    mistake: str


@dataclass(frozen=True, kw_only=True)
class LimitRow:
    """One bin: what is agreed on, what it has now, and what was typed."""

    bin: AgreedBin
    agreed: Limit | None
    minimum: str
    order_up_to: str
    mistake: str

    @property
    def differs(self) -> bool:
        if self.agreed is None:
            return False
        now = (self.bin.minimum, self.bin.order_up_to or self.bin.capacity)
        return now != (self.agreed.minimum, self.agreed.order_up_to)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A proposal as it is shown: what would be different, and what that would do."""

    proposal: Proposal
    clauses: list[Difference]
    limits: list[tuple[AgreedBin, Limit | None, Limit | None]]
    predicted: Prediction | None
    mine: bool


@router.get("/agreements")
def list_page(request: Request, session: Anyone) -> Response:
    parts = parts_of(request)
    now = parts.now()
    with auth.asked_by(parts, session) as conn:
        lines = agreements.listed(conn)
        layout = _layout(conn, session)
    side = side_of(session)
    return rendering.page(
        request,
        "agreements.html",
        **layout,
        session=session,
        now=now,
        lines=[line_of(line, side, now) for line in lines],
        marks={state.value: mark for state, mark in VALIDITY_MARKS.items()},
        modes=MODES,
        is_operations=side is Side.CUSTOMER,
    )


@router.get("/agreements/new")
def new_page(request: Request, session: Operations) -> Response:
    return _new(request, session, {}, site="", supplier="", because="", refused=None)


@router.post("/agreements/new")
async def make(request: Request, session: Operations) -> Response:
    form = await request.form(max_files=0, max_fields=FORM_FIELDS_MAX)
    return await run_in_threadpool(_make, request, session, form)


@router.get("/agreements/{agreement}")
def agreement_page(request: Request, session: Anyone, agreement: AgreementId) -> Response:
    return _page(request, session, agreement, None, None)


@router.post("/agreements/{agreement}/propose")
async def propose(request: Request, session: Anyone, agreement: AgreementId) -> Response:
    form = await request.form(max_files=0, max_fields=FORM_FIELDS_MAX)
    return await run_in_threadpool(_propose, request, session, agreement, form)


@router.post("/agreements/{agreement}/proposals/{number}/{answer}")
def answer_proposal(
    request: Request,
    session: Anyone,
    agreement: AgreementId,
    number: Annotated[int, Path(ge=1, le=INT_MAX)],
    answer: Literal["accept", "decline"],
) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        agree.answer(
            conn,
            agreement,
            number,
            accepts=answer == "accept",
            side=side_of(session),
            by=session.email,
            now=parts.now(),
        )
    return RedirectResponse(f"/agreements/{agreement}?done={answer}", 303)


# ------------------------------------------------------------------------------ what is done


def _make(request: Request, session: Session, form: FormData) -> Response:
    parts = parts_of(request)
    typed = {field.on_paper: str(form.get(field.on_paper, "")) for field in CLAUSES.fields}
    site, supplier = str(form.get("site", "")), str(form.get("supplier", ""))
    because = _because(form)
    try:
        with auth.asked_by(parts, session) as conn:
            site_id = nouns.ids_of(conn, NOUNS["site"]).get((site,))
            supplier_id = nouns.ids_of(conn, NOUNS["supplier"]).get((supplier,))
            if site_id is None or supplier_id is None:
                raise problems.Told(problems.NOT_FOUND)
            agreement = agree.make(
                conn,
                site_id=site_id,
                supplier_id=supplier_id,
                wish=Wish(read=read_paper(CLAUSES, typed, comma=_is_comma(typed)), because=because),
                author=session.email,
                now=parts.now(),
            )
    except Refusal as refused:
        return _new(
            request, session, typed, site=site, supplier=supplier, because=because, refused=refused
        )
    return RedirectResponse(f"/agreements/{agreement}?done=made", 303)


def _propose(request: Request, session: Session, agreement: int, form: FormData) -> Response:
    """Only what was typed differently is proposed; what nobody touched stays as it is agreed on."""
    parts = parts_of(request)
    base, number = _number(form.get("base")), _number(form.get("number"))
    typed = {
        field.on_paper: str(form[field.on_paper])
        for field in CLAUSES.fields
        if field.on_paper in form
    }
    try:
        with auth.asked_by(parts, session) as conn:
            held = agree.find(conn, agreement)
            was = values_of(held.agreement.now.clauses)
            proposal = agree.propose(
                conn,
                agreement,
                base=base or 0,
                number=number,
                wish=Wish(
                    read=read_paper(CLAUSES, typed, was, comma=_is_comma(typed)),
                    because=_because(form),
                    limits=_limits_typed(held, form),
                ),
                side=side_of(session),
                author=session.email,
                now=parts.now(),
            )
    except Refusal as refused:
        return _page(request, session, agreement, form, refused)
    done = "held" if proposal.state is Waits.ACCEPTED else "proposed"
    return RedirectResponse(f"/agreements/{agreement}?done={done}", 303)


def _limits_typed(held: Found, form: FormData) -> dict[str, Mapping[str, object] | None]:
    agreed = {limit.bin_id: limit for limit in held.agreement.now.limits}
    wanted: dict[str, Mapping[str, object] | None] = {}
    for bin_ in held.bins:
        if f"minimum-{bin_.code}" not in form:
            continue
        minimum = str(form.get(f"minimum-{bin_.code}", "")).strip()
        order_up_to = str(form.get(f"order_up_to-{bin_.code}", "")).strip()
        if not minimum and not order_up_to:
            if bin_.bin_id in agreed:
                wanted[bin_.code] = None
            continue
        wanted[bin_.code] = {"minimum": _value(minimum), "order_up_to": _value(order_up_to)}
    return wanted


def _value(text: str) -> Value:
    """What is no number is told to be none, with what was typed."""
    plain = text.replace("\N{THIN SPACE}", "")
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 12 else text  # noqa: PLR2004 - more pieces than there are


def _number(text: object) -> int | None:
    plain = str(text or "")
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 10 else None  # noqa: PLR2004 - as of a column


def _because(form: FormData) -> str:
    return str(form.get("because", "")).strip()[:BECAUSE_CHARS_MAX]


def _is_comma(typed: Mapping[str, str]) -> bool:
    return any("," in typed.get(field.on_paper, "") for field in CLAUSES.fields if field.digits)


# ------------------------------------------------------------------------------ what is shown


def _layout(conn: psycopg.Connection, session: Session) -> dict[str, Any]:
    if session.supplier_id is None:
        return {"layout": "operations.html", "supplier": ""}
    return {
        "layout": "supplier.html",
        "supplier": portal.supplier_name(conn, session.supplier_id),
    }


def _new(
    request: Request,
    session: Session,
    typed: Mapping[str, str],
    *,
    site: str,
    supplier: str,
    because: str,
    refused: Refusal | None,
) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        sites = nouns.names(conn, NOUNS["site"], agreements.LISTED_MAX)
        suppliers = nouns.names(conn, NOUNS["supplier"], agreements.LISTED_MAX)
    shown = dict(typed) or {
        **{field.on_paper: paper_of(field, field.default) for field in CLAUSES.fields},
        "valid_from": parts.now().date().isoformat(),
    }
    mistakes = _mistakes(refused)
    return rendering.page(
        request,
        "agreement_new.html",
        status=_status(refused),
        session=session,
        now=parts.now(),
        inputs=_inputs(shown, mistakes),
        sites=sites,
        suppliers=suppliers,
        site=site,
        chosen_supplier=supplier,
        because=because,
        refused=refused,
    )


def _page(
    request: Request,
    session: Session,
    agreement: int,
    form: FormData | None,
    refused: Refusal | None,
) -> Response:
    parts = parts_of(request)
    now = parts.now()
    side = side_of(session)
    with auth.asked_by(parts, session) as conn:
        found = agree.find(conn, agreement)
        layout = _layout(conn, session)
        reached = achieve.reached_lately(conn, agreement, now)
        open_ = [
            _asked(conn, found, one, side, now)
            for one in found.agreement.proposals
            if one.state is Waits.OPEN
        ]
        answered = [
            _asked(None, found, one, side, now)
            for one in reversed(found.agreement.proposals)
            if one.state is not Waits.OPEN
        ]
    current = found.agreement.now
    shown = paper(CLAUSES, values_of(current.clauses))
    if form is not None:
        shown |= {name: str(form[name]) for name in shown if name in form}
    rows = _rows(found, form, _mistakes(refused))
    validity = validity_on(current.clauses, agree.today_in(found.line.time_zone, now))
    return rendering.page(
        request,
        "agreement.html",
        status=_status(refused),
        at="" if refused is None else f"/agreements/{agreement}",
        **layout,
        session=session,
        now=now,
        zone=words.zone(found.line.time_zone),
        line=found.line,
        version=current,
        versions=list(reversed(found.agreement.versions)),
        clauses=in_words(current.clauses),
        validity=VALIDITY_MARKS[validity],
        ends=validity in (Validity.ENDS_SOON, Validity.ENDED),
        reached=reached,
        reached_rows=[] if reached is None else [("", "", one) for one in reached.targets],
        rows=rows,
        agreed_rows=[row for row in rows if row.agreed is not None],
        differing=sum(row.differs for row in rows),
        open=open_,
        answered=answered,
        other="the supplier" if side is Side.CUSTOMER else "the customer",
        side=side.value,
        inputs=_inputs(shown, _mistakes(refused)),
        next_number=agree.next_number(found.agreement),
        because="" if form is None else _because(form),
        refused=refused,
        without_reason=isinstance(refused, ProposalWithoutReason),
        done=request.query_params.get("done", "") if refused is None else "",
    )


def _asked(
    conn: psycopg.Connection | None, found: Found, proposal: Proposal, side: Side, now: datetime
) -> Asked:
    """Against the version it would change. Who sees more than its author foresees more, too."""
    base = found.agreement.version(proposal.base)
    of = {bin_.bin_id: bin_ for bin_ in found.bins}
    predicted = proposal.predicted
    if predicted is None and conn is not None:
        predicted = foresee(conn, found.bins, base.limits, proposal.limits, now)
    return Asked(
        proposal=proposal,
        clauses=differences(base.clauses, proposal.clauses),
        limits=[
            (of[bin_id], was, become)
            for bin_id, (was, become) in moved_limits(base.limits, proposal.limits).items()
            if bin_id in of
        ],
        predicted=predicted,
        mine=proposal.by is side,
    )


def _rows(found: Found, form: FormData | None, mistakes: Mapping[str, str]) -> list[LimitRow]:
    agreed = {limit.bin_id: limit for limit in found.agreement.now.limits}
    rows = []
    for bin_ in found.bins:
        limit = agreed.get(bin_.bin_id)
        if limit is None and not bin_.active:
            continue
        typed = {
            "minimum": "" if limit is None else str(limit.minimum),
            "order_up_to": "" if limit is None else str(limit.order_up_to),
        }
        if form is not None:
            typed = {name: str(form.get(f"{name}-{bin_.code}", typed[name])) for name in typed}
        wrong = [mistakes[key] for name in typed if (key := f"{bin_.code}.{name}") in mistakes]
        rows.append(
            LimitRow(
                bin=bin_,
                agreed=limit,
                minimum=typed["minimum"],
                order_up_to=typed["order_up_to"],
                mistake=" ".join(wrong),
            )
        )
    return rows


def _inputs(shown: Mapping[str, str], mistakes: Mapping[str, str]) -> list[Input]:
    return [
        Input(
            field=field,
            text=shown.get(field.on_paper, ""),
            mistake=mistakes.get(field.name, ""),
        )
        for field in CLAUSES.fields
    ]


def _mistakes(refused: Refusal | None) -> dict[str, str]:
    if not isinstance(refused, NotAsAllowed):
        return {}
    return {one.field: f"Allowed: {one.allowed}." for one in refused.mistakes}


def _status(refused: Refusal | None) -> int:
    return 200 if refused is None else problems.REFUSALS[type(refused)]
