"""Orders as operations see them, and the story of one order that every page tells the same way."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from cloud.core.order_states import ENDED, State, Verb
from cloud.core.orders import number_of, order_label
from cloud.core.refusals import OrderUnknown, Refusal
from cloud.http import auth, order_acts, problems, rendering, words
from cloud.http.auth import Operations
from cloud.http.order_acts import Acting, Tried
from cloud.http.parts import OrderNumber, Parts, parts_of
from cloud.postgres import portal
from cloud.postgres.portal import EventRow, NoticeRow, OrderRow
from cloud.postgres.sessions import Session

router = APIRouter(include_in_schema=False)

LISTED_MAX = 200
_OPEN = [state for state in State if state not in ENDED]
LISTS: dict[str, tuple[str, list[State]]] = {
    "open": ("Open", _OPEN),
    "draft": ("To approve", [State.DRAFT]),
    "changed": ("Changes to answer", [State.CHANGED]),
    "sent": ("Not answered", [State.SENT]),
    "answered": ("Answered", [State.ACKNOWLEDGED, State.CONFIRMED]),
    "shipped": ("On the way", [State.SHIPPED, State.PART_DELIVERED]),
    "ended": ("Ended", sorted(ENDED)),
}
# How a state is called and coloured, on every page.
STATES: dict[str, tuple[str, str]] = {
    State.DRAFT: ("To approve", "low"),
    State.APPROVED: ("Waits for others", "ordered"),
    State.SENT: ("Not answered", "low"),
    State.ACKNOWLEDGED: ("Answered", "ordered"),
    State.CONFIRMED: ("Confirmed", "ordered"),
    State.CHANGED: ("Change proposed", "low"),
    State.SHIPPED: ("On its way", "ordered"),
    State.PART_DELIVERED: ("Partly here", "ordered"),
    State.RECEIVED: ("Here", "ok"),
    State.CLOSED: ("Closed", "ok"),
    State.REFUSED: ("Refused", "empty"),
    State.CANCELLED: ("Cancelled", "stale"),
    State.EXPIRED: ("Expired", "stale"),
}
_KINDS = {"email": "mail", "webhook": "webhook"}
_RULES = ("", "binline")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One station of an order. `at`: when it was reached; `state`: done, next, todo or stopped."""

    title: str
    text: str
    at: datetime | None
    state: str


@dataclass(frozen=True, kw_only=True)
class Story:
    order: OrderRow
    label: str
    packs: str
    word: str  # its state
    kind: str  # of the mark that goes with it
    ended: bool
    steps: list[Step]
    events: list[EventRow]
    notices: list[NoticeRow]


def story_of(conn: psycopg.Connection, order: OrderRow) -> Story:
    notices = portal.notices(conn, order.order_id)
    word, kind = STATES[order.state]
    one = order.first if len(order.lines) == 1 else None
    return Story(
        order=order,
        label=order_label(order.number),
        packs="" if one is None else words.packs(one.quantity, one.pack),
        word=word,
        kind=kind,
        ended=order.state in ENDED,
        steps=_steps(order, notices),
        events=portal.events(conn, order.order_id),
        notices=notices,
    )


def _steps(order: OrderRow, notices: list[NoticeRow]) -> list[Step]:
    by_rules = order.drafted_by in _RULES
    begun = "placed by the level" if by_rules else f"asked for by {order.drafted_by}"
    steps = [Step(title="Ordered", text=begun, at=order.drafted_at, state="done")]
    if order.approved_by not in _RULES or order.approved_at is None:
        steps.append(_approved_step(order))
    if order.sent_at is not None or order.state not in ENDED:
        steps += [_told_step(order, notices), _answered_step(order), *_promised_steps(order)]
    if order.state == State.CHANGED:
        steps.append(
            Step(title="Change proposed", text="waits for the customer", at=None, state="next")
        )
    steps.append(_last_step(order))
    return steps


def _approved_step(order: OrderRow) -> Step:
    if order.approved_at is not None:
        text = order.approved_by
    else:
        text = "not yet" + (", and asked again" if order.escalated_at else "")
    waits = order.state == State.DRAFT
    done = order.approved_at is not None
    state = "done" if done else "next" if waits else "todo"
    return Step(title="Approved", text=text, at=order.approved_at, state=state)


def _told_step(order: OrderRow, notices: list[NoticeRow]) -> Step:
    placed = [notice for notice in notices if notice.told == "order_placed"]
    sent = [notice for notice in placed if notice.sent_at is not None]
    kinds = " and ".join(sorted({_KINDS[n.kind] for n in sent}))
    if sent:
        at = min(notice.sent_at for notice in sent if notice.sent_at is not None)
        return Step(title="Told", text=f"{order.supplier}, by {kinds}", at=at, state="done")
    if order.sent_at is None:
        text = f"{order.supplier} knows nothing of it yet"
        if order.state == State.APPROVED:
            text = "waits for others to the same place"
        state = "next" if order.state == State.APPROVED else "todo"
        return Step(title="Told", text=text, at=None, state=state)
    if not placed:
        text = f"{order.supplier} has no channel to be told on"
    elif all(notice.state == "given_up" for notice in placed):
        text = f"no channel of {order.supplier} took it"
    else:
        text = f"on its way to {order.supplier}"
    return Step(title="Told", text=text, at=None, state="next")


