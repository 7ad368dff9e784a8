"""The supplier's own pages: what waits for an answer, what is under way, one order at a time."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from cloud.actions.acknowledge import acknowledge_order
from cloud.http import auth, problems, rendering, views, words
from cloud.http.auth import Supplier
from cloud.http.pages import orders
from cloud.http.parts import parts_of
from cloud.postgres import portal, wall
from cloud.postgres.sessions import Session

router = APIRouter(include_in_schema=False)

LISTED_MAX = 100
CLOSED_LISTED_MAX = 5


@router.get("/p")
def portal_page(request: Request, session: Supplier) -> Response:
    return _page(request, session, None)


@router.get("/p/orders/{order_id}")
def portal_order_page(request: Request, session: Supplier, order_id: UUID) -> Response:
    return _page(request, session, order_id)


@router.post("/p/orders/{order_id}/acknowledge")
def acknowledge(request: Request, session: Supplier, order_id: UUID) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        acknowledge_order(conn, order_id, session.email, parts.now())
    return RedirectResponse(f"/p/orders/{order_id}", 303)


def _page(request: Request, session: Session, order_id: UUID | None) -> Response:
    """The list, and beside it the order that was chosen, else the one that waits longest."""
    assert session.supplier_id is not None
    parts = parts_of(request)
    now = parts.now()
    with auth.asked_by(parts, session) as conn:
        to_answer = portal.orders(conn, ["placed"], LISTED_MAX)
        answered = portal.orders(conn, ["acknowledged"], LISTED_MAX)
        closed = portal.orders(conn, ["closed"], CLOSED_LISTED_MAX)
        if order_id is not None:
            chosen = portal.order(conn, order_id)
            if chosen is None:
                raise problems.Told(problems.NOT_FOUND)
        else:
            chosen = next(iter(to_answer + answered), None)
        story = None if chosen is None else orders.story_of(conn, chosen)
        row = None if chosen is None else wall.bin_by_id(conn, chosen.bin_id)
        name = portal.supplier_name(conn, session.supplier_id)
    return rendering.page(
        request,
        "portal.html",
        session=session,
        now=now,
        supplier=name,
        lists=(
            ("To answer", to_answer, "placed_at"),
            ("Answered, refill awaited", answered, "acknowledged_at"),
            ("Closed lately", closed, "closed_at"),
        ),
        chosen_by_hand=order_id is not None,
        story=story,
        tile=None if row is None or row.withheld else views.tile_of(row, now),
        zone=words.zone("UTC" if row is None else row.time_zone),
    )
