"""Counts by people as JSON: entered, listed, and how accurate they find the stock to be."""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from cloud.actions.count_bin import Asked, count_bin
from cloud.core.counts import Accuracy
from cloud.core.nouns import INT_MAX, ITEM, SITE
from cloud.http import accuracy, auth, problems
from cloud.http.auth import Operations
from cloud.http.cursors import cursor_of, place_of
from cloud.http.parts import BinCode, parts_of
from cloud.postgres import counts, nouns, wall

router = APIRouter(prefix="/api", tags=["counts"])

LIMIT_MAX = 500

EXAMPLE: dict[str, JsonValue] = {
    "id": 412,
    "kind": "cycle",
    "pieces": 131,
    "level": 134,
    "difference": 3,
    "counted_at": "2026-11-20T09:40:00Z",
    "entered_at": "2026-11-20T09:41:07.250Z",
    "by": "ops@plant.example",
    "because": "the turn of this rack",
}
ENTERED: dict[str, JsonValue] = {
    "counted": 131,
    "level": 134,
    "difference": 3,
    "counted_at": "2026-11-20T09:40:00Z",
}
MOVED: dict[str, JsonValue] = {
    "type": "urn:binline:problem:count_too_old",
    "title": "Something was taken or put in since it was counted",
    "status": 409,
    "detail": "Usage of 12 at 09:12:04 UTC.",
    "what_to_do": "Count once more, and enter it before anything moves.",
    "moved": ["usage of 12 at 09:12:04 UTC"],
}
UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such bin, or it is not yours to see."}
}
REFUSED: dict[int | str, dict[str, Any]] = UNKNOWN | {
    409: {
        "description": "Something moved since it was counted; `moved` says what.",
        "content": {"application/problem+json": {"example": MOVED}},
    },
    422: {"description": "So many cannot be in the bin, or a field does not hold what is allowed."},
}


class CountIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "kind": "cycle",
                    "pieces": 131,
                    "counted_at": "2026-11-20T09:40:00Z",
                    "because": "the turn of this rack",
                }
            ]
        },
    )

    kind: Literal["audit", "cycle", "correction"] = Field(
        description="`audit`: the first count of a bin; `cycle`: its turn; `correction`: the number"
        " was not believed. Only the first two tell how accurate the stock is."
    )
    pieces: int = Field(ge=0, le=INT_MAX, description="that lay in the bin")
    counted_at: AwareDatetime | None = Field(
        default=None, description="when nothing moved since; null: now"
    )
    because: str = Field(min_length=1, max_length=500, description="why it was counted")


class EnteredOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [ENTERED]})

    counted: int = Field(description="pieces")
    level: int | None = Field(description="what we held it for; null: nothing was known")
    difference: int | None = Field(description="what we had too much")
    counted_at: datetime = Field(description="the level is corrected from then on")


class CountOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: int = Field(description="of the count, for ever")
    kind: Literal["audit", "cycle", "correction", "tare"] = Field(
        description="`tare`: booked by the program when the empty bin was weighed anew"
    )
    pieces: int = Field(description="counted")
    level: int | None = Field(description="what we held it for then; null: nothing was known")
    difference: int | None = Field(description="what we had too much")
    counted_at: datetime = Field(description="by who counted")
    entered_at: datetime = Field(description="when we were told")
    by: str = Field(description="who entered it")
    because: str = Field(description="in their words")


class CountsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"rows": [EXAMPLE], "next": None}]})

    rows: list[CountOut] = Field(description="newest first")
    next: str | None = Field(description="the `cursor` of the next page; null: nothing more")


class AccuracyOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "days": 365,
                    "tolerance_permille": 20,
                    "counts": 48,
                    "hit_rate": 0.979,
                    "gross": 0.994,
                    "net": 0.999,
                }
            ]
        }
    )

    days: int = Field(description="that were looked back")
    tolerance_permille: int = Field(description="by so much of what was counted a hit may be off")
    counts: int = Field(description="audits and cycle counts that this rests on; 0: nothing is")
    hit_rate: float | None = Field(description="share of counts within the tolerance")
    gross: float | None = Field(description="1 - sum of differences / sum counted")
    net: float | None = Field(description="the same with sign: what cancels out is hidden in it")


