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
from cloud.postgres.bin_levels import doubts_of
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
    "status": "stale",
    "trust": "offline",
    "trust_because": "Not heard of for 3 h, expected every 60 s. Gateway lindau-1 is offline.",
    "weight_mg": 912800,
    "measured_at": "2026-11-20T09:41:07.250Z",
    "heard_at": "2026-11-20T09:41:07.250Z",
    "low_since": "2026-11-20T08:12:40Z",
    "open_order": "RO-1004",
    "measure": "weight",
    "sd_pieces": 0.08,
    "exact": True,
    "unconfirmed": 0,
    "estimate": {"pieces": 118, "low": 84, "high": 134},
    "level_at": "2026-11-20T09:41:07.250Z",
    "plateau_since": "2026-11-20T08:12:31Z",
    "doubts": [],
}


class EstimateOut(BaseModel):
    """What is probably left while the number may not be acted on. Nothing is ordered on it."""

    pieces: int = Field(description="the most likely; an estimate, never a measurement")
    low: int = Field(description="19 of 20 times at least this much is left")
    high: int = Field(description="and at most this much; a refill that nobody saw is not guessed")


class DoubtOut(BaseModel):
    kind: Literal["stuck", "suspect", "absent", "not_zeroed", "unit_changed", "unknown"]
    because: str = Field(description="a sentence")


class BinOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    code: str = Field(description="of the bin, unique everywhere")
    part: str = Field(description="the name of the item in it")
    sku: str = Field(description="our number of the item")
    site: str = Field(description="the customer's site")
    place: str = Field(description="where at the site")
    supplier: str = Field(description="who fills it")
    pieces: int | None = Field(
        description="the last known level, with what is not confirmed yet; null: none is known"
    )
    capacity: int = Field(description="pieces that fit in")
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
    ] = Field(description="only `fresh` may be acted on")
    trust_because: str = Field(description="why, in a sentence")
    weight_mg: int | None = Field(description="the newest weight on the scale, bin included")
    measured_at: datetime | None = Field(description="when the level was weighed, by the gateway")
    heard_at: datetime | None = Field(description="the last sign of life, a number or not")
    low_since: datetime | None = Field(description="since when the bin is low; null: it is not")
    open_order: str | None = Field(description="the number of the order that is open for this bin")
    measure: Literal["weight", "counter_out", "counter_in", "tags", "steps", "two_bin"] = Field(
        description="how the level becomes known"
    )
    sd_pieces: float = Field(description="one standard deviation of `pieces`")
    exact: bool = Field(description="three standard deviations are within half a piece")
    unconfirmed: int = Field(
        description="pieces; a change that is seen and not confirmed yet: a gain is after two"
        " minutes"
    )
    estimate: EstimateOut | None = Field(
        description="while the number may not be acted on; null while it may, or nothing is known"
    )
    level_at: datetime | None = Field(description="of the newest reading that bears out the level")
    plateau_since: datetime | None = Field(description="since when the weight holds")
    doubts: list[DoubtOut] = Field(description="what speaks against the number, the worst first")


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
    guess = views.guess_of(views.estimate_of(row, judgement, now))
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
        measure=row.measure,  # type: ignore[arg-type]  # the table's own check allows no other
        sd_pieces=round(row.sd_pieces or 0.0, 3),
        exact=bool(row.exact),
        unconfirmed=row.unconfirmed or 0,
        estimate=None
        if guess is None
        else EstimateOut(pieces=guess.pieces, low=guess.low, high=guess.high),
        level_at=row.level_at,
        plateau_since=row.plateau_since,
        doubts=[
            DoubtOut(kind=one.kind.value, because=one.because) for one in doubts_of(row.doubts)
        ],
    )
