"""Learning what turns a weight into pieces: from a counted sample, and from the empty bin."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from cloud.actions.calibrate_bin import Learnt, because_of, learn_empty, learn_from_sample
from cloud.core.nouns import INT_MAX
from cloud.http import auth
from cloud.http.auth import Operations
from cloud.http.parts import BinCode, parts_of

router = APIRouter(prefix="/api/bins/{code}/calibration", tags=["calibration"])

SAMPLE: dict[str, JsonValue] = {"pieces": 50, "apply": True, "because": "new batch of nuts"}
TARE: dict[str, JsonValue] = {"apply": True, "because": "the bin was exchanged"}
UNIT_EXAMPLE: dict[str, JsonValue] = {
    "unit_weight_ug": 4_213_000,
    "unit_sd_ug": 42_000,
    "unit_error_ug": 6_000,
    "before_ug": 4_200_000,
    "bias_pieces": 2.8,
    "weighed_mg": 560_650,
    "readings": 5,
    "applied": True,
}
TARE_EXAMPLE: dict[str, JsonValue] = {
    "tare_mg": 351_200,
    "before_mg": 350_000,
    "range_mg": 200,
    "readings": 5,
    "applied": True,
}
TOO_SMALL: dict[str, JsonValue] = {
    "type": "urn:binline:problem:sample_too_small",
    "title": "Too few pieces were counted",
    "status": 422,
    "detail": "A full bin would be off by 1.9 %, and 1 % is the most. 36 pieces are needed.",
    "what_to_do": "Count more pieces, and weigh them together.",
    "pieces_needed": 36,
}
NOT_STILL: dict[str, JsonValue] = {
    "type": "urn:binline:problem:tare_not_still",
    "title": "The tare needs 5 readings at rest, and there are 2 yet",
    "status": 409,
    "detail": "",
    "what_to_do": "Take everything off that leans on it, and try again.",
    "readings": 2,
    "readings_needed": 5,
}
REFUSED: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such bin, or it is not yours to see."},
    409: {
        "description": "The scale is not at rest, or the bin is not weighed.",
        "content": {"application/problem+json": {"example": NOT_STILL}},
    },
}
SAMPLE_REFUSED: dict[int | str, dict[str, Any]] = REFUSED | {
    422: {
        "description": "Too few pieces; `pieces_needed` says how many it takes.",
        "content": {"application/problem+json": {"example": TOO_SMALL}},
    }
}


class ApplyIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [TARE]})

    apply: bool = Field(default=False, description="false: only tell what would be learnt")
    because: str = Field(default="", max_length=500, description="for the history")


class SampleIn(ApplyIn):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SAMPLE]})

    pieces: int = Field(ge=1, le=INT_MAX, description="counted, and now alone in the bin")


class UnitOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [UNIT_EXAMPLE]})

    unit_weight_ug: int = Field(description="of one piece")
    unit_sd_ug: int = Field(description="from piece to piece")
    unit_error_ug: int = Field(description="one sd of the mean, the same for every piece")
    before_ug: int = Field(description="what was in use")
    bias_pieces: float = Field(description="one sd of what a full bin is off by")
    weighed_mg: int = Field(description="the sample with the bin")
    readings: int = Field(description="at rest, that this rests on")
    applied: bool = Field(description="every bin with this item is counted anew by it")


class TareOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [TARE_EXAMPLE]})

    tare_mg: int = Field(description="of the empty bin")
    before_mg: int = Field(description="what was in use")
    range_mg: int = Field(description="from the lightest to the heaviest of the readings")
    readings: int = Field(description="at rest, that this rests on")
    applied: bool = Field(description="from now on it counts")


@router.post("/sample", summary="Learn the weight of one piece", responses=SAMPLE_REFUSED)
def sample(request: Request, session: Operations, code: BinCode, given: SampleIn) -> UnitOut:
    """From counted pieces that now lie in the bin alone, at rest. Refused if they are too few."""
    parts = parts_of(request)
    apply = because_of("sample", given.because, given.pieces) if given.apply else None
    with auth.asked_by(parts, session) as conn:
        found = learn_from_sample(conn, code, given.pieces, parts.now(), apply=apply)
    return _unit_out(found)


@router.post("/tare", summary="Weigh the empty bin", responses=REFUSED)
def tare(request: Request, session: Operations, code: BinCode, given: ApplyIn) -> TareOut:
    """The bin stands on its scale, empty and at rest."""
    parts = parts_of(request)
    apply = because_of("tare", given.because) if given.apply else None
    with auth.asked_by(parts, session) as conn:
        found = learn_empty(conn, code, parts.now(), apply=apply)
    assert found.tare is not None
    return TareOut(
        tare_mg=found.after,
        before_mg=found.before,
        range_mg=found.tare.range_mg,
        readings=found.readings,
        applied=found.applied,
    )


def _unit_out(found: Learnt) -> UnitOut:
    assert found.unit is not None
    return UnitOut(
        unit_weight_ug=found.unit.unit_weight_ug,
        unit_sd_ug=round(found.unit.unit_sd_ug),
        unit_error_ug=round(found.unit.unit_error_ug),
        before_ug=found.before,
        bias_pieces=round(found.unit.bias_pieces, 2),
        weighed_mg=found.weighed_mg,
        readings=found.readings,
        applied=found.applied,
    )
