"""The review of a supplier's quarter, as JSON and as PDF."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from cloud.actions.review import Amiss, Review
from cloud.core.orders import order_label
from cloud.http import problems
from cloud.http.api import kpis, targets
from cloud.http.api.kpis import KpiOut
from cloud.http.api.targets import ReachedOut
from cloud.http.pages.review import Found, pdf_response
from cloud.postgres.kpis import KpiOrder

router = APIRouter(prefix="/api", tags=["kpis"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such supplier, or it is not yours to see."}
}
PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {}}, "description": "The review, to print or to send."},
    **NOT_FOUND,
}
EXAMPLE: dict[str, JsonValue] = {
    "supplier": "Ferro AG",
    "quarter": "2026Q4",
    "from_at": "2026-10-01T00:00:00Z",
    "to_at": "2026-11-20T09:41:30Z",
    "is_over": False,
    "whole": kpis.EXAMPLE | {"name": "Ferro AG"},
    "before": None,
    "months": [
        {"first": "2026-10-01", "kpis": kpis.EXAMPLE | {"name": "2026-10"}},
        {"first": "2026-11-01", "kpis": None},
    ],
    "agreements": [targets.EXAMPLE],
    "amiss": {
        "empty": [{"bin": "LND-R04-B2", "part": "Lock nut M8", "hours": 4.5, "times": 1}],
        "empty_in_all": 1,
        "late": ["RO-1004"],
        "late_in_all": 1,
        "unanswered": [],
        "unanswered_in_all": 0,
        "short": [],
        "short_in_all": 0,
    },
    "changes": [
        {"bin": "LND-R04-B2", "at": "2026-11-02T08:00:00Z", "because": "more is used"},
    ],
}


class MonthOut(BaseModel):
    first: date
    kpis: KpiOut | None = Field(description="null: nothing is known of the month")


class EmptyOut(BaseModel):
    bin: str | None = Field(description="null: no longer one of its bins")
    part: str
    hours: float
    times: int


class AmissOut(BaseModel):
    """The worst of each kind by name, and how many there are in all."""

    empty: list[EmptyOut]
    empty_in_all: int
    late: list[str] = Field(description="orders that came after they were expected, or will")
    late_in_all: int
    unanswered: list[str] = Field(description="orders nobody answered within a day")
    unanswered_in_all: int
    short: list[str] = Field(description="orders of which less came than was ordered")
    short_in_all: int


class ChangeOut(BaseModel):
    bin: str
    at: datetime
    because: str


class ReviewOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    supplier: str
    quarter: str
    from_at: datetime
    to_at: datetime
    is_over: bool
    whole: KpiOut | None
    before: KpiOut | None = Field(description="the quarter before")
    months: list[MonthOut]
    agreements: list[ReachedOut] = Field(description="its targets, and what was reached")
    amiss: AmissOut
    changes: list[ChangeOut]


@router.get("/review", summary="The review of a supplier's quarter", responses=NOT_FOUND)
def review(review: Found) -> ReviewOut:
    """What both sides see; stock is worth what the supplier asks for it."""
    if review is None:
        raise problems.Told(problems.NOT_FOUND)
    return _out(review)


@router.get("/review.pdf", summary="The same as PDF", response_class=Response, responses=PDF)
def review_as_pdf(request: Request, review: Found) -> Response:
    if review is None:
        raise problems.Told(problems.NOT_FOUND)
    return pdf_response(review, request)


def _out(found: Review) -> ReviewOut:
    return ReviewOut(
        supplier=found.supplier,
        quarter=found.quarter.label,
        from_at=found.from_at,
        to_at=found.to_at,
        is_over=found.is_over,
        whole=None if found.whole is None else kpis.out(found.whole),
        before=None if found.before is None else kpis.out(found.before),
        months=[
            MonthOut(
                first=month.first,
                kpis=None if month.measured is None else kpis.out(month.measured),
            )
            for month in found.months
        ],
        agreements=[targets.out(one) for one in found.reached],
        amiss=_amiss(found.amiss),
        changes=[ChangeOut(bin=one.code, at=one.at, because=one.because) for one in found.changes],
    )


def _amiss(found: Amiss) -> AmissOut:
    def labels(orders: Sequence[KpiOrder]) -> list[str]:
        return [order_label(one.number) for one in orders]

    return AmissOut(
        empty=[
            EmptyOut(
                bin=of.bin.code,
                part=of.bin.part,
                hours=of.availability.empty.total_seconds() / 3_600,
                times=of.availability.stock_outs,
            )
            for of in found.empty
        ],
        empty_in_all=found.empty_in_all,
        late=labels(found.late),
        late_in_all=found.late_in_all,
        unanswered=labels(found.unanswered),
        unanswered_in_all=found.unanswered_in_all,
        short=labels(found.short),
        short_in_all=found.short_in_all,
    )
