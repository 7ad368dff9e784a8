"""Agreements as JSON: what holds, its versions, what is proposed; proposing and answering."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from cloud.actions import achieve, agree
from cloud.actions.agree import Found, Wish
from cloud.core.agreements import Limit, Prediction, Proposal, Side, Version
from cloud.core.clauses import CLAUSES, in_words, values_of
from cloud.core.nouns import INT_MAX, NOUNS, Mistake, Read, read
from cloud.core.refusals import NotAsAllowed
from cloud.http import auth, problems
from cloud.http.agreed import BECAUSE_CHARS_MAX, line_of, side_of
from cloud.http.api import targets
from cloud.http.api.targets import ReachedOut
from cloud.http.auth import Anyone, Operations
from cloud.http.parts import parts_of
from cloud.postgres import agreements, nouns
from cloud.postgres.sessions import Session

router = APIRouter(prefix="/api/agreements", tags=["agreements"])

AgreementId = Annotated[int, Path(ge=1, le=INT_MAX, examples=[3])]
ProposalNumber = Annotated[int, Path(ge=1, le=INT_MAX, examples=[2])]
LIMITS_MAX = 2_000

CLAUSES_EXAMPLE: dict[str, JsonValue] = {
    "mode": "auto",
    "value_limit": 50_000,
    "draft_hours": 24,
    "escalate_after_hours": 8,
    "ownership": "owned",
    "service": "fill",
    "target_per_mille": 985,
    "supply_days": 20,
    "stock_value": 250_000,
    "answer_hours": 24,
    "grace_hours": 24,
    "band_quantity_percent": 20,
    "band_postpone_days": 1,
    "band_limits_percent": 10,
    "shares_levels": True,
    "valid_from": "2026-01-01",
    "valid_until": "2026-12-31",
}
LINE_EXAMPLE: dict[str, JsonValue] = {
    "agreement": 3,
    "site": "Lindau Pumps",
    "supplier": "Ferro AG",
    "version": 2,
    "mode": "auto",
    "service": "fill",
    "target_per_mille": 985,
    "valid_from": "2026-01-01",
    "valid_until": "2026-12-31",
    "validity": "valid",
    "bins": 14,
    "waits_for_you": 1,
    "waits_for_them": 0,
}
PREDICTION_EXAMPLE: dict[str, JsonValue] = {
    "days": 90,
    "bins": 1,
    "bins_unknown": 0,
    "fill_per_mille": 995,
    "stock": 1180,
    "before_fill_per_mille": 962,
    "before_stock": 940,
}
LIMIT_EXAMPLE: dict[str, JsonValue] = {
    "bin": "LND-R04-B2",
    "minimum": 500,
    "order_up_to": 2000,
}
PROPOSAL_EXAMPLE: dict[str, JsonValue] = {
    "number": 2,
    "base": 2,
    "by": "supplier",
    "author": "max@ferro.example",
    "because": "Usage has doubled since the second shift.",
    "clauses": CLAUSES_EXAMPLE,
    "limits": [{"bin": "LND-R04-B2", "minimum": 800, "order_up_to": 2000}],
    "predicted": PREDICTION_EXAMPLE,
    "proposed_at": "2026-11-20T09:41:07Z",
    "state": "open",
    "answered_by": None,
    "answered_at": None,
}
VERSION_EXAMPLE: dict[str, JsonValue] = {
    "number": 1,
    "clauses": CLAUSES_EXAMPLE,
    "limits": [LIMIT_EXAMPLE],
    "agreed_at": "2026-01-01T08:00:00Z",
    "proposed_by": "customer",
    "author": "ops@plant.example",
    "because": "Contract 4711",
    "accepted_by": None,
    "proposal": None,
}
WHOLE_EXAMPLE: dict[str, JsonValue] = LINE_EXAMPLE | {
    "clauses": CLAUSES_EXAMPLE,
    "in_words": {"Orders": "Orders leave by themselves."},
    "limits": [LIMIT_EXAMPLE],
    "versions": [VERSION_EXAMPLE],
    "proposals": [PROPOSAL_EXAMPLE],
}
SAID = "\n".join(f"- `{one.name}`: {one.label}; {one.takes}" for one in CLAUSES.fields)


class AgreementLineOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [LINE_EXAMPLE]})

    agreement: int
    site: str
    supplier: str
    version: int = Field(description="the one that holds")
    mode: str
    service: str | None = Field(description="the kind of the target; null: none was agreed on")
    target_per_mille: int | None
    valid_from: date
    valid_until: date | None = Field(description="the last day; null: for good")
    validity: Literal["not_yet", "valid", "ends_soon", "ended"]
    bins: int = Field(description="whose limits it says")
    waits_for_you: int = Field(description="proposals of the other side that are not answered")
    waits_for_them: int


class LimitOut(BaseModel):
    bin: str = Field(description="its code")
    minimum: int
    order_up_to: int


class PredictionOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [PREDICTION_EXAMPLE]})

    days: int = Field(description="that were replayed, of the bin of which the fewest are known")
    bins: int
    bins_unknown: int = Field(description="of whose usage less than four weeks are known")
    fill_per_mille: int | None = Field(description="of the pieces asked for; null: none were")
    stock: int = Field(description="mean pieces, of these bins together")
    before_fill_per_mille: int | None = Field(description="with the limits that hold")
    before_stock: int


class VersionOut(BaseModel):
    number: int
    clauses: dict[str, JsonValue]
    limits: list[LimitOut]
    agreed_at: datetime
    proposed_by: Literal["customer", "supplier"]
    author: str
    because: str
    accepted_by: str | None = Field(description="null: nobody had to")
    proposal: int | None = Field(description="that it came of; null: the first version")


class ProposalOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [PROPOSAL_EXAMPLE]})

    number: int
    base: int = Field(description="the version it would change")
    by: Literal["customer", "supplier"]
    author: str
    because: str
    clauses: dict[str, JsonValue]
    limits: list[LimitOut]
    predicted: PredictionOut | None = Field(
        description="null: it moves no limit, or too little is known of the bins' usage"
    )
    proposed_at: datetime
    state: Literal["open", "accepted", "declined", "outdated"]
    answered_by: str | None
    answered_at: datetime | None


class AgreementOut(AgreementLineOut):
    model_config = ConfigDict(json_schema_extra={"examples": [WHOLE_EXAMPLE]})

    clauses: dict[str, JsonValue]
    in_words: dict[str, str]
    limits: list[LimitOut]
    versions: list[VersionOut] = Field(description="from the first on; none is ever changed")
    proposals: list[ProposalOut]


class LimitIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bin: str = Field(max_length=32)
    minimum: JsonValue = None
    order_up_to: JsonValue = Field(
        default=None, description="both null: the agreement says nothing of this bin any more"
    )


class NewIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "site": "Lindau Pumps",
                    "supplier": "Ferro AG",
                    "because": "Contract 4711",
                    "clauses": CLAUSES_EXAMPLE,
                    "limits": [],
                }
            ]
        },
    )

    site: str = Field(max_length=120)
    supplier: str = Field(max_length=120)
    because: str = Field(max_length=BECAUSE_CHARS_MAX, description="which contract says so")
    clauses: dict[str, JsonValue] = Field(description=SAID)
    limits: list[LimitIn] = Field(
        default_factory=list, max_length=LIMITS_MAX, description="empty: as the bins have them"
    )


class ProposalIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "base": 2,
                    "number": 2,
                    "because": "Usage has doubled since the second shift.",
                    "clauses": {"answer_hours": 12},
                    "limits": [{"bin": "LND-R04-B2", "minimum": 800, "order_up_to": 2000}],
                }
            ]
        },
    )

    base: int = Field(ge=1, le=INT_MAX, description="the version you looked at")
    number: int | None = Field(
        default=None,
        ge=1,
        le=INT_MAX,
        description="one more than the last; makes it safe to send twice. null: the next one",
    )
    because: str = Field(max_length=BECAUSE_CHARS_MAX)
    clauses: dict[str, JsonValue] = Field(
        default_factory=dict, description=f"what is to change of them\n\n{SAID}"
    )
    limits: list[LimitIn] = Field(
        default_factory=list,
        max_length=LIMITS_MAX,
        description="of the bins whose limits are to change",
    )


NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such agreement or proposal, or it is not yours to see."}
}
REFUSED: dict[int | str, dict[str, Any]] = NOT_FOUND | {
    409: {"description": "Another version came into force, or the number was used before."},
    422: {"description": "It says no reason, changes nothing, or holds what is not allowed."},
}
ANSWERED: dict[int | str, dict[str, Any]] = NOT_FOUND | {
    409: {"description": "It is your own, was answered, is outdated, or fits its bins no more."}
}


@router.get("", summary="Agreements, by site and supplier")
def list_agreements(request: Request, session: Anyone) -> list[AgreementLineOut]:
    """A supplier is told its own."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        lines = agreements.listed(conn)
    return [AgreementLineOut(**line_of(line, side_of(session), parts.now())) for line in lines]


