"""Ask the policy of one bin, with all that is known of it, and keep what it says.

Runs in the transaction of the assessment, under its lock on the bin. Every answer is kept when it
differs from the last one, also that nothing is to be ordered: why a bin was not ordered for is
asked more often than why it was.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from cloud.core.bin_policies import USAGE_WINDOW, Answer, Seen, Used, ask
from cloud.core.bins import Bin
from cloud.core.orders import Order, order_label
from cloud.core.policies.base import Place
from cloud.core.refusals import CalendarNeverOpens
from cloud.core.stock import OpenLine
from cloud.postgres import breaches, movements, policies
from cloud.postgres.policies import NewDecision

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """The rules cannot be asked, and why: a person has to put something right."""

    because: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    answer: Answer
    held: bool  # it would order once more, and one breach has one order: a person is asked


def ask_policy(
    conn: psycopg.Connection, bin_: Bin, pieces: int, order: Order | None, now: datetime
) -> Asked | Undecided:
    """`order`: the one that is open for this bin, if there is one."""
    settings = policies.of_bin(conn, bin_.bin_id)
    cycle = breaches.cycle_of(conn, bin_.bin_id)
    low = pieces <= bin_.limits.minimum
    seen = Seen(
        pieces=pieces,
        cycle=cycle,
        lines=() if order is None else (_line(order, cycle, now),),
        orders_in_cycle=0 if order is None else 1,
        unbooked=0 if order is None else movements.came_since(conn, bin_.bin_id, order.placed_at),
        used=_used(conn, bin_.bin_id, now) if low and order is None else None,
    )
    try:
        answer = ask(settings, bin_.limits, bin_.pack, seen, now)
    except CalendarNeverOpens as refusal:
        return Undecided(because=refusal.sentence)
    held = order is not None and isinstance(answer.decision, Place)
    return Asked(answer=answer, held=held)


def keep_decision(
    conn: psycopg.Connection,
    bin_: Bin,
    asked: Asked,
    now: datetime,
    *,
    breach_id: int | None,
    order_id: UUID | None = None,
) -> None:
    """Once for as long as it stays the same; one that placed an order always."""
    same = policies.last_sameness(conn, bin_.bin_id) == asked.answer.sameness
    if same and order_id is None:
        return
    new = NewDecision(
        bin_id=bin_.bin_id,
        breach_id=breach_id,
        order_id=order_id,
        held=asked.held,
        answer=asked.answer,
    )
    policies.note(conn, new, now)


def _line(order: Order, cycle: int, now: datetime) -> OpenLine:
    return OpenLine(
        order_id=order.order_id,
        label=order_label(order.number),
        cycle=cycle,
        ordered=order.quantity,
        # Ordered before there were calendars: nothing was promised, so it covers and is never late.
        expected_at=order.expected_at or now,
    )


def _used(conn: psycopg.Connection, bin_id: int, now: datetime) -> Used | None:
    pieces, since = movements.used_since(conn, bin_id, now - USAGE_WINDOW)
    if since is None:
        return None
    return Used(pieces=max(0, pieces), over=max(_DAY, now - since))
