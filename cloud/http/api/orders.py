"""Orders as JSON, and every act that either side can do to them.

Every act may be sent again: the same again answers with the order as it stands. What cannot follow
answers 409 with the sentence why.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import psycopg
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from cloud.actions import answer_order, steer_order
from cloud.actions.ask_for_order import Asker, ask_for_order
from cloud.core.order_machine import Change, Count, Other, Promise, Ship
from cloud.core.order_states import ENDED, State
from cloud.core.orders import order_label
from cloud.core.refusals import BinUnknown, OrderUnknown
from cloud.http import auth
from cloud.http.auth import Anyone, Operations
from cloud.http.order_acts import OF_CUSTOMER, OF_SUPPLIER, offered
from cloud.http.parts import parts_of
from cloud.postgres import portal, wall
from cloud.postgres.portal import ActRow, LineRow, OrderRow
from cloud.postgres.sessions import Session

router = APIRouter(prefix="/api/orders", tags=["orders"])

LISTED_MAX = 500
_AT = "2026-11-24T17:00:00Z"
_LINE: dict[str, JsonValue] = {
    "line": 1,
    "bin": "LND-R04-B2",
    "place": "R04-B2",
    "part": "Lock nut M8",
    "sku": "10741",
    "supplier_sku": "FE-88213",
    "asked": 1500,
    "quantity": 1500,
    "promised_at": _AT,
    "shipped": 1500,
    "received": 1500,
    "because": "134 on hand, minimum 500, up to 2,000; 1,866 wanted, 3 packs of 500 ordered.",
    "evidence": {"level": {"pieces": 134}},
}
EXAMPLE: dict[str, JsonValue] = {
    "id": "6f1c2a54-3c5e-4a52-9a39-0d8f5a1e2b11",
    "number": "RO-1004",
    "state": "closed",
    "site": "Lindau Pumps",
    "supplier": "Ferro AG",
    "quantity": 1500,
    "received": 1500,
    "consigned": False,
    "rush": False,
    "agreement_version": 3,
    "calendar_version": 1,
    "because": "134 on hand, minimum 500, up to 2,000; 1,866 wanted, 3 packs of 500 ordered.",
    "due_at": _AT,
    "drafted_at": "2026-11-20T08:12:40Z",
    "drafted_by": "binline",
    "expires_at": "2026-11-21T08:12:40Z",
    "escalates_at": "2026-11-20T16:12:40Z",
    "escalated_at": "2026-11-20T16:12:41Z",
    "leaves_at": "2026-11-20T12:45:00Z",
    "approved_at": "2026-11-20T08:12:40Z",
    "approved_by": "binline",
    "sent_at": "2026-11-20T08:12:40Z",
    "answered_at": "2026-11-20T08:30:02Z",
    "answered_by": "orders@ferro.example",
    "shipped_at": "2026-11-20T15:40:00Z",
    "received_at": "2026-11-21T07:05:11Z",
    "ended_at": "2026-11-21T07:05:11Z",
    "ended_by": "scale",
    "ended_because": "1,500 of 1,500 came",
    "lines": [_LINE],
    "changes": [],
    "shipments": [
        {
            "number": "LS-88102",
            "at": "2026-11-20T15:40:00Z",
            "by": "",
            "because": "",
            "expected_at": _AT,
            "lines": [{"line": 1, "pieces": 1500}],
            "state": "taken",
            "answered_at": None,
            "answered_by": "",
        }
    ],
    "receipts": [{"line": 1, "pieces": 1500, "at": "2026-11-21T07:05:11Z"}],
    "may": [],
}


class LineOut(BaseModel):
    line: int
    bin: str
    place: str
    part: str
    sku: str
    supplier_sku: str
    asked: int = Field(description="as it was decided")
    quantity: int = Field(description="as it was agreed; 0: it will not come at all")
    promised_at: datetime | None = Field(
        description="null, at a quantity of 0: it left the order before that was sent"
    )
    shipped: int
    received: int = Field(description="as weighed")
    because: str = Field(description="the decision, in a sentence")
    evidence: dict[str, Any] = Field(
        description="the reading and the rule's inputs that the decision rests on"
    )


class ActOut(BaseModel):
    number: str = Field(description="of the change or the shipment, as its sender gave it")
    at: datetime
    by: str
    because: str
    expected_at: datetime | None
    lines: list[dict[str, Any]]
    state: Literal["taken", "open", "accepted", "rejected", "replaced"]
    answered_at: datetime | None
    answered_by: str


class ReceiptOut(BaseModel):
    line: int
    pieces: int
    at: datetime = Field(description="when the scale saw it come")


class OrderOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    number: str
    state: State
    site: str
    supplier: str
    quantity: int = Field(description="pieces, of all lines")
    received: int
    consigned: bool
    rush: bool = Field(description="without it the bin was expected to run out before it comes")
    agreement_version: int = Field(description="0: nothing was agreed on")
    calendar_version: int = Field(description="0: the supplier had said nothing of its days")
    because: str
    due_at: datetime | None = Field(description="by the calendar, while nothing is promised")
    drafted_at: datetime
    drafted_by: str = Field(description="`binline`, or who asked for it")
    expires_at: datetime | None
    escalates_at: datetime | None
    escalated_at: datetime | None
    leaves_at: datetime | None = Field(description="approved, and waits for others until then")
    approved_at: datetime | None
    approved_by: str
    sent_at: datetime | None
    answered_at: datetime | None
    answered_by: str
    shipped_at: datetime | None
    received_at: datetime | None
    ended_at: datetime | None
    ended_by: str
    ended_because: str
    lines: list[LineOut]
    changes: list[ActOut]
    shipments: list[ActOut]
    receipts: list[ReceiptOut]
    may: list[str] = Field(description="the acts that make sense for you now")


class PromiseIn(BaseModel):
    line: int = Field(ge=1)
    at: AwareDatetime


class ConfirmIn(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"promises": [{"line": 1, "at": _AT}]}]}
    )

    promises: list[PromiseIn] = Field(
        default_factory=list, max_length=500, description="lines not named keep what was promised"
    )


class OtherIn(PromiseIn):
    pieces: int = Field(ge=0, le=10**9, description="0: it will not come at all")


class ChangeIn(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "change_id": "C-7",
                    "lines": [{"line": 1, "pieces": 1000, "at": _AT}],
                    "because": "The rest comes a week later.",
                }
            ]
        }
    )

    change_id: str = Field(min_length=1, max_length=60, description="a number of your own")
    lines: list[OtherIn] = Field(min_length=1, max_length=500)
    because: str = Field(default="", max_length=500)


class ShippedIn(BaseModel):
    line: int = Field(ge=1)
    pieces: int = Field(ge=1, le=10**9)


class ShipIn(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shipment_id": "LS-88102",
                    "lines": [{"line": 1, "pieces": 1500}],
                    "expected_at": _AT,
                }
            ]
        }
    )

    shipment_id: str = Field(min_length=1, max_length=60, description="a number of your own")
    lines: list[ShippedIn] = Field(min_length=1, max_length=500)
    expected_at: AwareDatetime | None = None


class BecauseIn(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"because": "The part is discontinued."}]}
    )

    because: str = Field(default="", max_length=500, description="a sentence for the other side")


class DecideIn(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"change_id": "C-7"}]})

    change_id: str = Field(min_length=1, max_length=80)


class AskIn(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"bin": "LND-R04-B2", "pieces": 500, "because": "We are there anyway."}]
        }
    )

    bin: str = Field(pattern=r"^[A-Z0-9-]{2,32}$")
    pieces: int = Field(ge=1, le=10**9)
    because: str = Field(default="", max_length=500)


NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such order, or it is not yours to see."}
}
REFUSED: dict[int | str, dict[str, Any]] = {
    409: {"description": "The order is past that, or not there yet; `detail` says why."}
}
ACT = NOT_FOUND | REFUSED


@router.get("", summary="Orders that are yours to see")
def list_orders(  # noqa: PLR0917 - as a list is asked for
    request: Request,
    session: Anyone,
    state: Literal["open", "ended"] | State = "open",
    bin: Annotated[str | None, Query(pattern=r"^[A-Z0-9-]{2,32}$")] = None,  # noqa: A002 - as in the answer
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=LISTED_MAX)] = LISTED_MAX,
) -> list[OrderOut]:
    """Open ones oldest first, ended ones newest first.

    With `bin` all orders there ever were for it, newest first, whatever their state; the page
    before a known one is asked with `before` and its number.
    """
    with auth.asked_by(parts_of(request), session) as conn:
        if bin is not None:
            row = wall.one_bin(conn, bin)
            if row is None:
                raise BinUnknown
            found = portal.orders_of_bin(conn, row.bin_id, limit, before)
        else:
            found = portal.orders(conn, _states(state), limit)
        return [_out(order, session) for order in found]


def _states(state: str) -> list[State]:
    match state:
        case "open":
            return [one for one in State if one not in ENDED]
        case "ended":
            return sorted(ENDED)
        case _:
            return [State(state)]


@router.post("", summary="Ask for an order by hand", status_code=201, responses=ACT)
def ask(request: Request, session: Anyone, asked: AskIn) -> OrderOut:
    """A person of the customer's orders; a supplier by itself as far as was agreed on.

    Beyond that it is a draft, and waits for the customer. Past the bin's capacity it is refused.
    """
    parts = parts_of(request)
    asker = Asker(name=session.email, supplier=session.role == "supplier")
    with auth.asked_by(parts, session) as conn:
        order = ask_for_order(conn, asked.bin, asked.pieces, asked.because, asker, parts.now())
        return _found(conn, order.order_id, session)


@router.get("/{order_id}", summary="One order", responses=NOT_FOUND)
def one_order(request: Request, session: Anyone, order_id: UUID) -> OrderOut:
    with auth.asked_by(parts_of(request), session) as conn:
        return _found(conn, order_id, session)


@router.post("/{order_id}/acknowledge", summary="Say: seen", responses=ACT)
def acknowledge(request: Request, session: Anyone, order_id: UUID) -> OrderOut:
    """Stops the waiting and promises nothing. A second time changes nothing."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        answer_order.acknowledge(conn, order_id, session.email, parts.now())
        return _found(conn, order_id, session)


