"""The review of a supplier's quarter: what both sides look at when they meet.

The quarter as a whole and by its months, the one before beside it, and by name what deserves a
word: bins that were empty, orders that were late, short or not answered, what was changed. Made
of what both may see, so that both see the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import psycopg

from cloud.actions.achieve import Reached, reached
from cloud.actions.measure import Behind, Measured, OfBin, behind, measure
from cloud.core.asked import Asked, Group
from cloud.core.bin_days import midnight
from cloud.core.quarters import Quarter, quarter_of
from cloud.core.refusals import SpanImpossible
from cloud.postgres import kpis as kept
from cloud.postgres.kpis import Changed, KpiOrder

NAMED_MAX = 15
CHANGES_MAX = 40
ANSWER_EXPECTED = timedelta(hours=24)  # until an agreement says otherwise
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True)
class Month:
    first: date
    measured: Measured | None  # None: nothing is known of it


@dataclass(frozen=True, kw_only=True)
class Amiss:
    """By name, the worst first, and how many there are in all."""

    empty: Sequence[OfBin]
    empty_in_all: int
    late: Sequence[KpiOrder]  # came after it was expected, or was expected and is not here
    late_in_all: int
    unanswered: Sequence[KpiOrder]  # not at all, or not within a day
    unanswered_in_all: int
    short: Sequence[KpiOrder]  # less came than was ordered
    short_in_all: int


@dataclass(frozen=True, kw_only=True)
class Review:
    supplier_id: int
    supplier: str
    quarter: Quarter
    from_at: datetime
    to_at: datetime  # its end, or now
    is_over: bool
    whole: Measured | None
    before: Measured | None  # the quarter before
    months: Sequence[Month]
    reached: Sequence[Reached]  # its agreements
    amiss: Amiss
    places: Mapping[int, str]  # of the bins: what lies there, and where
    changes: Sequence[Changed]


def review(
    conn: psycopg.Connection, supplier_id: int, quarter: Quarter, now: datetime
) -> Review | None:
    """None: whoever asks sees no such supplier. Raises SpanImpossible of a quarter to come."""
    from_at, end = midnight(quarter.first), midnight(quarter.next.first)
    if from_at >= now:
        raise SpanImpossible
    name = kept.supplier_name(conn, supplier_id)
    if name is None:
        return None
    asked = Asked(
        from_at=from_at,
        to_at=min(end, now),
        group=Group.SUPPLIER,
        supplier_id=supplier_id,
        supplier_prices=True,
    )
    whole = _only(measure(conn, asked))
    rows = behind(conn, asked, name)
    before = replace(asked, from_at=midnight(quarter.before.first), to_at=from_at)
    months = {one.name: one for one in measure(conn, replace(asked, group=Group.MONTH))}
    return Review(
        supplier_id=supplier_id,
        supplier=name,
        quarter=quarter,
        from_at=from_at,
        to_at=asked.to_at,
        is_over=end <= now,
        whole=whole,
        before=_only(measure(conn, before)),
        months=[
            Month(first=first, measured=months.get(f"{first:%Y-%m}"))
            for first in quarter.months
            if midnight(first) < now
        ],
        reached=reached(conn, from_at, asked.to_at, supplier_id=supplier_id),
        amiss=amiss_of(rows, now),
        places=_places(rows),
        changes=kept.changes(conn, supplier_id, from_at, asked.to_at, CHANGES_MAX),
    )


def last_quarters(now: datetime, count: int) -> list[Quarter]:
    """The one that runs, and those before it."""
    found = [quarter_of(now.date())]
    while len(found) < count:
        found.append(found[-1].before)
    return found


def amiss_of(rows: Behind | None, now: datetime) -> Amiss:
    bins = () if rows is None else rows.bins
    orders = () if rows is None else rows.orders
    empty = sorted(
        (one for one in bins if one.availability.empty),
        key=lambda one: (-(one.availability.empty // _MS), one.bin.bin_id),
    )
    late = sorted(
        (one for one in orders if lateness(one, now) > timedelta()),
        key=lambda one: (-(lateness(one, now) // _MS), one.number),
    )
    each = {one.order_id: one for one in orders}.values()
    unanswered = [one for one in each if waited(one, now) > ANSWER_EXPECTED]
    short = [one for one in orders if one.came_at and one.ended_at and one.received < one.quantity]
    return Amiss(
        empty=empty[:NAMED_MAX],
        empty_in_all=len(empty),
        late=late[:NAMED_MAX],
        late_in_all=len(late),
        unanswered=sorted(unanswered, key=lambda one: -(waited(one, now) // _MS))[:NAMED_MAX],
        unanswered_in_all=len(unanswered),
        short=sorted(short, key=lambda one: one.received - one.quantity)[:NAMED_MAX],
        short_in_all=len(short),
    )


def lateness(order: KpiOrder, now: datetime) -> timedelta:
    """How long after it was expected it came, or is awaited; nothing expected is never late."""
    if order.expected_at is None or (order.came_at is None and order.ended_at is not None):
        return timedelta()
    return max(timedelta(), (order.came_at or now) - order.expected_at)


def waited(order: KpiOrder, now: datetime) -> timedelta:
    """How long nobody answered: until an answer, until it came unanswered, until now."""
    return (order.answered_at or order.came_at or order.ended_at or now) - order.sent_at


def _places(rows: Behind | None) -> dict[int, str]:
    if rows is None:
        return {}
    return {of.bin.bin_id: f"{of.bin.part}, {of.bin.place}" for of in rows.bins}


def _only(measured: list[Measured]) -> Measured | None:
    assert len(measured) <= 1, "one supplier is one group"
    return measured[0] if measured else None
