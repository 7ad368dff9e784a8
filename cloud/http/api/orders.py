"""Orders as JSON, and the one change a supplier can make to them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from cloud.actions.acknowledge import acknowledge_order
from cloud.core.orders import order_label
from cloud.core.refusals import OrderUnknown
from cloud.http import auth
from cloud.http.auth import Anyone
from cloud.http.pages.orders import LISTS
from cloud.http.parts import parts_of
from cloud.postgres import portal
from cloud.postgres.portal import OrderRow

router = APIRouter(prefix="/api/orders", tags=["orders"])

LISTED_MAX = 500

EXAMPLE: dict[str, JsonValue] = {
    "id": "6f1c2a54-3c5e-4a52-9a39-0d8f5a1e2b11",
    "number": "RO-1004",
    "state": "closed",
    "bin": "LND-R04-B2",
    "part": "Lock nut M8",
    "sku": "10741",
    "supplier_sku": "FE-88213",
    "site": "Lindau Pumps",
    "supplier": "Ferro AG",
    "quantity": 1500,
    "because": "134 on hand, minimum 500, up to 2,000; 1,866 wanted, 3 packs of 500 ordered.",
    "evidence": {"level": {"pieces": 134, "net_mg": 562800}},
    "placed_at": "2026-11-20T08:12:40Z",
    "acknowledged_at": "2026-11-20T08:30:02Z",
    "acknowledged_by": "orders@ferro.example",
    "closed_at": "2026-11-21T07:05:11Z",
    "received_pieces": 1500,
}


class OrderOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    number: str
    state: Literal["placed", "acknowledged", "closed"]
    bin: str
    part: str
    sku: str
    supplier_sku: str
    site: str
    supplier: str
    quantity: int
    because: str = Field(description="the decision, in a sentence")
    evidence: dict[str, Any] = Field(
        description="the reading and the rule's inputs that the decision rests on"
    )
    placed_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    received_pieces: int | None = Field(description="what the scale saw come")


NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such order, or it is not yours to see."}
}
CLOSED: dict[int | str, dict[str, Any]] = {409: {"description": "The order is closed already."}}


@router.get("", summary="Orders that are yours to see")
def list_orders(
    request: Request,
    session: Anyone,
    state: Literal["open", "placed", "acknowledged", "closed"] = "open",
) -> list[OrderOut]:
    """Open ones oldest first, closed ones newest first; at most 500."""
    with auth.asked_by(parts_of(request), session) as conn:
        return [_out(order) for order in portal.orders(conn, LISTS[state][1], LISTED_MAX)]


@router.get("/{order_id}", summary="One order", responses=NOT_FOUND)
def one_order(request: Request, session: Anyone, order_id: UUID) -> OrderOut:
    with auth.asked_by(parts_of(request), session) as conn:
        return _found(conn, order_id)


@router.post("/{order_id}/acknowledge", summary="Say: seen", responses=NOT_FOUND | CLOSED)
def acknowledge(request: Request, session: Anyone, order_id: UUID) -> OrderOut:
    """Stops the waiting and promises nothing. A second time changes nothing."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        acknowledge_order(conn, order_id, session.email, parts.now())
        return _found(conn, order_id)


def _found(conn: psycopg.Connection, order_id: UUID) -> OrderOut:
    order = portal.order(conn, order_id)
    if order is None:
        raise OrderUnknown
    return _out(order)


def _out(order: OrderRow) -> OrderOut:
    return OrderOut(
        id=order.order_id,
        number=order_label(order.number),
        state=order.state,  # type: ignore[arg-type]  # the table's own check allows no other word
        bin=order.code,
        part=order.part,
        sku=order.sku,
        supplier_sku=order.supplier_sku,
        site=order.site,
        supplier=order.supplier,
        quantity=order.quantity,
        because=order.because,
        evidence=order.evidence,
        placed_at=order.placed_at,
        acknowledged_at=order.acknowledged_at,
        acknowledged_by=order.acknowledged_by,
        closed_at=order.closed_at,
        received_pieces=order.received_pieces,
    )
