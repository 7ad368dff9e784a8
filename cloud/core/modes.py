"""From what the rules decide to what is done, as agreed: send, draft, tell, or only note.

And what a supplier may do by itself: order, change and postpone within the band; the rest is a
proposal. The bin's capacity is no part of any band: what does not fit lies on the floor.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from cloud.core.agreements import Clauses, Mode, Validity, validity_on
from cloud.core.policies.base import Place


class Course(StrEnum):
    SEND = "send"  # an order that leaves without a click
    DRAFT = "draft"  # an order that waits for a person
    TELL = "tell"  # one notice, no order
    NOTE = "note"  # what would have been ordered, for later comparison


@dataclass(frozen=True, kw_only=True)
class Doing:
    course: Course
    because: str
    expires_at: datetime | None = None  # of a draft
    escalates_at: datetime | None = None


def course_of(
    clauses: Clauses, place: Place, *, value: int | None, today: date, now: datetime
) -> Doing:
    """`value` of the order in the smallest coin; None: a price is missing, so the limit asks."""
    match clauses.mode:
        case Mode.SHADOW:
            return Doing(course=Course.NOTE, because=f"Shadow: {place.because}")
        case Mode.NOTIFY:
            return Doing(course=Course.TELL, because=place.because)
        case Mode.APPROVE:
            return _draft(clauses, place.because, now)
        case Mode.AUTO:
            if doubt := _asks_first(clauses, value, today):
                return _draft(clauses, f"{doubt} {place.because}", now)
            return Doing(course=Course.SEND, because=place.because)


def _asks_first(clauses: Clauses, value: int | None, today: date) -> str:
    """Why a person is asked although orders leave by themselves; empty: for no reason."""
    if validity_on(clauses, today) in (Validity.ENDED, Validity.NOT_YET):
        return "The agreement does not hold today."
    if clauses.value_limit is None:
        return ""
    if value is None:
        return "A price is missing."
    return "Worth more than may go unasked." if value > clauses.value_limit else ""


def _draft(clauses: Clauses, because: str, now: datetime) -> Doing:
    return Doing(
        course=Course.DRAFT,
        because=because,
        expires_at=now + timedelta(hours=clauses.draft_hours),
        escalates_at=now + timedelta(hours=clauses.escalate_after_hours),
    )


@dataclass(frozen=True, kw_only=True)
class Liberty:
    """What a supplier asks to do by itself, and whether it may."""

    allowed: bool  # False: it is a proposal, and waits for the customer
    because: str


def may_create(
    clauses: Clauses, *, pieces: int, position: int, order_up_to: int, capacity: int | None
) -> Liberty:
    """A supplier's own order: for nothing but filling up to what was agreed, and the band."""
    top = _more(order_up_to, clauses.band.quantity_percent)
    if capacity is not None:
        top = min(top, capacity)
    if clauses.mode in (Mode.NOTIFY, Mode.SHADOW):
        return Liberty(allowed=False, because="Nothing is ordered here without the customer.")
    if position + pieces > top:
        because = f"{position:,} and {pieces:,} are more than the {top:,} agreed on."
        return Liberty(allowed=False, because=because)
    return Liberty(allowed=True, because=f"{position:,} and {pieces:,} are within {top:,}.")


def may_change(clauses: Clauses, *, asked: int, pieces: int) -> Liberty:
    percent = clauses.band.quantity_percent
    allowed = 100 * abs(pieces - asked) <= percent * asked
    word = "within" if allowed else "more than"
    return Liberty(
        allowed=allowed, because=f"{pieces:,} instead of {asked:,} is {word} {percent} %."
    )


def may_postpone(
    clauses: Clauses, *, due_at: datetime, to: datetime, runs_out_at: datetime | None
) -> Liberty:
    """Later within the band, and never past the time at which the bin runs out."""
    if runs_out_at is not None and due_at < runs_out_at < to:
        return Liberty(allowed=False, because="The bin runs out before that.")
    days = clauses.band.postpone_days
    allowed = to - due_at <= timedelta(days=days)
    if not days:
        later = "That is later than asked for, and no later day was agreed on."
        return Liberty(allowed=allowed, because="That is no later." if allowed else later)
    word = "within" if allowed else "more than"
    unit = "day" if days == 1 else "days"
    return Liberty(allowed=allowed, because=f"That is {word} {days} {unit} later.")


def _more(pieces: int, percent: int) -> int:
    return pieces + pieces * percent // 100
