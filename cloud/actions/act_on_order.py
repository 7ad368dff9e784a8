"""One act on one order, kept with all that follows from it: events, evidence, notices, open pages.

The rules are `core.order_machine`'s. The same again changes nothing and tells nobody; what cannot
follow is refused with the sentence a person needs.
"""

from datetime import UTC, datetime
from uuid import UUID

import psycopg

from cloud.core.notices import Told
from cloud.core.order_machine import (
    Accept,
    Acknowledge,
    Act,
    Approve,
    Change,
    Confirm,
    Count,
    End,
    Leave,
    Order,
    Receive,
    Reject,
    Send,
    Ship,
    apply,
)
from cloud.core.order_states import Verb
from cloud.core.refusals import OrderUnknown
from cloud.postgres import bins, notices, orders

PAST: dict[Verb, str] = {
    Verb.APPROVE: "approved",
    Verb.SEND: "sent",
    Verb.ACKNOWLEDGE: "acknowledged",
    Verb.CONFIRM: "confirmed",
    Verb.CHANGE: "changed",
    Verb.ACCEPT: "accepted",
    Verb.REJECT: "rejected",
    Verb.SHIP: "shipped",
    Verb.RECEIVE: "received",
    Verb.CLOSE: "closed",
    Verb.REFUSE: "refused",
    Verb.CANCEL: "cancelled",
    Verb.EXPIRE: "expired",
    Verb.LEAVE: "left",
}
ACTOR_RULES = "binline"
ACTOR_SCALE = "scale"


def lock_order(conn: psycopg.Connection, order_id: UUID) -> Order:
    """Its bins first, in the order of their ids, as everywhere: see cloud/postgres/bins.py.

    Runs in the caller's transaction, in which was said who is asking: an order of another
    supplier is not there. Raises OrderUnknown.
    """
    locked: list[int] = []
    while locked != (wanted := orders.bins_of(conn, order_id)) or not wanted:
        if not wanted:
            raise OrderUnknown
        for bin_id in wanted:
            if bin_id not in locked:
                bins.lock_state(conn, bin_id)
        locked = wanted
    order = orders.lock(conn, order_id)
    if order is None:
        raise OrderUnknown
    return order


def act_on_order(
    conn: psycopg.Connection, order_id: UUID, act: Act, now: datetime, *, actor: str
) -> Order:
    """The order as it stands afterwards. Raises a refusal where the rules say no."""
    with conn.transaction():
        order = lock_order(conn, order_id)
        return keep_act(conn, order, act, now, actor=actor, touch=True)


def keep_act(
    conn: psycopg.Connection,
    order: Order,
    act: Act,
    now: datetime,
    *,
    actor: str,
    because: str = "",
    touch: bool,
    tell: bool = True,
) -> Order:
    """The act and what follows from it, of an order that is locked with its bins.

    `touch`: tell the pages of all its bins; who holds only one of them tells that one himself.
    `tell`: the supplier, by its channels; False where it stands at the counter and knows.
    """
    after = apply(order, act, now)
    if after is order:
        return order
    orders.save(conn, order, after, act, now)
    leaves = isinstance(act, Approve) and (after.leaves_at is None or after.leaves_at <= now)
    if not (leaves and actor == ACTOR_RULES):  # that it leaves says as much
        detail = because or detail_of(act, after)
        orders.add_event(conn, order.order_id, now, PAST[act.verb], actor=actor, detail=detail)
    told = _told(order, act) if tell else None
    if told is not None:
        what, about = told
        notices.owe_for_order(conn, order.order_id, order.supplier_id, now, told=what, about=about)
    if touch:
        for bin_id in sorted({line.bin_id for line in after.lines}):
            bins.touch(conn, bin_id)
    if leaves:
        said = because if actor == ACTOR_RULES else ""
        return keep_act(
            conn, after, Send(), now, actor=ACTOR_RULES, because=said, touch=touch, tell=tell
        )
    return after


def _told(before: Order, act: Act) -> tuple[Told, str] | None:
    """What the supplier is told of it by its channels: only what it has not done itself."""
    match act:
        case Send():
            return Told.ORDER_PLACED, ""
        case Accept(change_id=about):
            return Told.CHANGE_ACCEPTED, about
        case Reject(change_id=about):
            return Told.CHANGE_REJECTED, about
        case End(verb=Verb.CANCEL) if before.sent_at is not None:
            return Told.ORDER_CANCELLED, ""
        case _:
            return None


def detail_of(act: Act, after: Order) -> str:
    """What an event says for people: quantities by line, dates, reasons."""
    several = len(after.lines) > 1
    told = ""
    match act:
        case Confirm(promises=promises):
            told = "; ".join(
                f"{_line(one.line, several=several)}promised for {_day(one.at)}" for one in promises
            )
        case Change(lines=lines, because=because):
            told = "; ".join(
                f"{_line(one.line, several=several)}{one.pieces:,} for {_day(one.at)}"
                for one in lines
            )
            told += f". {because}" if because else ""
        case Accept(change_id=change_id) | Reject(change_id=change_id):
            told = f"change {change_id}"
        case Ship(shipment_id=number, counts=counts, expected_at=expected_at):
            told = f"shipment {number}: {_counts(counts, several=several)}"
            told += f", expected {_day(expected_at)}" if expected_at else ""
        case Receive(counts=counts):
            told = f"{_counts(counts, several=several)} came onto the scale"
        case End(because=because) | Leave(because=because):
            told = because
        case Approve() | Send() | Acknowledge():
            pass
    return told


def _counts(counts: tuple[Count, ...], *, several: bool) -> str:
    return ", ".join(f"{_line(one.line, several=several)}{one.pieces:,}" for one in counts)


def _line(number: int, *, several: bool) -> str:
    return f"line {number}: " if several else ""


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
