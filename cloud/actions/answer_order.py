"""What a supplier says to an order: seen, confirmed with dates, changed, refused, shipped.

What both sides agreed on beforehand holds at once: a date no later, and a quantity no further off,
than the band allows. Everything else is a proposal, and waits for the customer. Where nothing was
agreed on, a date is taken as it is promised, and another quantity is asked about.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import psycopg

from cloud.actions.act_on_order import ACTOR_RULES, act_on_order, keep_act, lock_order
from cloud.core.agreements import Clauses
from cloud.core.modes import Liberty, may_change, may_postpone
from cloud.core.order_machine import (
    Accept,
    Acknowledge,
    Change,
    Confirm,
    Count,
    End,
    Line,
    Order,
    Other,
    Promise,
    Ship,
)
from cloud.core.order_states import Verb
from cloud.core.refusals import LineUnknown, ReasonMissing
from cloud.postgres import agreements, bin_levels

BY_THE_BAND = "within what was agreed on"


def acknowledge(conn: psycopg.Connection, order_id: UUID, actor: str, now: datetime) -> Order:
    """Seen. It promises nothing; a second time changes nothing."""
    return act_on_order(conn, order_id, Acknowledge(by=actor), now, actor=actor)


def confirm(
    conn: psycopg.Connection,
    order_id: UUID,
    promises: Sequence[Promise],
    actor: str,
    now: datetime,
) -> Order:
    """As asked, by these dates. What is later than the band allows becomes a proposal."""
    with conn.transaction():
        order = lock_order(conn, order_id)
        late = _first_no(conn, order, promises, now)
        if late is None:
            act = Confirm(by=actor, promises=tuple(promises))
            return keep_act(conn, order, act, now, actor=actor, touch=True)
        lines = {line.number: line for line in order.lines}
        if not {promise.line for promise in promises} <= lines.keys():
            raise LineUnknown
        proposed = Change(
            change_id=_next_id(order),
            by=actor,
            lines=tuple(
                Other(line=one.line, pieces=lines[one.line].quantity, at=one.at) for one in promises
            ),
            because=late.because,
        )
        if order.change_open and order.change is not None:
            same = replace(proposed, change_id=order.change.change_id) == order.change
            if same:
                return order
        return keep_act(conn, order, proposed, now, actor=actor, touch=True)


def change(conn: psycopg.Connection, order_id: UUID, proposed: Change, now: datetime) -> Order:
    """Not as asked. Within the band it holds at once, else it waits for the customer."""
    with conn.transaction():
        order = lock_order(conn, order_id)
        after = keep_act(conn, order, proposed, now, actor=proposed.by, touch=True)
        if after is order or not _is_free(conn, order, proposed, now):
            return after
        accept = Accept(change_id=proposed.change_id, by=BY_THE_BAND)
        return keep_act(
            conn,
            after,
            accept,
            now,
            actor=ACTOR_RULES,
            because=BY_THE_BAND,
            touch=True,
            tell=False,
        )


def refuse(
    conn: psycopg.Connection, order_id: UUID, actor: str, because: str, now: datetime
) -> Order:
    if not because.strip():
        raise ReasonMissing
    end = End(verb=Verb.REFUSE, by=actor, because=because.strip())
    return act_on_order(conn, order_id, end, now, actor=actor)


def ship(
    conn: psycopg.Connection,
    order_id: UUID,
    shipment: Ship,
    actor: str,
    now: datetime,
) -> Order:
    """On its way. It adds nothing to what is on order: what was shipped is a part of that."""
    return act_on_order(conn, order_id, shipment, now, actor=actor)


def all_that_is_open(order: Order) -> tuple[Count, ...]:
    """A shipment of everything that was neither shipped nor came."""
    left = ((line, line.quantity - max(line.shipped, line.received)) for line in order.lines)
    return tuple(Count(line=line.number, pieces=pieces) for line, pieces in left if pieces > 0)


def _next_id(order: Order) -> str:
    """Of a change that a late promise makes; it follows the ones before."""
    before = order.change.change_id if order.change is not None else ""
    number = int(before.removeprefix("late-")) + 1 if before.startswith("late-") else 1
    return f"late-{number}"


def _clauses(conn: psycopg.Connection, order: Order, now: datetime) -> Clauses | None:
    found = agreements.clauses_of(
        conn, supplier_id=order.supplier_id, site_id=order.site_id, on=now.date()
    )
    return None if found is None else found[0]


def _first_no(
    conn: psycopg.Connection, order: Order, promises: Sequence[Promise], now: datetime
) -> Liberty | None:
    """The first promise that is later than the supplier may promise by itself."""
    clauses = _clauses(conn, order, now)
    if clauses is None or order.due_at is None:
        return None
    lines = {line.number: line for line in order.lines}
    for promise in promises:
        line = lines.get(promise.line)
        if line is None:
            raise LineUnknown
        liberty = _may_come(conn, clauses, order, line, promise.at)
        if not liberty.allowed:
            return liberty
    return None


def _is_free(conn: psycopg.Connection, order: Order, proposed: Change, now: datetime) -> bool:
    clauses = _clauses(conn, order, now)
    if clauses is None:
        return False
    lines = {line.number: line for line in order.lines}
    return all(
        may_change(clauses, asked=lines[other.line].quantity, pieces=other.pieces).allowed
        and _may_come(conn, clauses, order, lines[other.line], other.at).allowed
        for other in proposed.lines
    )


def _may_come(
    conn: psycopg.Connection, clauses: Clauses, order: Order, line: Line, at: datetime
) -> Liberty:
    due_at = order.due_at or line.promised_at or at
    runs_out_at = bin_levels.runs_out_at(conn, line.bin_id)
    return may_postpone(clauses, due_at=due_at, to=at, runs_out_at=runs_out_at)