@router.post(
    "",
    summary="Write down what was agreed on",
    status_code=201,
    responses=REFUSED,
)
def make_agreement(
    request: Request, response: Response, session: Operations, said: NewIn
) -> AgreementOut:
    """A contract as it was signed. What changes later is proposed, and takes both sides."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        ids = {name: nouns.ids_of(conn, NOUNS[name]) for name in ("site", "supplier")}
        site_id = ids["site"].get((said.site,))
        supplier_id = ids["supplier"].get((said.supplier,))
        missing = [
            Mistake(field=name, given=given, allowed=f"an existing {name}")
            for name, given, found in (
                ("site", said.site, site_id),
                ("supplier", said.supplier, supplier_id),
            )
            if found is None
        ]
        if site_id is None or supplier_id is None:
            raise NotAsAllowed(missing)
        agreement_id = agree.make(
            conn,
            site_id=site_id,
            supplier_id=supplier_id,
            wish=_wish(read(CLAUSES, said.clauses), said.because, said.limits),
            author=session.email,
            now=parts.now(),
        )
        found = agree.find(conn, agreement_id)
    response.headers["Location"] = f"/api/agreements/{agreement_id}"
    return _whole(found, side_of(session), parts.now())


@router.get("/{agreement}", summary="One agreement", responses=NOT_FOUND)
def one_agreement(request: Request, session: Anyone, agreement: AgreementId) -> AgreementOut:
    """Both sides are told the same."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        found = agree.find(conn, agreement)
    return _whole(found, side_of(session), parts.now())


