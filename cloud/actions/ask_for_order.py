"""An order that somebody asks for, and no policy: a supplier by itself, or a person of ours.

A supplier may fill up to what was agreed on, and the band beyond; more than that is a draft, and
waits for the customer. What the bin can hold is no part of any band. The order belongs to the
cycle the bin is in, so the rules know of it and do not order once more.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg

from cloud.actions.act_on_order import ACTOR_RULES, keep_act
from cloud.actions.prove import begin_chain
from cloud.core.agreements import Clauses, Mode, Ownership
from cloud.core.calendars import chance_at
from cloud.core.modes import Liberty, may_create
from cloud.core.order_machine import Acknowledge, Approve, Order
from cloud.core.refusals import (
    BinUnknown,
    CalendarNeverOpens,
    LevelNotKnown,
    OrderPastCapacity,
    QuantityImpossible,
)
from cloud.postgres import agreements, bin_orders, bins, breaches, calendars, orders, policies
from cloud.postgres.bins import Fillable
from cloud.postgres.orders import NewLine, NewOrder


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who asks; `supplier`: it is the supplier by itself."""

    name: str
    supplier: bool


def ask_for_order(  # noqa: PLR0917 - who asks for what, and why
    conn: psycopg.Connection, code: str, pieces: int, because: str, asker: Asker, now: datetime
) -> Order:
    """The order, sent, or a draft where the supplier may not by itself.

    Asked for twice within the same need it is the same order, if it is for as much.
    """
    if pieces <= 0:
        raise QuantityImpossible
    with conn.transaction():
        found = bins.fillable(conn, code)
        if found is None:
            raise BinUnknown
        bins.lock_state(conn, found.bin_id)
        found = bins.fillable(conn, code) or found
        return _ask(conn, found, pieces, because, asker, now)


def _ask(  # noqa: PLR0917 - as it is asked
    conn: psycopg.Connection,
    found: Fillable,
    pieces: int,
    because: str,
    asker: Asker,
    now: datetime,
) -> Order:
    if asker.supplier and found.pieces is None:
        raise LevelNotKnown
    lines = bin_orders.open_lines(conn, found.bin_id)
    breach = breaches.find_open(conn, found.bin_id)
    cycle = breaches.cycle_of(conn, found.bin_id)
    for line in lines:
        # Pressed twice, or sent again by a program that heard no answer.
        order = orders.lock(conn, line.order_id)
        assert order is not None
        same = line.cycle == cycle and line.quantity == pieces and line.received == 0
        if same and orders.asked_by(conn, line.order_id, asker.name):
            return order
    coming = sum(line.outstanding for line in lines)
    position = (found.pieces or 0) + coming
    if position + pieces > found.capacity:
        raise OrderPastCapacity
    clauses, version = _agreed(conn, found, now.date())
    liberty = Liberty(allowed=True, because=because)
    if asker.supplier:
        liberty = may_create(
            clauses,
            pieces=pieces,
            position=position,
            order_up_to=found.order_up_to or found.capacity,
            capacity=found.capacity,
        )
    new = NewOrder(
        supplier_id=found.supplier_id,
        site_id=found.site_id,
        consigned=clauses.ownership is Ownership.CONSIGNED if version else found.consigned,
        rush=False,
        agreement_version=version,
        calendar_version=calendars.version_of(conn, found.supplier_id),
        because=because or liberty.because,
        due_at=_due_at(conn, found.bin_id, now),
        drafted_by=asker.name,
        expires_at=None if liberty.allowed else now + timedelta(hours=clauses.draft_hours),
        escalates_at=None
        if liberty.allowed
        else now + timedelta(hours=clauses.escalate_after_hours),
    )
    wanted = NewLine(
        bin_id=found.bin_id,
        item_id=found.item_id,
        breach_id=None if breach is None else breach.breach_id,
        cycle=cycle,
        ordinal=len(bin_orders.lines_of_cycle(conn, found.bin_id, cycle)) + 1,
        quantity=pieces,
        because=because or liberty.because,
        evidence={},
    )
    order_id = orders.insert(conn, new, [wanted], now)
    begin_chain(conn, order_id, now, actor=asker.name)
    detail = f"{pieces:,} pieces. {because or liberty.because}"
    orders.add_event(conn, order_id, now, "asked", actor=asker.name, detail=detail)
    order = orders.lock(conn, order_id)
    assert order is not None
    if liberty.allowed:
        act = Approve(by=asker.name)
        order = keep_act(
            conn,
            order,
            act,
            now,
            actor=ACTOR_RULES,
            because=liberty.because,
            touch=True,
            tell=not asker.supplier,
        )
        if asker.supplier:
            seen = Acknowledge(by=asker.name)
            order = keep_act(conn, order, seen, now, actor=asker.name, touch=False)
    bins.touch(conn, found.bin_id)
    return order


def _agreed(conn: psycopg.Connection, found: Fillable, on: date) -> tuple[Clauses, int]:
    """Without an agreement a supplier orders nothing by itself: it was never allowed to."""
    agreed = agreements.clauses_of(
        conn, supplier_id=found.supplier_id, site_id=found.site_id, on=on
    )
    return agreed or (Clauses(mode=Mode.NOTIFY, valid_from=on), 0)


def _due_at(conn: psycopg.Connection, bin_id: int, now: datetime) -> datetime | None:
    try:
        return chance_at(policies.of_bin(conn, bin_id).calendar, now).arrives_at
    except CalendarNeverOpens:
        return None
