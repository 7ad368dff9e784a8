"""From what the policy of a bin decides to what is done about it, as was agreed: by its mode.

auto      the order leaves without a click
approve   a draft, for a person; it expires, and the next person is asked before that
notify    one notice for the breach and each channel, and no order
shadow    what would have been ordered is written down, and nobody is told

Without an agreement orders leave by themselves, as ever.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from cloud.actions.act_on_order import ACTOR_RULES, keep_act
from cloud.actions.decide import Asked
from cloud.actions.prove import write_chain
from cloud.core.agreements import Clauses, Mode, Ownership
from cloud.core.bins import Bin
from cloud.core.calendars import chance_at
from cloud.core.modes import Course, Doing, course_of
from cloud.core.order_machine import Approve
from cloud.core.policies.base import Place
from cloud.postgres import agreements, notices, orders, policies, prices, shadow_orders
from cloud.postgres.bins import Assessable, SureLevel
from cloud.postgres.orders import NewLine, NewOrder

# An order that waits for others leaves so long before the cut-off.
AHEAD = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Agreed:
    clauses: Clauses
    version: int  # 0: nothing was agreed on


@dataclass(frozen=True, kw_only=True)
class Need:
    """One bin that is low, and all that its order rests on."""

    found: Assessable
    level: SureLevel
    breach_id: int
    asked: Asked
    place: Place
    evidence: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Done:
    course: Course
    because: str
    news: bool = True  # False: it was told, or written down, before
    order_id: UUID | None = None
    notices: int = 0


def agreed_on(conn: psycopg.Connection, bin_: Bin, on: date) -> Agreed:
    found = agreements.clauses_of(conn, supplier_id=bin_.supplier_id, site_id=bin_.site_id, on=on)
    if found is None:
        return Agreed(clauses=Clauses(mode=Mode.AUTO, valid_from=on), version=0)
    clauses, version = found
    return Agreed(clauses=clauses, version=version)


def place_order(conn: psycopg.Connection, need: Need, now: datetime) -> Done:
    """Runs in the transaction of the assessment, under its lock on the bin."""
    bin_, place = need.found.bin, need.place
    today = now.astimezone(ZoneInfo(need.asked.calendar.zone)).date()
    agreed = agreed_on(conn, bin_, today)
    value = prices.value_of(conn, bin_.item_id, place.quantity)
    doing = course_of(agreed.clauses, place, value=value, today=today, now=now)
    match doing.course:
        case Course.SEND | Course.DRAFT:
            return _order(conn, need, agreed, doing, now)
        case Course.TELL:
            facts = {
                "quantity": place.quantity,
                "because": doing.because,
                "evidence": need.evidence,
            }
            told = notices.owe_for_breach(conn, need.breach_id, bin_.supplier_id, now, facts)
            return Done(course=doing.course, because=doing.because, news=told > 0, notices=told)
        case Course.NOTE:
            news = shadow_orders.insert(
                conn,
                bin_,
                place,
                breach_id=need.breach_id,
                agreement_version=agreed.version,
                due_at=need.asked.answer.expected_at,
                now=now,
            )
            return Done(course=doing.course, because=doing.because, news=news)


def consigned(agreed: Agreed, bin_: Bin) -> bool:
    """The agreement says whose the goods are; where there is none, the bin does."""
    return agreed.clauses.ownership is Ownership.CONSIGNED if agreed.version else bin_.consigned


def _order(
    conn: psycopg.Connection, need: Need, agreed: Agreed, doing: Doing, now: datetime
) -> Done:
    bin_, place = need.found.bin, need.place
    sends = doing.course is Course.SEND
    calendar_version, gathers = policies.calendar_of(conn, bin_.supplier_id)
    leaves_at = None
    if sends and gathers and not place.rush:
        leaves_at = _leaves_at(need, now)
    new = NewOrder(
        supplier_id=bin_.supplier_id,
        site_id=bin_.site_id,
        consigned=consigned(agreed, bin_),
        rush=place.rush,
        agreement_version=agreed.version,
        calendar_version=calendar_version,
        because=doing.because,
        due_at=need.asked.answer.expected_at,
        drafted_by=ACTOR_RULES,
        expires_at=doing.expires_at,
        escalates_at=doing.escalates_at,
        leaves_at=leaves_at,
    )
    if leaves_at is not None and (waiting := orders.find_waiting(conn, new, now)):
        _join(conn, waiting, need, now)
        return Done(course=doing.course, because=doing.because, order_id=waiting)
    order_id = orders.insert(conn, new, [_line(need)], now)
    write_chain(conn, order_id, need.found, need.level, need.asked.answer)
    if not sends:
        orders.add_event(conn, order_id, now, "drafted", actor=ACTOR_RULES, detail=doing.because)
        return Done(course=doing.course, because=doing.because, order_id=order_id)
    order = orders.lock(conn, order_id)
    assert order is not None
    act = Approve(by=ACTOR_RULES)
    keep_act(conn, order, act, now, actor=ACTOR_RULES, because=doing.because, touch=False)
    owed = notices.count_of_order(conn, order_id)
    return Done(course=doing.course, because=doing.because, order_id=order_id, notices=owed)


def _line(need: Need) -> NewLine:
    bin_, place = need.found.bin, need.place
    return NewLine(
        bin_id=bin_.bin_id,
        item_id=bin_.item_id,
        breach_id=need.breach_id,
        cycle=place.cycle,
        ordinal=place.ordinal,
        quantity=place.quantity,
        because=place.because,
        evidence=need.evidence,
    )


def _leaves_at(need: Need, now: datetime) -> datetime | None:
    """As late before the cut-off as is safe, so that more can join; None: at once."""
    at = chance_at(need.asked.calendar, now).until - AHEAD
    return at if at > now else None


def _join(conn: psycopg.Connection, order_id: UUID, need: Need, now: datetime) -> None:
    """One more bin on an order to the same place that has not left."""
    order = orders.lock(conn, order_id)
    assert order is not None
    number = len(order.lines) + 1
    orders.insert_line(conn, order_id, number, _line(need))
    write_chain(conn, order_id, need.found, need.level, need.asked.answer)
    detail = f"line {number}: {need.place.because}"
    orders.add_event(conn, order_id, now, "joined", actor=ACTOR_RULES, detail=detail)
