"""What of an order needs a person, of each at most one thing: the furthest it has gone wrong."""

from dataclasses import replace
from datetime import datetime

from cloud.core.breaches import Cover
from cloud.core.cases import Action, BinFacts, Case, Kind, OrderFacts, case_of
from cloud.core.trust import Trust

# What is decided of an order as a whole, however many bins it is for.
OF_WHOLE_ORDER = (Kind.APPROVAL_WAITS, Kind.CHANGE_PROPOSED, Kind.NO_ANSWER)


def cases_of_order(facts: BinFacts, order: OrderFacts, now: datetime) -> list[Case]:
    if order.outstanding <= 0:
        return []
    if order.sent_at is None:
        return _of_draft(facts, order, now)
    return _of_sent(facts, order, order.sent_at, now)


def _of_draft(facts: BinFacts, order: OrderFacts, now: datetime) -> list[Case]:
    """From the start, and once more when the next person is to be asked."""
    if order.drafted_at is None:
        return []
    until = min((at for at in (order.expires_at, facts.runs_out_at) if at), default=None)
    escalated = order.escalates_at is not None and now > order.escalates_at
    since = order.drafted_at
    because = f"{order.label} waits to be approved: {facts.name}."
    if escalated and order.escalates_at is not None:
        because, since = (
            f"{order.label} still waits to be approved: {facts.name}.",
            order.escalates_at,
        )
    case = _late(facts, order, Kind.APPROVAL_WAITS, because, since)
    key = f"{case.key}:escalated" if escalated else case.key
    return [replace(case, key=key, act_before=until)]


def _of_sent(facts: BinFacts, order: OrderFacts, sent_at: datetime, now: datetime) -> list[Case]:
    if order.changed_at is not None:
        said = f": {order.change_because}" if order.change_because else "."
        because = f"The supplier would change {order.label} for {facts.name}{said}"
        if not because.endswith("."):
            because += "."
        return [_late(facts, order, Kind.CHANGE_PROPOSED, because, order.changed_at)]
    if order.overdue_at is not None and now > order.overdue_at:
        because = f"{order.label} should have come long ago, and covers nothing any more."
        return [_late(facts, order, Kind.ORDER_AGED_OUT, because, order.overdue_at)]
    closes = order.delivery_closes_at
    if closes is not None and now > closes and not order.arrived:
        because = f"{order.label} was to come, and {facts.name} did not get heavier."
        if facts.trust is not Trust.FRESH:
            because = f"{order.label} was to come, and the scale cannot tell whether it did."
        return [_late(facts, order, Kind.DELIVERY_WITHOUT_WEIGHT, because, closes)]
    unanswered = order.answered_at is None and not order.shipped
    if unanswered and order.answer_due_at is not None and now > order.answer_due_at:
        because = f"{order.label} has not been answered in the time agreed on: {facts.name}."
        return [_late(facts, order, Kind.NO_ANSWER, because, order.answer_due_at)]
    promised, out = order.promised_at, facts.runs_out_at
    covered = facts.breach_since is not None and facts.cover is not Cover.NOT_COVERED
    late = promised is not None and out is not None and promised > out
    if late and not covered and not _comes_in_time(facts, now):
        because = f"{order.label} is promised for after {facts.name} runs out."
        return [_late(facts, order, Kind.PROMISE_AFTER_RUN_OUT, because, sent_at)]
    return []


def _comes_in_time(facts: BinFacts, now: datetime) -> bool:
    """Another order does, that may be believed: nobody has to hurry this one."""
    return any(
        order.sent_at is not None
        and order.outstanding > 0
        and order.delivery_closes_at is not None
        and facts.runs_out_at is not None
        and now <= order.delivery_closes_at <= facts.runs_out_at
        for order in facts.orders
    )


_ACTIONS = {
    Kind.ORDER_AGED_OUT: Action.DECIDE_ORDER,
    Kind.DELIVERY_WITHOUT_WEIGHT: Action.LOOK_FOR_DELIVERY,
    Kind.NO_ANSWER: Action.CALL_SUPPLIER,
    Kind.PROMISE_AFTER_RUN_OUT: Action.EXPEDITE,
    Kind.APPROVAL_WAITS: Action.APPROVE,
    Kind.CHANGE_PROPOSED: Action.ANSWER_CHANGE,
}


def _late(facts: BinFacts, order: OrderFacts, kind: Kind, because: str, since: datetime) -> Case:
    case = case_of(
        facts,
        kind,
        because,
        about=order.order_id,
        since=since,
        act_before=facts.runs_out_at,
        evidence=(order.label, facts.reading),
        action=_ACTIONS[kind],
    )
    return replace(case, key=f"{kind}:{order.order_id}") if kind in OF_WHOLE_ORDER else case
