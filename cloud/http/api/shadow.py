"""What would have been ordered in shadow, beside what people did, as JSON."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from cloud.http import auth
from cloud.http.auth import Operations
from cloud.http.parts import parts_of
from cloud.http.spans import span_of
from cloud.postgres import shadow_orders
from cloud.postgres.shadow_orders import Compared

router = APIRouter(prefix="/api/shadow-orders", tags=["orders"])

EXAMPLE: dict[str, JsonValue] = {
    "bin": "LND-R04-B2",
    "part": "Lock nut M8",
    "sku": "10741",
    "site": "Lindau Pumps",
    "supplier": "Ferro AG",
    "shadow_orders": 2,
    "shadow_pieces": 3000,
    "shadow_value_e4": 3600000,
    "refills": 5,
    "refilled_pieces": 3400,
    "refilled_value_e4": 4080000,
    "currency": "EUR",
    "breaches": 2,
    "empty_times": 1,
    "last_because": "134 on hand, minimum 500, up to 2,000; 1,866 wanted, 3 packs ordered.",
}


class ComparedOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    bin: str
    part: str
    sku: str
    site: str
    supplier: str
    shadow_orders: int = Field(description="how often the rules would have ordered")
    shadow_pieces: int
    shadow_value_e4: int | None = Field(description="ten-thousandths; null: a price is missing")
    refills: int = Field(description="how often people filled it, as the scale saw it")
    refilled_pieces: int
    refilled_value_e4: int | None
    currency: str | None
    breaches: int
    empty_times: int = Field(description="how often it ran out all the same")
    last_because: str


class ShadowOut(BaseModel):
    from_at: datetime
    to_at: datetime
    bins: list[ComparedOut]


@router.get("", summary="What would have been ordered, beside what people did")
def shadow(
    request: Request,
    session: Operations,
    from_: Annotated[date | None, Query(alias="from", description="the first day, UTC")] = None,
    to: Annotated[date | None, Query(description="the last day, UTC; today if not said")] = None,
) -> ShadowOut:
    """Of bins whose agreement is in shadow. The last 28 days if nothing is said."""
    parts = parts_of(request)
    from_at, to_at = span_of(from_, to, parts.now())
    with auth.asked_by(parts, session) as conn:
        found = shadow_orders.compared(conn, from_at, to_at)
    return ShadowOut(from_at=from_at, to_at=to_at, bins=[_out(one) for one in found])


def _out(one: Compared) -> ComparedOut:
    return ComparedOut(
        bin=one.code,
        part=one.part,
        sku=one.sku,
        site=one.site,
        supplier=one.supplier,
        shadow_orders=one.shadow_orders,
        shadow_pieces=one.shadow_pieces,
        shadow_value_e4=one.shadow_value_e4,
        refills=one.refills,
        refilled_pieces=one.refilled_pieces,
        refilled_value_e4=one.refilled_value_e4,
        currency=one.currency,
        breaches=one.breaches,
        empty_times=one.empty_times,
        last_because=one.last_because,
    )
