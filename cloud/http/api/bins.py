"""Bins as JSON: the level, and what it is worth."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from cloud.core.orders import order_label
from cloud.http import auth, charts, problems, views
from cloud.http.auth import Anyone
from cloud.http.parts import BinCode, parts_of
from cloud.postgres import wall
from cloud.postgres.history import Told
from cloud.postgres.wall import BinRow

router = APIRouter(prefix="/api/bins", tags=["bins"])

EXAMPLE: dict[str, JsonValue] = {
    "code": "LND-R04-B2",
    "part": "Lock nut M8",
    "sku": "10741",
    "site": "Lindau Pumps",
    "place": "R04-B2",
    "supplier": "Ferro AG",
    "pieces": 134,
    "capacity": 2000,
    "minimum": 500,
    "status": "low",
    "trust": "fresh",
    "trust_because": "Heard 4 s ago.",
    "weight_mg": 912800,
    "measured_at": "2026-11-20T09:41:07.250Z",
    "heard_at": "2026-11-20T09:41:07.250Z",
    "low_since": "2026-11-20T08:12:40Z",
    "open_order": "RO-1004",
}


class BinOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    code: str
    part: str
    sku: str
    site: str
    place: str
    supplier: str
    pieces: int | None = Field(description="the last known level; null when none was ever weighed")
    capacity: int
    minimum: int = Field(description="at this level or below it the bin is low")
    status: Literal["ok", "low", "empty", "stale"] = Field(
        description="`stale`: the number may not be acted on, see `trust`"
    )
    trust: Literal[
        "fresh",
        "stale",
        "offline",
        "stuck",
        "suspect",
        "absent",
        "not_zeroed",
        "unit_changed",
        "unknown",
    ]
    trust_because: str
    weight_mg: int | None
    measured_at: datetime | None = Field(description="when the level was weighed, by the gateway")
    heard_at: datetime | None = Field(description="the last sign of life, a number or not")
    low_since: datetime | None
    open_order: str | None = Field(description="the number of the order that is open for this bin")


class LevelsOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "heard_from": "2026-11-20T09:00:12.250Z",
                    "heard_upto": "2026-11-20T09:59:12.250Z",
                    "readings": 60,
                    "first": 140,
                    "last": 134,
                    "lowest": 134,
                    "highest": 140,
                }
            ]
        }
    )

    heard_from: datetime = Field(description="the first reading of this minute or hour")
    heard_upto: datetime = Field(description="the last one; between two pieces nothing is known")
    readings: int = Field(description="of any outcome")
    first: int | None = Field(description="pieces; null when no weight came")
    last: int | None
    lowest: int | None
    highest: int | None


NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such bin, or it is not yours to see."}
}


@router.get("", summary="Every bin that is yours to see")
def list_bins(request: Request, session: Anyone) -> list[BinOut]:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        rows = wall.all_bins(conn)
    now = parts.now()
    return [_out(row, now) for row in rows]


@router.get("/{code}", summary="One bin", responses=NOT_FOUND)
def one_bin(
    request: Request,
    session: Anyone,
    code: BinCode,
) -> BinOut:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        row = wall.one_bin(conn, code)
    if row is None:
        raise problems.Told(problems.NOT_FOUND)
    return _out(row, parts.now())


@router.get("/{code}/levels", summary="The level of one bin over time", responses=NOT_FOUND)
def levels(
    request: Request,
    session: Anyone,
    code: BinCode,
    span: Annotated[Literal["24h", "7d", "30d", "90d"], Query()] = "24h",
) -> list[LevelsOut]:
    """By the minute over a day, by the hour over more. Where nothing was heard there is nothing."""
    parts = parts_of(request)
    now = parts.now()
    with auth.asked_by(parts, session) as conn:
        row = wall.one_bin(conn, code)
        if row is None:
            raise problems.Told(problems.NOT_FOUND)
        told = charts.history_of(conn, row.bin_id, charts.SPAN_OF[span], now)
    return [
        _levels_out(row, one) for one in told if one.upto_at >= now - charts.SPAN_OF[span].length
    ]


def _levels_out(row: BinRow, told: Told) -> LevelsOut:
    return LevelsOut(
        heard_from=told.from_at,
        heard_upto=told.upto_at,
        readings=told.readings,
        first=_pieces(row, told.first_weight_mg),
        last=_pieces(row, told.last_weight_mg),
        lowest=_pieces(row, told.min_weight_mg),
        highest=_pieces(row, told.max_weight_mg),
    )


def _pieces(row: BinRow, weight_mg: int | None) -> int | None:
    return None if weight_mg is None else views.pieces_of(row, weight_mg)


def _out(row: BinRow, now: datetime) -> BinOut:
    judgement = views.judged(row, now)
    return BinOut(
        code=row.code,
        part=row.part,
        sku=row.sku,
        site=row.site,
        place=row.place,
        supplier=row.supplier,
        pieces=views.pieces(row),
        capacity=row.capacity,
        minimum=row.minimum,
        status=views.status_of(row, judgement),
        trust=judgement.trust.value,
        trust_because=judgement.because,
        weight_mg=row.weight_mg,
        measured_at=row.measured_at,
        heard_at=row.heard_at,
        low_since=row.low_since,
        open_order=None if row.order_number is None else order_label(row.order_number),
    )
