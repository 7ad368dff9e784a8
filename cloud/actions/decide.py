"""Ask the policy of one bin, with all that is known of it, and keep what it says.

Runs in the transaction of the assessment, under its lock on the bin. Every answer is kept when it
differs from the last one, also that nothing is to be ordered: why a bin was not ordered for is
asked more often than why it was.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from cloud.actions.act_on_order import ACTOR_RULES
from cloud.core.bin_policies import (
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
from cloud.core.order_states import ENDED, State
from cloud.core.orders import order_label
from cloud.core.policies.base import Joins, Place, Policy
from cloud.core.policies.two_bin import TwoBin
from cloud.core.policy_settings import PolicySettings
from cloud.core.refusals import CalendarNeverOpens, PolicyUnreadable
from cloud.core.stock import is_overdue
from cloud.postgres import bin_levels, bin_orders, breaches, planned_usage, policies
from cloud.postgres.bin_orders import LineOfBin
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
    covered: bool  # something was ordered for this need
    calendar: Calendar
    cycle: int  # of the bin; with `ordinal` it names the line of an order
    ordinal: int


# What ended an order so that its need may be ordered once more without asking: nobody approved it
# in time, or it brought what it could. What the rules withdrew, no person has said no to.
_AGAIN = (State.EXPIRED, State.CLOSED)


def ask_policy(
    conn: psycopg.Connection,
    bin_: Bin,
    pieces: int,
    now: datetime,
    *,
    instead: PolicySettings | None = None,
    joins: bool = False,
    without: UUID | None = None,
) -> Asked | Undecided:
    """What the bin's policy says, on all that is on its way into it.

    A need that was ordered and given up, cancelled or refused is not ordered again by itself.
    What a bin was to get beside an order of others and did not is no answer to it being low.
    `instead`: as if that were set for the bin. What comes of it is shown, and never kept.
    `joins`: as an order goes to the same place anyway. `without`: as if that order were not there.
    """
    settings = policies.of_bin(conn, bin_.bin_id, instead)
    cycle = breaches.cycle_of(conn, bin_.bin_id)
    in_cycle = [
        line
        for line in bin_orders.lines_of_cycle(conn, bin_.bin_id, cycle)
        if line.order_id != without
    ]
    try:
        policy = policy_for(settings, bin_.limits)
        if joins and not isinstance(policy, Joins):
            return Undecided(because="It joins no order of others.")
        beside = isinstance(policy, Joins) and pieces <= bin_.limits.minimum
        needs = _needs(policy, in_cycle, now, low_beside=beside)
        seen = _seen(conn, bin_, policy, pieces, cycle, needs, now, without=without)
        answer = ask(settings, bin_.limits, bin_.pack, seen, now, joins=joins)
    except (CalendarNeverOpens, PolicyUnreadable) as refusal:
        return Undecided(because=refusal.sentence)
    met = [one for one in needs if _stands_in_the_way(policy, one, settings.grace, now)]
    return Asked(
        answer=answer,
        held=bool(met) and isinstance(answer.decision, Place),
        covered=bool(needs),
        calendar=settings.calendar,
        cycle=cycle,
        ordinal=len(in_cycle) + 1,
    )


def _needs(
    policy: Policy, lines: list[LineOfBin], now: datetime, *, low_beside: bool
) -> list[LineOfBin]:
    """What was ordered for the need of now. Under the supplier's rounds each round is a need.

    `low_beside`: it is low now, and what was given up without a breach was another need.
    """
    present = cycle_of(policy, 0, now)
    return [
        line
        for line in lines
        if line.state not in _AGAIN
        and not line.left
        and not (line.state is State.CANCELLED and line.ended_by == ACTOR_RULES)
        and not (low_beside and line.breach_id is None and line.state in ENDED)
        and cycle_of(policy, 0, line.sent_at or now) == present
    ]


def _stands_in_the_way(policy: Policy, line: LineOfBin, grace: timedelta, now: datetime) -> bool:
    """Whether a person is asked before it is ordered once more, because of this line.

    Of containers a second empty one is a second need; only one that was given up is asked about.
    """
    if not isinstance(policy, TwoBin):
        return True
    open_line = bin_orders.as_open_line(line, order_label(line.order_number), now)
    return line.state in ENDED or is_overdue(open_line, now, grace)


def _seen(  # noqa: PLR0917 - one call, above
    conn: psycopg.Connection,
    bin_: Bin,
    policy: Policy,
    pieces: int,
    cycle: int,
    needs: list[LineOfBin],
    now: datetime,
    *,
    without: UUID | None,
) -> Seen:
    lines = [
        replace(
            bin_orders.as_open_line(line, order_label(line.order_number), now),
            cycle=cycle_of(policy, line.cycle, line.sent_at or now),
        )
        for line in bin_orders.open_lines(conn, bin_.bin_id)
        if line.order_id != without
    ]
    # How much will be used till an order comes is asked only where one may be placed.
    from_on = low_at(policy, bin_.limits)
    low = from_on is None or pieces <= max(from_on, bin_.limits.minimum)
    planned = planned_usage.of_bin(conn, bin_.bin_id, now)
    asks = (low or bool(planned)) and (not needs or isinstance(policy, TwoBin))
    return Seen(
        pieces=pieces,
        cycle=cycle_of(policy, cycle, now),
        lines=tuple(lines),
        orders_in_cycle=len(needs),
        used=_used(conn, bin_.bin_id) if asks else None,
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


def _used(conn: psycopg.Connection, bin_id: int) -> Used | None:
    """As it is told everywhere else: of the last weeks, without the days that nobody knows."""
    known = bin_levels.usage_of(conn, bin_id)
    if known is None:
        return None
    per_day, days = known
    return Used(pieces=round(per_day * days), over=days * _DAY)
