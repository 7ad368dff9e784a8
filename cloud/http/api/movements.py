"""What moved in a bin, as JSON: each movement with the readings it rests on."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from cloud.http import auth, problems
from cloud.http.auth import Anyone
from cloud.http.cursors import cursor_of, place_of
from cloud.http.parts import BinCode, parts_of
from cloud.postgres import movements, wall
from cloud.postgres.movements import MovementRow

router = APIRouter(prefix="/api/bins", tags=["bins"])

LIMIT_MAX = 500
OF_OURS = "Somebody counted, or the scale was not to be believed meanwhile."

EXAMPLE: dict[str, JsonValue] = {
    "id": 8123,
    "kind": "usage",
    "pieces": -12,
    "before": 146,
    "after": 134,
    "event_at": "2026-11-20T09:12:04Z",
    "confirmed_at": "2026-11-20T09:12:31Z",
    "known_at": "2026-11-20T09:12:31.480Z",
    "before_mg": 963200,
    "after_mg": 912800,
    "rests_on": {
        "before": {"stream": 17, "first_seq": 88_010, "last_seq": 88_095},
        "after": {"stream": 17, "first_seq": 88_096, "last_seq": 88_099},
    },
    "because": "The bin became lighter by 12 pieces.",
    "restated": False,
    "replaced_at": None,
}


class RangeOut(BaseModel):
    stream: int = Field(description="our number of the gateway's stream")
    first_seq: int = Field(description="the first reading of the plateau")
    last_seq: int = Field(description="the last one; 0: a count, and no reading")


class RestsOnOut(BaseModel):
    before: RangeOut | None = Field(description="null: nothing was known before")
    after: RangeOut


class MovementOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: int = Field(description="of this movement, for ever")
    kind: Literal["opening", "usage", "refill", "put_back", "correction", "swap"] = Field(
        description="`opening` is the first level ever known; a `correction` is none of goods"
    )
    pieces: int = Field(description="signed: what came is positive")
    before: int = Field(description="pieces before it")
    after: int = Field(description="pieces after it: the next movement begins here")
    event_at: datetime = Field(description="when it happened, by the gateway's corrected clock")
    confirmed_at: datetime = Field(description="of the reading that made it sure")
    known_at: datetime = Field(description="when it was booked here")
    before_mg: int | None = Field(
        description="what the scale showed; null: it is not weighed, or it was counted"
    )
    after_mg: int | None = Field(description="likewise, afterwards")
    rests_on: RestsOnOut = Field(description="the readings it was concluded from")
    because: str = Field(description="the conclusion, in a sentence")
    restated: bool = Field(description="counted anew when a better unit weight was learnt")
    replaced_at: datetime | None = Field(
        description="late readings or a restatement told otherwise; null: it holds"
    )


class MovementsOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rows": [EXAMPLE], "next": "MjAyNi0xMS0yMFQw"}]}
    )

    rows: list[MovementOut] = Field(description="newest first")
    next: str | None = Field(description="the `cursor` of the next page; null: nothing more")


NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such bin, or it is not yours to see."}
}


@router.get("/{code}/movements", summary="What moved in one bin", responses=NOT_FOUND)
def list_movements(  # noqa: PLR0917 - FastAPI passes by name
    request: Request,
    session: Anyone,
    code: BinCode,
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="that happened then or later")
    ] = None,
    upto: Annotated[AwareDatetime | None, Query(alias="to", description="and before this")] = None,
    replaced: Annotated[  # noqa: FBT002 - as above
        bool, Query(description="instead of what holds, what was replaced")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 100,
    cursor: Annotated[
        str, Query(max_length=200, description="`next` of the page before; empty: the first page")
    ] = "",
) -> MovementsOut:
    """Newest first. From an opening on, the movements that hold add up to the level."""
    before = place_of(cursor)
    with auth.asked_by(parts_of(request), session) as conn:
        row = wall.one_bin(conn, code)
        if row is None:
            raise problems.Told(problems.NOT_FOUND)
        found = movements.listed(
            conn, row.bin_id, limit + 1, since, upto, before, replaced=replaced
        )
    more = len(found) > limit
    found = found[:limit]
    return MovementsOut(
        rows=[_out(one, theirs=session.role != "operations") for one in found],
        next=cursor_of(found[-1].event_at, found[-1].movement_id) if more else None,
    )


def _out(row: MovementRow, *, theirs: bool) -> MovementOut:
    """A supplier is told that we corrected something, and not in whose words."""
    return MovementOut(
        id=row.movement_id,
        kind=row.kind,  # type: ignore[arg-type]  # the table's own check allows no other word
        pieces=row.pieces,
        before=row.before_pieces,
        after=row.after_pieces,
        event_at=row.event_at,
        confirmed_at=row.confirmed_at,
        known_at=row.known_at,
        before_mg=row.before_mg,
        after_mg=row.after_mg,
        rests_on=RestsOnOut(
            before=None if row.before_refs is None else _range(row.before_refs),
            after=_range(row.after_refs),
        ),
        because=OF_OURS if theirs and row.kind == "correction" else row.because,
        restated=row.restated,
        replaced_at=row.replaced_at,
    )


def _range(refs: list[int]) -> RangeOut:
    return RangeOut(stream=refs[2], first_seq=refs[1], last_seq=refs[3])
