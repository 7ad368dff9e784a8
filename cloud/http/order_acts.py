"""What either side can do to an order from a page: which buttons there are, and what a form means.

The API has a route for each act; a page has one form for each, and this is where both meet the
actions. A date of a form is a day at the site, and means the end of its deliveries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from uuid import UUID, uuid4

import psycopg

from cloud.actions import answer_order, steer_order
from cloud.core.order_machine import Change, Count, Other, Promise, Ship
from cloud.core.order_states import EDGES, State, Verb
from cloud.core.refusals import DayUnreadable, NoChangeProposed, OrderUnknown, QuantityImpossible
from cloud.http import words
from cloud.http.problems import Problem
from cloud.postgres import portal
from cloud.postgres.portal import OrderRow

OF_SUPPLIER = (Verb.ACKNOWLEDGE, Verb.CONFIRM, Verb.CHANGE, Verb.SHIP, Verb.REFUSE)
OF_CUSTOMER = (Verb.APPROVE, Verb.ACCEPT, Verb.REJECT, Verb.CLOSE, Verb.CANCEL)
DAY_ENDS = time(18, 0)
PIECES_DIGITS_MAX = 9


@dataclass(frozen=True, kw_only=True)
class Acting:
    actor: str
    now: datetime
    fields: Mapping[str, str]  # of the form

    def said(self, name: str) -> str:
        return self.fields.get(name, "").strip()


@dataclass(frozen=True, kw_only=True)
class Tried:
    """An act that was refused: said beside its form, with nothing lost of what was typed."""

    verb: Verb
    fields: Mapping[str, str]
    problem: Problem


def offered(order: OrderRow, verbs: tuple[Verb, ...]) -> tuple[Verb, ...]:
    """Which of these make sense now; a confirmation is offered until something is on its way."""
    edges = EDGES[State(order.state)]
    return tuple(
        verb
        for verb in verbs
        if verb in edges and not (verb is Verb.CONFIRM and order.state == State.CONFIRMED)
    )


def perform(  # noqa: C901 - one line for each act
    conn: psycopg.Connection, order_id: UUID, verb: Verb, acting: Acting
) -> None:
    """Raises a refusal: of the rules, or that the form cannot be read."""
    order = portal.order(conn, order_id)
    if order is None:
        raise OrderUnknown
    actor, now, because = acting.actor, acting.now, acting.said("because")
    match verb:
        case Verb.ACKNOWLEDGE:
            answer_order.acknowledge(conn, order_id, actor, now)
        case Verb.CONFIRM:
            answer_order.confirm(conn, order_id, _promises(order, acting), actor, now)
        case Verb.CHANGE:
            answer_order.change(conn, order_id, _change(order, acting, because), now)
        case Verb.SHIP:
            answer_order.ship(conn, order_id, _ship(order, acting), actor, now)
        case Verb.REFUSE:
            answer_order.refuse(conn, order_id, actor, because, now)
        case Verb.APPROVE:
            steer_order.approve(conn, order_id, actor, now)
        case Verb.ACCEPT:
            steer_order.accept(conn, order_id, _change_id(order, acting), actor, now)
        case Verb.REJECT:
            steer_order.reject(conn, order_id, _change_id(order, acting), actor, now)
        case Verb.CANCEL:
            steer_order.cancel(conn, order_id, actor, because, now)
        case Verb.CLOSE:
            steer_order.close(conn, order_id, actor, because, now)
        case _:
            raise OrderUnknown


def _promises(order: OrderRow, acting: Acting) -> tuple[Promise, ...]:
    """Of each line that a day is named for; one day may be meant for all of them."""
    days = {
        line.number: acting.said(f"day-{line.number}") or acting.said("day")
        for line in order.lines
        if not line.left
    }
    return tuple(
        Promise(line=number, at=_by_the_end_of(day, order)) for number, day in days.items() if day
    )


def _change(order: OrderRow, acting: Acting, because: str) -> Change:
    others = []
    for line in order.lines:
        if line.left:
            continue
        day = acting.said(f"day-{line.number}") or acting.said("day")
        at = _by_the_end_of(day, order) if day else line.promised_at or order.due_at
        said = acting.said(f"pieces-{line.number}")
        pieces = _pieces(said) if said else line.quantity
        if pieces != line.quantity or day:
            others.append(Other(line=line.number, pieces=pieces, at=at or acting.now))
    change_id = acting.said("change_id") or f"page-{uuid4().hex[:12]}"
    return Change(change_id=change_id, by=acting.actor, lines=tuple(others), because=because)


def _ship(order: OrderRow, acting: Acting) -> Ship:
    counts = []
    for line in order.lines:
        said = acting.said(f"pieces-{line.number}")
        pieces = _pieces(said) if said else max(0, line.quantity - max(line.shipped, line.received))
        if pieces:
            counts.append(Count(line=line.number, pieces=pieces))
    day = acting.said("day")
    return Ship(
        shipment_id=acting.said("shipment_id") or f"page-{uuid4().hex[:12]}",
        counts=tuple(counts),
        expected_at=_by_the_end_of(day, order) if day else None,
    )


def _change_id(order: OrderRow, acting: Acting) -> str:
    """The one that was looked at: another may have replaced it since."""
    open_change = order.open_change
    named = acting.said("change_id")
    if named or open_change is not None:
        return named or (open_change.act_id if open_change else "")
    raise NoChangeProposed


def _pieces(said: str) -> int:
    plain = said.replace(",", "").replace(" ", "")
    if not plain.isascii() or not plain.isdigit() or len(plain) > PIECES_DIGITS_MAX:
        raise QuantityImpossible
    return int(plain)


def due_day(order: OrderRow) -> str:
    """The day it is expected on, as a form has it; empty where none is."""
    where = words.zone(order.time_zone)
    return "" if order.due_at is None else order.due_at.astimezone(where).date().isoformat()


def _by_the_end_of(day: str, order: OrderRow) -> datetime:
    """Whoever names the day it is expected on means the hour of that, and nothing later."""
    if order.due_at is not None and day == due_day(order):
        return order.due_at
    try:
        date = datetime.strptime(day, "%Y-%m-%d").date()  # noqa: DTZ007 - a day of the site
    except ValueError as error:
        raise DayUnreadable from error
    return datetime.combine(date, DAY_ENDS, words.zone(order.time_zone))