@router.post(
    "/{agreement}/proposals", summary="Propose a change", status_code=201, responses=REFUSED
)
def propose(
    request: Request, session: Anyone, agreement: AgreementId, said: ProposalIn
) -> ProposalOut:
    """It waits for the other side, and holds at once where it lies within the band."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        held = agree.find(conn, agreement)
        given = read(CLAUSES, said.clauses, values_of(held.agreement.now.clauses))
        proposal = agree.propose(
            conn,
            agreement,
            base=said.base,
            number=said.number,
            wish=_wish(given, said.because, said.limits),
            side=side_of(session),
            author=session.email,
            now=parts.now(),
        )
        return _proposal(proposal, _codes(held))


@router.get(
    "/{agreement}/reached", summary="Its targets, and what was reached", responses=NOT_FOUND
)
def reached(request: Request, session: Anyone, agreement: AgreementId) -> ReachedOut:
    """Since what holds was agreed on, a quarter at most. Both sides are told the same."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        found = achieve.reached_lately(conn, agreement, parts.now())
    if found is None:
        raise problems.Told(problems.NOT_FOUND)
    return targets.out(found)


@router.post(
    "/{agreement}/proposals/{number}/accept", summary="Accept a proposal", responses=ANSWERED
)
def accept(
    request: Request, session: Anyone, agreement: AgreementId, number: ProposalNumber
) -> AgreementOut:
    """The next version holds from now on, and its limits with it. Twice is once."""
    return _answer(request, session, agreement, number, accepts=True)