@router.post("/{order_id}/confirm", summary="Confirm it, with dates", responses=ACT)
def confirm(
    request: Request, session: Anyone, order_id: UUID, said: ConfirmIn | None = None
) -> OrderOut:
    """As asked. A date later than was agreed on becomes a change, and waits for the customer."""
    parts = parts_of(request)
    promises = [Promise(line=one.line, at=one.at) for one in (said.promises if said else ())]
    with auth.asked_by(parts, session) as conn:
        answer_order.confirm(conn, order_id, promises, session.email, parts.now())
        return _found(conn, order_id, session)


@router.post("/{order_id}/change", summary="Propose other quantities or dates", responses=ACT)
def change(request: Request, session: Anyone, order_id: UUID, said: ChangeIn) -> OrderOut:
    """Within the band agreed on it holds at once, else it waits for the customer."""
    parts = parts_of(request)
    proposed = Change(
        change_id=said.change_id,
        by=session.email,
        because=said.because,
        lines=tuple(Other(line=one.line, pieces=one.pieces, at=one.at) for one in said.lines),
    )
    with auth.asked_by(parts, session) as conn:
        answer_order.change(conn, order_id, proposed, parts.now())
        return _found(conn, order_id, session)


@router.post("/{order_id}/refuse", summary="Refuse it", responses=ACT)
def refuse(request: Request, session: Anyone, order_id: UUID, said: BecauseIn) -> OrderOut:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        answer_order.refuse(conn, order_id, session.email, said.because, parts.now())
        return _found(conn, order_id, session)


