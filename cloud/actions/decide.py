"""Ask the policy of one bin, with all that is known of it, and keep what it says.

Runs in the transaction of the assessment, under its lock on the bin. Every answer is kept when it
differs from the last one, also that nothing is to be ordered: why a bin was not ordered for is
asked more often than why it was.
"""

from dataclasses import dataclass, replace
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
from cloud.core.calendars import Calendar
from cloud.core.order_states import State
from cloud.core.orders import order_label
from cloud.core.policies.base import Place, Policy
from cloud.core.policy_settings import PolicySettings
from cloud.core.refusals import CalendarNeverOpens, PolicyUnreadable
from cloud.postgres import breaches, movements, orders, planned_usage, policies
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
    covered: bool  # something was ordered for this breach
    calendar: Calendar


# What ended an order so that its need may be ordered once more without asking: nobody approved it
# in time, or it brought what it could.
_AGAIN = (State.EXPIRED, State.CLOSED)


def ask_policy(
    conn: psycopg.Connection,
    bin_: Bin,
    pieces: int,
    now: datetime,
    *,
    instead: PolicySettings | None = None,
) -> Asked | Undecided:
    """What the bin's policy says, on all that is on its way into it.

    A need that was ordered and given up, cancelled or refused is not ordered again by itself.
    `instead`: as if that were set for the bin. What comes of it is shown, and never kept.
    """
    settings = policies.of_bin(conn, bin_.bin_id, instead)
    try:
        policy = policy_for(settings, bin_.limits)
        cycle = cycle_of(policy, breaches.cycle_of(conn, bin_.bin_id), now)
        in_cycle = orders.lines_of_cycle(conn, bin_.bin_id, cycle)
        needs = [line for line in in_cycle if line.state not in _AGAIN]
        seen = _seen(conn, bin_, policy, pieces, now)
        seen = replace(seen, cycle=cycle, orders_in_cycle=len(in_cycle))
        if needs:
            seen = replace(seen, used=None)  # none is placed: how soon it runs out decides nothing
        answer = ask(settings, bin_.limits, bin_.pack, seen, now)
    except (CalendarNeverOpens, PolicyUnreadable) as refusal:
        return Undecided(because=refusal.sentence)
    held = bool(needs) and isinstance(answer.decision, Place)
    return Asked(answer=answer, held=held, covered=bool(needs), calendar=settings.calendar)


def _seen(conn: psycopg.Connection, bin_: Bin, policy: Policy, pieces: int, now: datetime) -> Seen:
    """Of the bin, in no cycle yet."""
    # How much will be used till an order comes is asked only where one may be placed.
    from_on = low_at(policy, bin_.limits)
    low = from_on is None or pieces <= max(from_on, bin_.limits.minimum)
    planned = planned_usage.of_bin(conn, bin_.bin_id, now)
    return Seen(
        pieces=pieces,
        cycle=1,
        lines=tuple(
            orders.as_open_line(line, order_label(line.order_number), now)
            for line in orders.open_lines(conn, bin_.bin_id)
        ),
        used=_used(conn, bin_.bin_id, now) if low or planned else None,
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


def _used(conn: psycopg.Connection, bin_id: int, now: datetime) -> Used | None:
    pieces, since = movements.used_since(conn, bin_id, now - USAGE_WINDOW)
    if since is None:
        return None
    return Used(pieces=max(0, pieces), over=max(_DAY, now - since))
