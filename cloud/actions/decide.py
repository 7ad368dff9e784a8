"""Ask the policy of one bin, with all that is known of it, and keep what it says.

Runs in the transaction of the assessment, under its lock on the bin. Every answer is kept when it
differs from the last one, also that nothing is to be ordered: why a bin was not ordered for is
asked more often than why it was.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from cloud.core.bin_policies import (
    USAGE_WINDOW,
    Answer,
    Seen,
    Used,
    ask,
    cycle_of,
    low_at,
    policy_for,
)
from cloud.core.bins import Bin
from cloud.core.orders import Order, order_label
from cloud.core.policies.base import Place, Policy
from cloud.core.policy_settings import PolicySettings
from cloud.core.refusals import CalendarNeverOpens, PolicyUnreadable
from cloud.core.stock import OpenLine
from cloud.postgres import breaches, movements, planned_usage, policies
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
    conn: psycopg.Connection,
    bin_: Bin,
    pieces: int,
    order: Order | None,
    now: datetime,
    *,
    instead: PolicySettings | None = None,
) -> Asked | Undecided:
    """`order`: the one that is open for this bin, if there is one.

    `instead`: as if that were set for the bin. What comes of it is shown, and never kept.
    """
    settings = policies.of_bin(conn, bin_.bin_id, instead)
    try:
        policy = policy_for(settings, bin_.limits)
        seen = _seen(conn, bin_, policy, pieces, order, now)
        answer = ask(settings, bin_.limits, bin_.pack, seen, now)
    except (CalendarNeverOpens, PolicyUnreadable) as refusal:
        return Undecided(because=refusal.sentence)
    held = order is not None and isinstance(answer.decision, Place)
    return Asked(answer=answer, held=held)


def _seen(  # noqa: PLR0917 - one call, above
    conn: psycopg.Connection,
    bin_: Bin,
    policy: Policy,
    pieces: int,
    order: Order | None,
    now: datetime,
) -> Seen:
    cycle = breaches.cycle_of(conn, bin_.bin_id)
    present = cycle_of(policy, cycle, now)
    lines = []
    if order is not None:
        lines.append(_line(order, cycle_of(policy, cycle, order.placed_at), now))
    # How much will be used till an order comes is asked only where one may be placed.
    from_on = low_at(policy, bin_.limits)
    low = from_on is None or pieces <= max(from_on, bin_.limits.minimum)
    planned = planned_usage.of_bin(conn, bin_.bin_id, now)
    return Seen(
        pieces=pieces,
        cycle=present,
        lines=tuple(lines),
        orders_in_cycle=sum(line.cycle == present for line in lines),
        unbooked=0 if order is None else movements.came_since(conn, bin_.bin_id, order.placed_at),
        used=_used(conn, bin_.bin_id, now) if (low or planned) and order is None else None,
        planned=planned,
    )


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