@router.post("/bins/{code}/counts", summary="Enter a count", status_code=201, responses=REFUSED)
def enter_count(request: Request, session: Operations, code: BinCode, given: CountIn) -> EnteredOut:
    """The level is what was counted from then on, and the difference a correction, never usage."""
    parts = parts_of(request)
    now = parts.now()
    asked = Asked(
        kind=given.kind,
        pieces=given.pieces,
        counted_at=given.counted_at,
        because=given.because,
    )
    with auth.asked_by(parts, session) as conn:
        found = count_bin(conn, code, asked, session.email, now)
    return EnteredOut(
        counted=found.counted,
        level=found.system,
        difference=found.pieces,
        counted_at=given.counted_at or now,
    )


@router.get("/bins/{code}/counts", summary="What was counted in one bin", responses=UNKNOWN)
def list_counts(
    request: Request,
    session: Operations,
    code: BinCode,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 100,
    cursor: Annotated[
        str, Query(max_length=200, description="`next` of the page before; empty: the first page")
    ] = "",
) -> CountsOut:
    before = place_of(cursor)
    with auth.asked_by(parts_of(request), session) as conn:
        row = wall.one_bin(conn, code)
        if row is None:
            raise problems.Told(problems.NOT_FOUND)
        found = counts.listed(conn, row.bin_id, limit + 1, before)
    more = len(found) > limit
    found = found[:limit]
    return CountsOut(
        rows=[
            CountOut(
                id=one.count_id,
                kind=one.kind,  # type: ignore[arg-type]  # the table's own check
                pieces=one.pieces,
                level=one.level_pieces,
                difference=one.difference,
                counted_at=one.counted_at,
                entered_at=one.entered_at,
                by=one.by,
                because=one.because,
            )
            for one in found
        ],
        next=cursor_of(found[-1].counted_at, found[-1].count_id) if more else None,
    )


@router.get("/accuracy", summary="How accurate the stock is, by who counted", responses=UNKNOWN)
def stock_accuracy(  # noqa: PLR0917 - FastAPI passes by name
    request: Request,
    session: Operations,
    bin_code: Annotated[
        str, Query(alias="bin", pattern=r"^[A-Z0-9-]{2,32}$", description="of one bin alone")
    ] = "",
    item: Annotated[str, Query(max_length=120, description="of one item alone, by its SKU")] = "",
    site: Annotated[str, Query(max_length=120, description="of one site alone, by its name")] = "",
    days: Annotated[int, Query(ge=1, le=3650)] = accuracy.DAYS,
    tolerance_permille: Annotated[int, Query(ge=0, le=1000)] = accuracy.TOLERANCE_PERMILLE,
) -> AccuracyOut:
    """From audits and cycle counts, beside what the bin was held for when it was counted."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        only = {}
        if bin_code:
            row = wall.one_bin(conn, bin_code)
            only["bin_id"] = _known(None if row is None else row.bin_id)
        if item:
            only["item_id"] = _known(nouns.ids_of(conn, ITEM).get((item,)))
        if site:
            only["site_id"] = _known(nouns.ids_of(conn, SITE).get((site,)))
        compared = counts.compared(conn, parts.now() - timedelta(days=days), **only)
    found = accuracy.of(compared, Fraction(tolerance_permille, 1000))
    return _accuracy_out(found, days, tolerance_permille)


def _known(found: int | None) -> int:
    if found is None:
        raise problems.Told(problems.NOT_FOUND)
    return found


def _accuracy_out(found: Accuracy | None, days: int, permille: int) -> AccuracyOut:
    return AccuracyOut(
        days=days,
        tolerance_permille=permille,
        counts=0 if found is None else found.counts,
        hit_rate=None if found is None else round(found.hit_rate, 4),
        gross=None if found is None else round(found.gross, 4),
        net=None if found is None else round(found.net, 4),
    )
