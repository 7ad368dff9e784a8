"""From what the policy of a bin decides to what is done about it, as was agreed: by its mode.

auto      the order leaves without a click
approve   a draft, for a person; it expires, and the next person is asked before that
notify    one notice for the breach and each channel, and no order
shadow    what would have been ordered is written down, and nobody is told

Without an agreement orders leave by themselves, as ever. With one that leaves, or waits for a
person, come bins to the same place that are nearly low (`core.consolidation`).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from cloud.actions.act_on_order import ACTOR_RULES, keep_act
from cloud.actions.decide import Asked, Undecided, ask_policy, keep_decision
from cloud.actions.prove import evidence_of, write_chain
from cloud.core.agreements import Clauses, Mode, Ownership
from cloud.core.bins import Bin
from cloud.core.calendars import chance_at
from cloud.core.consolidation import (
    Begun,
    Candidate,
    Destination,
    first_due,
    joining,
    leaves_at,
    within,
)
from cloud.core.modes import Course, Doing, course_of
from cloud.core.order_machine import Approve
from cloud.core.policies.base import Place
from cloud.core.trust import trust_of
from cloud.postgres import (
    agreements,
    bins,
    breaches,
    calendars,
    notices,
    orders,
    prices,
    shadow_orders,
)
from cloud.postgres.bins import Assessable, SureLevel
from cloud.postgres.orders import NewLine, NewOrder

BESIDE_MAX = 50  # bins that are asked whether they come along with one order


@dataclass(frozen=True, kw_only=True)
class Agreed:
    clauses: Clauses
    version: int  # 0: nothing was agreed on


@dataclass(frozen=True, kw_only=True)
class Need:
    """One bin that needs something, and all that its order rests on."""

    found: Assessable
    level: SureLevel
    breach_id: int | None  # None: it is not low, and its policy orders by something else
    asked: Asked
    place: Place


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
            return _order(conn, need, agreed, doing, value, now)
        case Course.TELL:
            if need.breach_id is None:
                because = f"Told when it is low: {doing.because}"
                return Done(course=doing.course, because=because, news=False)
            facts = {
                "quantity": place.quantity,
                "because": doing.because,
                "evidence": evidence_of(need.found, need.level),
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


def _order(  # noqa: PLR0917 - one call, above
    conn: psycopg.Connection,
    need: Need,
    agreed: Agreed,
    doing: Doing,
    value: int | None,
    now: datetime,
) -> Done:
    bin_, place = need.found.bin, need.place
    sends = doing.course is Course.SEND
    calendar = need.asked.calendar
    waits = sends and calendar.gathers and not place.rush
    new = NewOrder(
        supplier_id=bin_.supplier_id,
        site_id=bin_.site_id,
        consigned=consigned(agreed, bin_),
        rush=place.rush,
        agreement_version=agreed.version,
        calendar_version=calendars.version_of(conn, bin_.supplier_id),
        because=doing.because,
        due_at=need.asked.answer.expected_at,
        drafted_by=ACTOR_RULES,
        expires_at=doing.expires_at,
        escalates_at=doing.escalates_at,
        leaves_at=leaves_at(chance_at(calendar, now), now) if waits else None,
    )
    begun = Begun(
        destination=_destination(agreed, bin_),
        value=value,
        limit=agreed.clauses.value_limit if sends else None,
    )
    if new.leaves_at is not None and (waiting := orders.find_waiting(conn, new, now)):
        with_it = replace(begun, value=_both(begun.value, prices.value_of_order(conn, waiting)))
        if within(with_it.limit, with_it.value):
            beside = _beside(conn, need, agreed, with_it, now)
            _join(conn, waiting, [need, *beside], now)
            _keep(conn, waiting, beside, now)
            return Done(course=doing.course, because=doing.because, order_id=waiting)
    beside = _beside(conn, need, agreed, begun, now)
    due_at = first_due(one.asked.answer.expected_at for one in (need, *beside))
    new = replace(new, due_at=due_at)
    order_id = orders.insert(conn, new, [_line(one) for one in (need, *beside)], now)
    for one in (need, *beside):
        write_chain(conn, order_id, one.found, one.level, one.asked.answer)
    _keep(conn, order_id, beside, now)
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
        cycle=need.asked.cycle,
        ordinal=need.asked.ordinal,
        quantity=place.quantity,
        because=place.because,
        evidence=evidence_of(need.found, need.level),
    )


def _join(conn: psycopg.Connection, order_id: UUID, needs: list[Need], now: datetime) -> None:
    """More bins on an order to the same place that has not left."""
    order = orders.lock(conn, order_id)
    assert order is not None
    for number, need in enumerate(needs, start=len(order.lines) + 1):
        orders.insert_line(conn, order_id, number, _line(need))
        write_chain(conn, order_id, need.found, need.level, need.asked.answer)
        detail = f"line {number}: {need.place.because}"
        orders.add_event(conn, order_id, now, "joined", actor=ACTOR_RULES, detail=detail)
    orders.due_no_later(conn, order_id, first_due(one.asked.answer.expected_at for one in needs))


# ------------------------------------------------------------------ who comes along


def _beside(
    conn: psycopg.Connection, need: Need, agreed: Agreed, begun: Begun, now: datetime
) -> list[Need]:
    """Bins to the same place that are nearly low, and come along; held from here on.

    Whoever is in somebody else's hand is passed over, never waited for: so two who order at once
    do not wait for each other in a ring.
    """
    bin_ = need.found.bin
    whose = None if agreed.version else bin_.consigned
    may = bins.may_join(
        conn,
        bin_.bin_id,
        supplier_id=bin_.supplier_id,
        site_id=bin_.site_id,
        consigned=whose,
        limit=BESIDE_MAX,
    )
    asked = [found for bin_id in may if (found := _candidate(conn, bin_id, agreed, now))]
    needs = {candidate.bin_id: one for candidate, one in asked}
    return [needs[one.bin_id] for one in joining(begun, [candidate for candidate, _ in asked])]


def _candidate(
    conn: psycopg.Connection, bin_id: int, agreed: Agreed, now: datetime
) -> tuple[Candidate, Need] | None:
    """None: it is in use, its level may not be acted on, or it has nothing to order."""
    if bins.lock_state_if_free(conn, bin_id) is None:
        return None
    found = bins.lock(conn, bin_id)
    if found is None or found.level is None or not trust_of(found.state, now).may_act:
        return None
    bin_, pieces = found.bin, found.level.pieces
    asked = ask_policy(conn, bin_, pieces, now, joins=True)
    if isinstance(asked, Undecided) or not isinstance(asked.answer.decision, Place):
        return None
    place, watch = asked.answer.decision, breaches.watch_of(conn, bin_id).watch
    candidate = Candidate(
        bin_id=bin_id,
        destination=_destination(agreed, bin_),
        low=pieces <= bin_.limits.minimum or watch.breach is not None or bool(watch.low_since),
        ordered=asked.covered,
        decision=place,
        value=prices.value_of(conn, bin_.item_id, place.quantity),
    )
    need = Need(found=found, level=found.level, breach_id=None, asked=asked, place=place)
    return candidate, need


def _keep(conn: psycopg.Connection, order_id: UUID, beside: list[Need], now: datetime) -> None:
    """What was decided of those who came along; whoever began the order keeps his own."""
    for one in beside:
        keep_decision(conn, one.found.bin, one.asked, now, breach_id=None, order_id=order_id)
        bins.touch(conn, one.found.bin.bin_id)


def _destination(agreed: Agreed, bin_: Bin) -> Destination:
    return Destination(
        supplier_id=bin_.supplier_id, site_id=bin_.site_id, consigned=consigned(agreed, bin_)
    )


def _both(value: int | None, other: int | None) -> int | None:
    return None if value is None or other is None else value + other