@router.post("/{order_id}/ship", summary="Say: on its way", responses=ACT)
def ship(request: Request, session: Anyone, order_id: UUID, said: ShipIn) -> OrderOut:
    """It adds nothing to what is on order; only the scale takes in."""
    parts = parts_of(request)
    shipment = Ship(
        shipment_id=said.shipment_id,
        expected_at=said.expected_at,
        counts=tuple(Count(line=one.line, pieces=one.pieces) for one in said.lines),
    )
    with auth.asked_by(parts, session) as conn:
        answer_order.ship(conn, order_id, shipment, session.email, parts.now())
        return _found(conn, order_id, session)


@router.post("/{order_id}/approve", summary="Approve a draft", responses=ACT)
def approve(request: Request, session: Operations, order_id: UUID) -> OrderOut:
    """It is sent, and the supplier told."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        steer_order.approve(conn, order_id, session.email, parts.now())
        return _found(conn, order_id, session)


@router.post("/{order_id}/accept", summary="Accept a change", responses=ACT)
def accept(request: Request, session: Operations, order_id: UUID, said: DecideIn) -> OrderOut:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        steer_order.accept(conn, order_id, said.change_id, session.email, parts.now())
        return _found(conn, order_id, session)


@router.post("/{order_id}/reject", summary="Reject a change", responses=ACT)
def reject(request: Request, session: Operations, order_id: UUID, said: DecideIn) -> OrderOut:
    """The order stands as it was asked for, and the supplier is told."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        steer_order.reject(conn, order_id, said.change_id, session.email, parts.now())
        return _found(conn, order_id, session)


