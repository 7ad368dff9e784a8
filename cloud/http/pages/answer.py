"""The page behind the button of a mail: one order, no log-in, and nothing happens by opening it.

Scanners open links, and some run the scripts of a page, so only the press of a button in a form
changes something. Pressing it twice is pressing it once.
"""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from cloud.actions import answer_order
from cloud.core.links import LINK_VALID, read_link
from cloud.core.refusals import OrderUnknown
from cloud.http import rendering, views, words
from cloud.http.pages import orders
from cloud.http.parts import Parts, parts_of
from cloud.postgres import asking, portal, wall

router = APIRouter(include_in_schema=False)

JUST_NOW = timedelta(seconds=30)


@router.get("/a/{token}")
def answer_page(request: Request, token: str) -> Response:
    parts = parts_of(request)
    now = parts.now()
    order_id = read_link(token, parts.settings.secret_key, now)
    supplier_id = _supplier_of(parts, order_id)
    with parts.portal_pool.connection() as conn:
        asking.as_supplier(conn, supplier_id)
        order = portal.order(conn, order_id)
        if order is None:
            raise OrderUnknown
        story = orders.story_of(conn, order)
        row = wall.bin_by_id(conn, order.first.bin_id)
    return rendering.page(
        request,
        "answer.html",
        now=now,
        story=story,
        tile=None if row is None else views.tile_of(row, now),
        zone=words.zone(order.time_zone),
        valid_until=(order.sent_at or order.drafted_at) + LINK_VALID,
        just_now=order.answered_at is not None and now - order.answered_at < JUST_NOW,
        token=token,
    )


@router.post("/a/{token}")
def acknowledge(request: Request, token: str) -> Response:
    parts = parts_of(request)
    now = parts.now()
    order_id = read_link(token, parts.settings.secret_key, now)
    supplier_id = _supplier_of(parts, order_id)
    with parts.portal_pool.connection() as conn:
        asking.as_supplier(conn, supplier_id)
        name = portal.supplier_name(conn, supplier_id)
        answer_order.acknowledge(conn, order_id, f"{name}, by the link in the mail", now)
    return RedirectResponse(f"/a/{token}", 303)


def _supplier_of(parts: Parts, order_id: UUID) -> int:
    """Whose order the link opens. Asked as operations, for this one number: the signature held."""
    with parts.portal_pool.connection() as conn:
        asking.as_operations(conn, "mail link")
        supplier_id = portal.supplier_of_order(conn, order_id)
    if supplier_id is None:
        raise OrderUnknown
    return supplier_id