def _answered_step(order: OrderRow) -> Step:
    answered, ended = order.answered_at is not None, order.state in ENDED
    text = order.answered_by or ("on its way" if answered else "not yet")
    if not answered and (ended or order.received):
        text = "ended without an answer" if ended else "came without an answer"
    waits = not ended and not order.received and order.sent_at is not None
    state = "done" if answered else "next" if waits else "todo"
    return Step(title="Answered", text=text, at=order.answered_at, state=state)


def _promised_steps(order: OrderRow) -> list[Step]:
    """What was promised and shipped, as far as anything was."""
    steps = []
    promised = [line.promised_at for line in order.lines if line.promised_at is not None]
    if promised:
        where = words.zone(order.time_zone)
        text = f"for {words.day(max(promised), where)}"
        steps.append(Step(title="Promised", text=text, at=None, state="done"))
    shipped = sum(line.shipped for line in order.lines)
    if shipped:
        text = f"{shipped:,} of {order.quantity:,} pieces"
        steps.append(Step(title="Shipped", text=text, at=order.shipped_at, state="done"))
    return steps


def _last_step(order: OrderRow) -> Step:
    came = f"{order.received:,} of {order.quantity:,} pieces came"
    match order.state:
        case State.CLOSED:
            text = came if order.received else order.ended_because or "nothing more comes"
            title = "Refill seen by the scale" if order.received else "Closed"
            return Step(title=title, text=text, at=order.ended_at, state="done")
        case State.REFUSED | State.CANCELLED | State.EXPIRED:
            text = ": ".join(part for part in (order.ended_by, order.ended_because) if part)
            title = STATES[order.state][0]
            return Step(title=title, text=text, at=order.ended_at, state="stopped")
        case _:
            answered = order.answered_at is not None and order.state != State.CHANGED
            waits = answered or order.received > 0
            text = came if order.received else "closes the order"
            return Step(
                title="Refill seen by the scale",
                text=text,
                at=order.received_at,
                state="next" if waits else "todo",
            )


@router.get("/orders")
def orders_page(request: Request, session: Operations, state: str = "open") -> Response:
    parts = parts_of(request)
    state = state if state in LISTS else "open"
    with auth.asked_by(parts, session) as conn:
        listed = portal.orders(conn, LISTS[state][1], LISTED_MAX)
        by_state = portal.count_orders(conn)
        zones = portal.time_zones(conn)
    return rendering.page(
        request,
        "orders.html",
        session=session,
        now=parts.now(),
        zone=words.one_zone(zones, parts.now()),
        orders=listed,
        label=order_label,
        state=state,
        states=STATES,
        lists={
            key: (title, sum(by_state[each] for each in states))
            for key, (title, states) in LISTS.items()
        },
        listed_max=LISTED_MAX,
    )


@router.get("/orders/{number}")
def order_page(request: Request, session: Operations, number: OrderNumber) -> Response:
    return _page(request, session, number)


@router.post("/orders/{number}/{verb}")
async def act(request: Request, session: Operations, number: OrderNumber, verb: Verb) -> Response:
    """What a person of ours does; an answer that came by telephone is written down here, too."""
    parts = parts_of(request)
    form = await request.form()
    fields = {key: value for key, value in form.items() if isinstance(value, str)}
    return await run_in_threadpool(_act, request, session, number, verb, fields, parts)


def _act(  # noqa: PLR0917 - one act of one form
    request: Request,
    session: Session,
    number: str,
    verb: Verb,
    fields: dict[str, str],
    parts: Parts,
) -> Response:
    acting = Acting(actor=session.email, now=parts.now(), fields=fields)
    try:
        with auth.asked_by(parts, session) as conn:
            order_acts.perform(conn, _id_of(conn, number), verb, acting)
    except OrderUnknown:
        raise
    except Refusal as refusal:
        tried = Tried(verb=verb, fields=fields, problem=problems.of_refusal(refusal))
        return _page(request, session, number, tried)
    return RedirectResponse(f"/orders/{number}", 303)


def _id_of(conn: psycopg.Connection, number: str) -> UUID:
    order = portal.order_by_number(conn, number_of(number))
    if order is None:
        raise OrderUnknown
    return order.order_id


def _page(request: Request, session: Session, number: str, tried: Tried | None = None) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        order = portal.order_by_number(conn, number_of(number))
        if order is None:
            raise OrderUnknown
        story = story_of(conn, order)
    return rendering.page(
        request,
        "order.html",
        status=200 if tried is None else tried.problem.status,
        at=f"/orders/{story.label}",
        session=session,
        now=parts.now(),
        story=story,
        order=order,
        tried=tried,
        due=order_acts.due_day(order),
        zone=words.zone(order.time_zone),
        address=f"/orders/{story.label}",
        mine=order_acts.offered(order, order_acts.OF_CUSTOMER),
        theirs=order_acts.offered(order, order_acts.OF_SUPPLIER),
    )
