"""The page behind the button of a mail: one order, no log-in, and nothing happens by opening it.

Scanners open links, and some run the scripts of a page, so only the press of a button in a form
changes something. Pressing it twice is pressing it once.
"""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from cloud.core.links import LINK_VALID, read_link
from cloud.core.order_states import Verb
from cloud.core.refusals import OrderUnknown
from cloud.http import order_acts, rendering, views, words
from cloud.http.order_acts import Acting
from cloud.http.pages import orders
from cloud.http.parts import Parts, parts_of
from cloud.postgres import asking, portal, wall
from cloud.postgres.portal import OrderRow

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
        day=_day_offered(order, now),
    )


@router.post("/a/{token}")
def answer(request: Request, token: str, day: Annotated[str, Form(max_length=10)] = "") -> Response:
    """Seen; with the day on the button: confirmed for it."""
    parts = parts_of(request)
    now = parts.now()
    order_id = read_link(token, parts.settings.secret_key, now)
    supplier_id = _supplier_of(parts, order_id)
    with parts.portal_pool.connection() as conn:
        asking.as_supplier(conn, supplier_id)
        name = portal.supplier_name(conn, supplier_id)
        acting = Acting(actor=f"{name}, by the link in the mail", now=now, fields={"day": day})
        order_acts.perform(conn, order_id, Verb.CONFIRM if day else Verb.ACKNOWLEDGE, acting)
    return RedirectResponse(f"/a/{token}", 303)


def _day_offered(order: OrderRow, now: datetime) -> str:
    """The day it is expected on, while that can still be promised."""
    return order_acts.due_day(order) if order.due_at is not None and now < order.due_at else ""


def _supplier_of(parts: Parts, order_id: UUID) -> int:
    """Whose order the link opens. Asked as operations, for this one number: the signature held."""
    with parts.portal_pool.connection() as conn:
        asking.as_operations(conn, "mail link")
        supplier_id = portal.supplier_of_order(conn, order_id)
    if supplier_id is None:
        raise OrderUnknown
    return supplier_id
