"""Orders as operations see them, and the story of one order that every page tells the same way."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from fastapi import APIRouter, Request
from starlette.responses import Response

from cloud.core.orders import order_label
from cloud.http import auth, rendering, words
from cloud.http.auth import Operations
from cloud.http.parts import parts_of
from cloud.postgres import portal
from cloud.postgres.portal import EventRow, NoticeRow, OrderRow

router = APIRouter(include_in_schema=False)

LISTED_MAX = 200
LISTS = {
    "open": ("Open", ["placed", "acknowledged"]),
    "placed": ("Not answered", ["placed"]),
    "acknowledged": ("Answered", ["acknowledged"]),
    "closed": ("Closed", ["closed"]),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One station of an order; `at` is when it was reached, `state` is done, next or todo."""

    title: str
    text: str
    at: datetime | None
    state: str


@dataclass(frozen=True, kw_only=True)
class Story:
    order: OrderRow
    label: str
    packs: str
    steps: list[Step]
    events: list[EventRow]
    notices: list[NoticeRow]


def story_of(conn: psycopg.Connection, order: OrderRow) -> Story:
    notices = portal.notices(conn, order.order_id)
    return Story(
        order=order,
        label=order_label(order.number),
        packs=words.packs(order.quantity, order.pack),
        steps=_steps(order, notices),
        events=portal.events(conn, order.order_id),
        notices=notices,
    )


def _steps(order: OrderRow, notices: list[NoticeRow]) -> list[Step]:
    answered = order.acknowledged_at is not None
    closed = order.closed_at is not None
    return [
        Step(title="Ordered", text="placed by the level", at=order.placed_at, state="done"),
        _told_step(order, notices),
        Step(
            title="Answered",
            text=order.acknowledged_by or ("closed without an answer" if closed else "not yet"),
            at=order.acknowledged_at,
            state="done" if answered else "todo" if closed else "next",
        ),
        Step(
            title="Refill seen by the scale",
            text=f"{order.received_pieces or 0:,} pieces came" if closed else "closes the order",
            at=order.closed_at,
            state="done" if closed else "next" if answered else "todo",
        ),
    ]


def _told_step(order: OrderRow, notices: list[NoticeRow]) -> Step:
    sent = [notice for notice in notices if notice.sent_at is not None]
    kinds = " and ".join({"email": "mail", "webhook": "webhook"}[n.kind] for n in sent)
    if sent:
        at = min(notice.sent_at for notice in sent if notice.sent_at is not None)
        return Step(title="Told", text=f"{order.supplier}, by {kinds}", at=at, state="done")
    if not notices:
        text = f"{order.supplier} has no channel to be told on"
    elif all(notice.state == "given_up" for notice in notices):
        text = f"no channel of {order.supplier} took it"
    else:
        text = f"on its way to {order.supplier}"
    return Step(title="Told", text=text, at=None, state="next")


@router.get("/orders")
def orders_page(request: Request, session: Operations, state: str = "open") -> Response:
    parts = parts_of(request)
    state = state if state in LISTS else "open"
    with auth.asked_by(parts, session) as conn:
        listed = portal.orders(conn, LISTS[state][1], LISTED_MAX)
        by_state = portal.count_orders(conn)
    return rendering.page(
        request,
        "orders.html",
        session=session,
        now=parts.now(),
        orders=listed,
        label=order_label,
        state=state,
        lists={
            key: (title, sum(by_state[each] for each in states))
            for key, (title, states) in LISTS.items()
        },
        listed_max=LISTED_MAX,
    )
