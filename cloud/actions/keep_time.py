"""What becomes of an order that has not left: it expires, escalates, is sent, or loses its ground.

That a bin on it was filled by somebody else is found here and not where the bin is looked at: the
order is to be held with all its bins, which whoever holds one of them may not wait for. A bin that
only came along leaves the order alone when its policy would not let it come along any more.
"""

from datetime import datetime

import psycopg

from cloud.actions.act_on_order import ACTOR_RULES, keep_act, lock_order
from cloud.actions.decide import Undecided, ask_policy
from cloud.core.consolidation import left_because, withdrawn_because
from cloud.core.order_machine import End, Leave, Order, Send
from cloud.core.order_states import State, Verb
from cloud.core.policies.base import Place
from cloud.core.trust import trust_of
from cloud.postgres import bins, order_times, orders
from cloud.postgres.order_times import Beside, Timed, timed

__all__ = ["keep_time", "timed"]

_EXPIRED = "nobody approved it in time"
_ESCALATED = "nobody has approved it yet"


def keep_time(conn: psycopg.Connection, one: Timed, now: datetime) -> str:
    """What happened, as a sentence; empty: nothing, because somebody was quicker."""
    with conn.transaction():
        order = lock_order(conn, one.order_id)
        if one.refilled and (told := _withdraw(conn, order, now)):
            return told
        if one.eased and (told := _let_go(conn, order, now)):
            return told
        if one.leaves:
            return _send(conn, order, now)
        if order.state is not State.DRAFT:
            return ""
        if order.expires_at is not None and order.expires_at <= now:
            return _expire(conn, order, now)
        return _escalate(conn, order, now)


def _withdraw(conn: psycopg.Connection, order: Order, now: datetime) -> str:
    """No person has said no: what is still low is ordered again, without what was filled."""
    if order.state not in (State.DRAFT, State.APPROVED):
        return ""
    ground = order_times.ground_of(conn, order.order_id)
    filled = [one.code for one in ground if one.began and not one.low]
    if not filled:
        return ""
    because = withdrawn_because(filled, [one.code for one in ground if one.low])
    end = End(verb=Verb.CANCEL, by=ACTOR_RULES, because=because)
    keep_act(conn, order, end, now, actor=ACTOR_RULES, touch=True)
    bins.make_due(conn, sorted({line.bin_id for line in order.lines}))
    return f"{order.label}: withdrawn, {because}"


def _let_go(conn: psycopg.Connection, order: Order, now: datetime) -> str:
    """Lines of bins that came along, and would not now: filled by hand, or counted to hold more."""
    if order.state not in (State.DRAFT, State.APPROVED):
        return ""
    leaving = {
        one: because
        for one in order_times.came_along(conn, order.order_id)
        if (because := _needs_nothing(conn, order, one, now))
    }
    if not leaving:
        return ""
    because = "; ".join(leaving.values())
    leave = Leave(lines=tuple(one.number for one in leaving), because=because)
    keep_act(conn, order, leave, now, actor=ACTOR_RULES, touch=True)
    bins.make_due(conn, sorted({one.bin_id for one in leaving}))
    return f"{order.label}: left, {because}"


def _needs_nothing(conn: psycopg.Connection, order: Order, one: Beside, now: datetime) -> str:
    """Why its policy would not let it come along now; empty: it would, or nobody can tell."""
    found = bins.lock(conn, one.bin_id)
    if found is None or found.level is None or not trust_of(found.state, now).may_act:
        return ""
    pieces = found.level.pieces
    if pieces <= one.pieces:
        return ""  # nothing came, and no count said that there is more
    asked = ask_policy(conn, found.bin, pieces, now, joins=True, without=order.order_id)
    if isinstance(asked, Undecided) or isinstance(asked.answer.decision, Place):
        return ""
    return left_because(one.number, one.code, asked.answer.decision.because)


def _send(conn: psycopg.Connection, order: Order, now: datetime) -> str:
    if order.state is not State.APPROVED or (order.leaves_at or now) > now:
        return ""
    keep_act(conn, order, Send(), now, actor=ACTOR_RULES, touch=True)
    lines = sum(not line.left for line in order.lines)
    return f"{order.label}: sent, {lines} {'line' if lines == 1 else 'lines'}"


def _expire(conn: psycopg.Connection, order: Order, now: datetime) -> str:
    """Its bins are looked at again: where one is still low there will be a new draft."""
    end = End(verb=Verb.EXPIRE, by=ACTOR_RULES, because=_EXPIRED)
    keep_act(conn, order, end, now, actor=ACTOR_RULES, touch=True)
    bins.make_due(conn, sorted({line.bin_id for line in order.lines}))
    return f"{order.label}: expired, {_EXPIRED}"


def _escalate(conn: psycopg.Connection, order: Order, now: datetime) -> str:
    if order.escalates_at is None or order.escalates_at > now:
        return ""
    if not order_times.note_escalated(conn, order.order_id, now):
        return ""
    orders.add_event(conn, order.order_id, now, "escalated", actor=ACTOR_RULES, detail=_ESCALATED)
    for bin_id in sorted({line.bin_id for line in order.lines}):
        bins.touch(conn, bin_id)
    return f"{order.label}: escalated, {_ESCALATED}"
