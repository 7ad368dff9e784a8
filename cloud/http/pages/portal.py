"""The supplier's own pages: what waits for an answer, what is under way, one order at a time."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from cloud.core.order_states import State, Verb
from cloud.core.refusals import OrderUnknown, Refusal
from cloud.http import auth, order_acts, problems, rendering, views, words
from cloud.http.auth import Supplier
from cloud.http.order_acts import Acting, Tried
from cloud.http.pages import orders
from cloud.http.parts import parts_of
from cloud.postgres import agreements, portal, wall
from cloud.postgres.sessions import Session

router = APIRouter(include_in_schema=False)

LISTED_MAX = 100
CLOSED_LISTED_MAX = 5
UNDER_WAY = (
    State.CHANGED, State.ACKNOWLEDGED, State.CONFIRMED, State.SHIPPED, State.PART_DELIVERED,
    State.RECEIVED,
)  # fmt: skip
ENDED_SEEN = (State.CLOSED, State.REFUSED, State.CANCELLED, State.EXPIRED)


@router.get("/p")
def portal_page(request: Request, session: Supplier) -> Response:
    return _page(request, session, None)


@router.get("/p/orders/{order_id}")
def portal_order_page(request: Request, session: Supplier, order_id: UUID) -> Response:
    return _page(request, session, order_id)


@router.post("/p/orders/{order_id}/{verb}")
async def act(request: Request, session: Supplier, order_id: UUID, verb: Verb) -> Response:
    """What a supplier does to its order. What is the customer's to do is not there for it."""
    if verb not in order_acts.OF_SUPPLIER:
        raise problems.Told(problems.NOT_FOUND)
    form = await request.form()
    fields = {key: value for key, value in form.items() if isinstance(value, str)}
    return await run_in_threadpool(_act, request, session, order_id, verb, fields)


def _act(
    request: Request, session: Session, order_id: UUID, verb: Verb, fields: dict[str, str]
) -> Response:
    parts = parts_of(request)
    acting = Acting(actor=session.email, now=parts.now(), fields=fields)
    try:
        with auth.asked_by(parts, session) as conn:
            order_acts.perform(conn, order_id, verb, acting)
    except OrderUnknown:
        raise
    except Refusal as refusal:
        tried = Tried(verb=verb, fields=fields, problem=problems.of_refusal(refusal))
        return _page(request, session, order_id, tried)
    return RedirectResponse(f"/p/orders/{order_id}", 303)


def _page(
    request: Request, session: Session, order_id: UUID | None, tried: Tried | None = None
) -> Response:
    """The list, and beside it the order that was chosen, else the one that waits longest."""
    assert session.supplier_id is not None
    parts = parts_of(request)
    now = parts.now()
    with auth.asked_by(parts, session) as conn:
        to_answer = portal.orders(conn, [State.SENT], LISTED_MAX)
        waiting = portal.orders(conn, [State.DRAFT, State.APPROVED], LISTED_MAX)
        answered = portal.orders(conn, UNDER_WAY, LISTED_MAX)
        closed = portal.orders(conn, ENDED_SEEN, CLOSED_LISTED_MAX)
        if order_id is not None:
            chosen = portal.order(conn, order_id)
            if chosen is None:
                raise problems.Told(problems.NOT_FOUND)
        else:
            chosen = next(iter(to_answer + answered), None)
        story = None if chosen is None else orders.story_of(conn, chosen)
        row = None if chosen is None else wall.bin_by_id(conn, chosen.first.bin_id)
        name = portal.supplier_name(conn, session.supplier_id)
        asked = sum(line.open_by_customer for line in agreements.listed(conn))
    return rendering.page(
        request,
        "portal.html",
        session=session,
        now=now,
        supplier=name,
        asked=asked,
        lists=(
            ("To answer", to_answer, "sent_at"),
            ("Answered, refill awaited", answered, "sent_at"),
            ("Asked for by you, to be approved", waiting, "drafted_at"),
            ("Ended lately", closed, "ended_at"),
        ),
        chosen_by_hand=order_id is not None,
        story=story,
        tile=None if row is None or row.withheld else views.tile_of(row, now),
        zone=words.zone("UTC" if chosen is None else chosen.time_zone),
        states=orders.STATES,
        tried=tried,
        due="" if chosen is None else order_acts.due_day(chosen),
        status=200 if tried is None else tried.problem.status,
        at="/p" if order_id is None else f"/p/orders/{order_id}",
        theirs=() if chosen is None else order_acts.offered(chosen, order_acts.OF_SUPPLIER),
        address="" if chosen is None else f"/p/orders/{chosen.order_id}",
    )