@router.post("/{order_id}/cancel", summary="Cancel it", responses=ACT)
def cancel(request: Request, session: Operations, order_id: UUID, said: BecauseIn) -> OrderOut:
    """While nothing is on its way. The supplier is told if it knew of the order."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        steer_order.cancel(conn, order_id, session.email, said.because, parts.now())
        return _found(conn, order_id, session)


@router.post("/{order_id}/close", summary="Say: nothing more comes", responses=ACT)
def close(request: Request, session: Operations, order_id: UUID, said: BecauseIn) -> OrderOut:
    """Of an order that was shipped or has come in part. A whole one closes by itself."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        steer_order.close(conn, order_id, session.email, said.because, parts.now())
        return _found(conn, order_id, session)


def _found(conn: psycopg.Connection, order_id: UUID, session: Session) -> OrderOut:
    order = portal.order(conn, order_id)
    if order is None:
        raise OrderUnknown
    return _out(order, session)


def _out(order: OrderRow, session: Session) -> OrderOut:
    verbs = OF_SUPPLIER if session.role == "supplier" else (*OF_CUSTOMER, *OF_SUPPLIER)
    return OrderOut(
        id=order.order_id,
        number=order_label(order.number),
        state=State(order.state),
        site=order.site,
        supplier=order.supplier,
        quantity=order.quantity,
        received=order.received,
        consigned=order.consigned,
        rush=order.rush,
        agreement_version=order.agreement_version,
        calendar_version=order.calendar_version,
        because=order.because,
        due_at=order.due_at,
        drafted_at=order.drafted_at,
        drafted_by=order.drafted_by,
        expires_at=order.expires_at,
        escalates_at=order.escalates_at,
        escalated_at=order.escalated_at,
        leaves_at=order.leaves_at,
        approved_at=order.approved_at,
        approved_by=order.approved_by,
        sent_at=order.sent_at,
        answered_at=order.answered_at,
        answered_by=order.answered_by,
        shipped_at=order.shipped_at,
        received_at=order.received_at,
        ended_at=order.ended_at,
        ended_by=order.ended_by,
        ended_because=order.ended_because,
        lines=[_line(line) for line in order.lines],
        changes=[_act(one) for one in order.changes],
        shipments=[_act(one) for one in order.shipments],
        receipts=[
            ReceiptOut(line=one.line, pieces=one.pieces, at=one.event_at) for one in order.receipts
        ],
        may=[str(verb) for verb in offered(order, verbs)],
    )


def _line(line: LineRow) -> LineOut:
    return LineOut(
        line=line.number,
        bin=line.code,
        place=line.place,
        part=line.part,
        sku=line.sku,
        supplier_sku=line.supplier_sku,
        asked=line.asked,
        quantity=line.quantity,
        promised_at=line.promised_at,
        shipped=line.shipped,
        received=line.received,
        because=line.because,
        evidence=line.evidence,
    )


def _act(act: ActRow) -> ActOut:
    return ActOut(
        number=act.act_id,
        at=act.at,
        by=act.by,
        because=act.because,
        expected_at=act.expected_at,
        lines=act.lines,
        state=act.state,  # type: ignore[arg-type]  # the table's own check allows no other word
        answered_at=act.answered_at,
        answered_by=act.answered_by,
    )
