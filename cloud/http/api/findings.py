"""What deliveries of known quantity say of the weight of a piece: told, looked at, consented to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from cloud.actions.learn_from_delivery import (
    Predicted,
    answer_finding,
    is_overtaken,
    predicted,
    tell_delivery,
)
from cloud.core.nouns import INT_MAX
from cloud.http import auth, problems
from cloud.http.auth import Operations
from cloud.http.parts import BinCode, parts_of
from cloud.postgres import findings, wall
from cloud.postgres.findings import FindingRow

router = APIRouter(prefix="/api/bins/{code}/calibration", tags=["calibration"])

LISTED_MAX = 50
BIGINT_MAX = 2**63 - 1
DELIVERY: dict[str, JsonValue] = {"movement": 8123, "pieces": 500, "because": "five whole packs"}
ANSWER: dict[str, JsonValue] = {"accept": True, "because": "another batch, weighed by hand"}
EXAMPLE: dict[str, JsonValue] = {
    "id": 17,
    "state": "waiting",
    "movement": 8123,
    "event_at": "2026-11-20T09:12:04Z",
    "order": None,
    "pieces": 500,
    "weighed": 512,
    "before_ug": 4_200_000,
    "unit_weight_ug": 4_300_000,
    "unit_sd_ug": 42_000,
    "unit_error_ug": 2_000,
    "says": "500 pieces weighed 2,150.0 g, 4.3000 g each; in use are 4.2000 g: +2.4 %.",
    "told_by": "ops@plant.example",
    "told_because": "five whole packs",
    "told_at": "2026-11-20T09:41:30Z",
    "answered_by": None,
    "answered_because": None,
    "answered_at": None,
    "predicted": [{"bin": "LND-R04-B2", "pieces": 1240, "becomes": 1211, "movements": 38}],
}
FAR_OFF: dict[str, JsonValue] = {
    "type": "urn:binline:problem:delivery_far_off",
    "title": "So many cannot have come at once",
    "status": 422,
    "detail": "You say 1,000, and the weight is that of about 512.",
    "what_to_do": "Check the number. What was poured in in two steps tells nothing of a piece.",
    "weighed": 512,
}
UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such bin, refill or finding, or it is not yours to see."}
}
REFUSED: dict[int | str, dict[str, Any]] = UNKNOWN | {
    409: {"description": "The bin is not weighed, or the delivery was learnt from already."},
    422: {
        "description": "The weight is that of another number; `weighed` says of which.",
        "content": {"application/problem+json": {"example": FAR_OFF}},
    },
}
ANSWER_REFUSED: dict[int | str, dict[str, Any]] = UNKNOWN | {
    409: {"description": "It was answered already, or another weight is in use by now."},
}


class DeliveryIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [DELIVERY]})

    movement: int = Field(ge=1, le=BIGINT_MAX, description="`id` of the refill, as it is listed")
    pieces: int = Field(ge=1, le=INT_MAX, description="that are known to have come")
    because: str = Field(default="", max_length=500, description="how that is known")


class AnswerIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ANSWER]})

    accept: bool = Field(description="false: the weight in use stays")
    because: str = Field(min_length=1, max_length=500, description="why, for the history")


class PredictedOut(BaseModel):
    bin: str = Field(description="code of a bin with this item")
    pieces: int = Field(description="its level as it is booked")
    becomes: int = Field(description="its level by the weight that was found")
    movements: int = Field(description="that are told anew; none is added, none goes")


class FindingOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: int = Field(description="of the finding")
    state: Literal["kept", "applied", "waiting", "accepted", "declined", "overtaken"] = Field(
        description="`kept`: it says nothing better than what is known; `applied`: within half a"
        " percent, so nobody was asked; `waiting`: for consent; `overtaken`: another weight came"
        " into use first"
    )
    movement: int = Field(description="the refill, as it was booked when this was told")
    event_at: datetime = Field(description="when it came")
    order: str | None = Field(description="that said how many came; null: a person did")
    pieces: int = Field(description="that are known to have come")
    weighed: int = Field(description="pieces, by the weight that was in use")
    before_ug: int = Field(description="of one piece, in use then")
    unit_weight_ug: int = Field(description="of one piece, as found")
    unit_sd_ug: int = Field(description="from piece to piece; 0: not known")
    unit_error_ug: int = Field(description="one sd of the mean, the same for every piece")
    says: str = Field(description="the evidence, in a sentence")
    told_by: str
    told_because: str
    told_at: datetime
    answered_by: str | None = Field(description="null: nobody yet, or nobody was asked")
    answered_because: str | None
    answered_at: datetime | None
    predicted: list[PredictedOut] = Field(
        description="while it waits: what the levels of bins with this item become; at most fifty"
    )


class FindingsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"rows": [EXAMPLE]}]})

    rows: list[FindingOut] = Field(description="newest first, at most fifty")


@router.post(
    "/delivery", summary="Say how many pieces a refill was", status_code=201, responses=REFUSED
)
def tell(request: Request, session: Operations, code: BinCode, given: DeliveryIn) -> FindingOut:
    """The weight of one piece is learnt from it: at once within half a percent, else by consent."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        found = tell_delivery(
            conn, code, given.movement, given.pieces, given.because, session.email, parts.now()
        )
        return _out(found, predicted(conn, found) if found.state == "waiting" else ())


@router.get("/findings", summary="What deliveries said of the weight", responses=UNKNOWN)
def list_findings(request: Request, session: Operations, code: BinCode) -> FindingsOut:
    with auth.asked_by(parts_of(request), session) as conn:
        row = wall.one_bin(conn, code)
        if row is None:
            raise problems.Told(problems.NOT_FOUND)
        rows = []
        for one in findings.listed(conn, row.bin_id, LISTED_MAX):
            gone = is_overtaken(one, row)
            waits = one.state == "waiting" and not gone
            rows.append(_out(one, predicted(conn, one) if waits else (), overtaken=gone))
    return FindingsOut(rows=rows)


@router.post(
    "/findings/{finding_id}/answer", summary="Consent, or decline", responses=ANSWER_REFUSED
)
def answer(
    request: Request, session: Operations, code: BinCode, finding_id: int, given: AnswerIn
) -> FindingOut:
    """Accepted, every bin with this item is counted anew, and its history is stated anew."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        found = answer_finding(
            conn, code, finding_id, given.accept, given.because, session.email, parts.now()
        )
    return _out(found, ())


def _out(row: FindingRow, told: Sequence[Predicted], *, overtaken: bool = False) -> FindingOut:
    return FindingOut(
        id=row.finding_id,
        state="overtaken" if overtaken else row.state,
        movement=row.movement_id,
        event_at=row.event_at,
        order=None if row.order_id is None else row.told_because,
        pieces=row.pieces,
        weighed=row.weighed,
        before_ug=row.from_ug,
        unit_weight_ug=row.unit_weight_ug,
        unit_sd_ug=row.unit_sd_ug,
        unit_error_ug=row.unit_error_ug,
        says=row.says,
        told_by=row.told_by,
        told_because=row.told_because,
        told_at=row.told_at,
        answered_by=row.answered_by,
        answered_because=row.answered_because,
        answered_at=row.answered_at,
        predicted=[
            PredictedOut(
                bin=one.code,
                pieces=one.pieces,
                becomes=one.becomes,
                movements=one.movements,
            )
            for one in told
        ],
    )