@router.post(
    "/{agreement}/proposals/{number}/decline", summary="Decline a proposal", responses=ANSWERED
)
def decline(
    request: Request, session: Anyone, agreement: AgreementId, number: ProposalNumber
) -> AgreementOut:
    return _answer(request, session, agreement, number, accepts=False)


def _answer(
    request: Request, session: Session, agreement: int, number: int, *, accepts: bool
) -> AgreementOut:
    parts = parts_of(request)
    side = side_of(session)
    with auth.asked_by(parts, session) as conn:
        agree.answer(
            conn, agreement, number, accepts=accepts, side=side, by=session.email, now=parts.now()
        )
        found = agree.find(conn, agreement)
    return _whole(found, side, parts.now())


def _wish(given: Read, because: str, limits: list[LimitIn]) -> Wish:
    wanted: dict[str, Mapping[str, object] | None] = {
        one.bin: None
        if one.minimum is None and one.order_up_to is None
        else {"minimum": one.minimum, "order_up_to": one.order_up_to}
        for one in limits
    }
    return Wish(read=given, because=because, limits=wanted)


# ------------------------------------------------------------------------------ what is told


def _whole(found: Found, side: Side, now: datetime) -> AgreementOut:
    agreement, codes = found.agreement, _codes(found)
    return AgreementOut(
        **line_of(found.line, side, now),
        clauses={**values_of(agreement.now.clauses)},
        in_words=in_words(agreement.now.clauses),
        limits=_limits(agreement.now.limits, codes),
        versions=[_version(one, codes) for one in agreement.versions],
        proposals=[_proposal(one, codes) for one in agreement.proposals],
    )


def _codes(found: Found) -> dict[int, str]:
    return {bin_.bin_id: bin_.code for bin_ in found.bins}


def _limits(limits: tuple[Limit, ...], codes: Mapping[int, str]) -> list[LimitOut]:
    """Of bins that are still of the two: what became of others is nobody's business here."""
    return [
        LimitOut(bin=codes[one.bin_id], minimum=one.minimum, order_up_to=one.order_up_to)
        for one in limits
        if one.bin_id in codes
    ]


def _version(version: Version, codes: Mapping[int, str]) -> VersionOut:
    return VersionOut(
        number=version.number,
        clauses={**values_of(version.clauses)},
        limits=_limits(version.limits, codes),
        agreed_at=version.agreed_at,
        proposed_by=version.proposed_by.value,
        author=version.author,
        because=version.because,
        accepted_by=version.accepted_by or None,
        proposal=version.proposal,
    )


def _proposal(proposal: Proposal, codes: Mapping[int, str]) -> ProposalOut:
    return ProposalOut(
        number=proposal.number,
        base=proposal.base,
        by=proposal.by.value,
        author=proposal.author,
        because=proposal.because,
        clauses={**values_of(proposal.clauses)},
        limits=_limits(proposal.limits, codes),
        predicted=_prediction(proposal.predicted),
        proposed_at=proposal.proposed_at,
        state=proposal.state.value,
        answered_by=proposal.answered_by or None,
        answered_at=proposal.answered_at,
    )


def _prediction(predicted: Prediction | None) -> PredictionOut | None:
    if predicted is None:
        return None
    return PredictionOut(
        days=predicted.days,
        bins=predicted.bins,
        bins_unknown=predicted.bins_unknown,
        fill_per_mille=predicted.fill_per_mille,
        stock=predicted.stock,
        before_fill_per_mille=predicted.before_fill_per_mille,
        before_stock=predicted.before_stock,
    )
