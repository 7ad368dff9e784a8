"""The one list of what needs a person, most urgent first.

A pure function of what holds now: nothing is opened or closed here, and what has lost its cause is
gone by itself. A case has a key that stays the same for as long as its cause does, so that it can
be put off (`Snooze`), told once and counted. A case that gets worse is another case: putting off
"covered but late" does not silence "not covered".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cloud.core import refusals
from cloud.core.breaches import Cover
from cloud.core.policies.base import Ask
from cloud.core.trust import Trust


class Kind(StrEnum):
    LOW_NOT_COVERED = "low_not_covered"
    COVERED_LATE = "covered_late"
    NO_ANSWER = "no_answer"
    PROMISE_AFTER_RUN_OUT = "promise_after_run_out"
    DELIVERY_WITHOUT_WEIGHT = "delivery_without_weight"
    COUNT_DIFFERS = "count_differs"
    SENSOR_DOWN = "sensor_down"
    ORDER_AGED_OUT = "order_aged_out"
    OVERSTOCK = "overstock"
    APPROVAL_WAITS = "approval_waits"
    PROPOSAL_WAITS = "proposal_waits"
    AGREEMENT_ENDS = "agreement_ends"
    CANNOT_ORDER = "cannot_order"  # the policy would order, and what it may order does not do


class Action(StrEnum):
    """The one thing to do first."""

    ORDER = "order"
    EXPEDITE = "expedite"
    CALL_SUPPLIER = "call_supplier"
    LOOK_FOR_DELIVERY = "look_for_delivery"
    COUNT_AGAIN = "count_again"
    CHECK_SCALE = "check_scale"
    CHECK_GATEWAY = "check_gateway"
    DECIDE_ORDER = "decide_order"
    LOWER_MAXIMUM = "lower_maximum"
    APPROVE = "approve"
    ANSWER_PROPOSAL = "answer_proposal"
    RENEW_AGREEMENT = "renew_agreement"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something that needs a person."""

    key: str
    kind: Kind
    bin_id: int
    critical: bool
    because: str  # the cause, a sentence
    since: datetime
    act_before: datetime | None  # None: nothing runs out, it is only wrong
    evidence: tuple[str, ...]  # what it rests on, by the names a page can open
    action: Action


@dataclass(frozen=True, kw_only=True)
class OrderFacts:
    """One order of a bin, as far as it can need a person."""

    order_id: str
    label: str
    outstanding: int
    sent_at: datetime | None
    answered_at: datetime | None
    answer_due_at: datetime | None
    promised_at: datetime | None
    delivery_closes_at: datetime | None  # the end of the promised day, where it is promised
    shipped: bool = False
    arrived: bool = False  # the scale has seen some of it
    overdue_at: datetime | None = None  # promise and grace
    escalates_at: datetime | None = None  # of a draft that nobody has approved


@dataclass(frozen=True, kw_only=True)
class BinFacts:
    """What is known of one bin at `now`."""

    bin_id: int
    name: str
    critical: bool = False
    trust: Trust = Trust.FRESH
    trust_because: str = ""
    untrusted_since: datetime | None = None
    gateway: str = ""  # behind which its scale is
    pieces: int | None = None
    reading: str = ""
    breach_since: datetime | None = None
    breach: str = ""
    cover: Cover = Cover.NOT_COVERED
    runs_out_at: datetime | None = None
    ask: Ask | None = None  # of the newest decision
    ask_because: str = ""
    ask_since: datetime | None = None
    maximum: int | None = None
    over_since: datetime | None = None
    counted: int | None = None
    counted_at: datetime | None = None
    count_tolerance: int = 0
    count: str = ""
    orders: tuple[OrderFacts, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AgreementFacts:
    """One agreement, as far as it can need a person of the customer's."""

    agreement_id: int
    name: str
    bin_id: int  # one of its bins: a case stands for all of them
    proposal: int | None = None  # the oldest of the supplier's that nobody has answered
    proposed_at: datetime | None = None
    proposals: int = 0
    because: str = ""  # of the oldest
    ends_soon_since: datetime | None = None  # None: it does not
    ends_at: datetime | None = None
    leaves_by_itself: bool = False  # what is ordered, while it holds


@dataclass(frozen=True, kw_only=True)
class Snooze:
    """Put off by a person, for a reason and a time."""

    key: str
    by: str
    because: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Cases:
    open: tuple[Case, ...]
    snoozed: tuple[Case, ...]


def snooze(case: Case, *, by: str, because: str, until: datetime, now: datetime) -> Snooze:
    if not because.strip() or until <= now:
        raise refusals.SnoozeWithoutReason
    return Snooze(key=case.key, by=by, because=because, until=until)


def cases(
    bins: Iterable[BinFacts],
    now: datetime,
    snoozes: Iterable[Snooze] = (),
    agreements: Iterable[AgreementFacts] = (),
) -> Cases:
    """All that needs a person now. What was put off comes back when its time is over."""
    known = list(bins)
    away = _behind_away(known)
    found = [_gateway_away(gateway, behind) for gateway, behind in away.items()]
    found += [
        case
        for facts in known
        for case in _of_bin(facts, now)
        if case.kind is not Kind.SENSOR_DOWN
        or facts.gateway not in away
        or facts.trust is not Trust.OFFLINE
    ]
    found += [case for facts in agreements for case in _of_agreement(facts, now)]
    found.sort(key=_urgency)
    quiet = {one.key for one in snoozes if now < one.until}
    return Cases(
        open=tuple(case for case in found if case.key not in quiet),
        snoozed=tuple(case for case in found if case.key in quiet),
    )


def _behind_away(bins: Iterable[BinFacts]) -> dict[str, list[BinFacts]]:
    """Bins not heard of for one cause, by their gateway; a single bin keeps its own case."""
    behind: dict[str, list[BinFacts]] = {}
    for facts in bins:
        if facts.trust is Trust.OFFLINE and facts.gateway and facts.untrusted_since is not None:
            behind.setdefault(facts.gateway, []).append(facts)
    return {gateway: several for gateway, several in behind.items() if len(several) > 1}


def _first_out(facts: BinFacts) -> tuple[bool, float, int]:
    out = facts.runs_out_at
    return (out is None, out.timestamp() if out else 0.0, facts.bin_id)


def _gateway_away(gateway: str, behind: list[BinFacts]) -> Case:
    """One thing to do, and so one case: not forty."""
    first = min(behind, key=_first_out)
    return Case(
        key=f"{Kind.SENSOR_DOWN}:gateway:{gateway}",
        kind=Kind.SENSOR_DOWN,
        bin_id=first.bin_id,
        critical=any(one.critical for one in behind),
        because=f"Gateway {gateway} is offline: {len(behind):,} bins are not heard of.",
        since=min(one.untrusted_since for one in behind if one.untrusted_since is not None),
        act_before=first.runs_out_at,  # as estimated: nobody would notice the first run out
        evidence=(),
        action=Action.CHECK_GATEWAY,
    )


def _of_agreement(facts: AgreementFacts, now: datetime) -> list[Case]:
    found = []
    if facts.proposal is not None and facts.proposed_at is not None:
        more = f", and {facts.proposals - 1:,} more" if facts.proposals > 1 else ""
        found.append(
            _about_agreement(
                facts,
                Kind.PROPOSAL_WAITS,
                f"The supplier proposes a change of {facts.name}{more}: {facts.because}",
                about=str(facts.proposal),
                since=facts.proposed_at,
                act_before=None,
                action=Action.ANSWER_PROPOSAL,
            )
        )
    if facts.ends_soon_since is not None and facts.ends_at is not None:
        ended = facts.ends_at <= now
        name = facts.name[:1].upper() + facts.name[1:]
        because = f"{name} {'has ended' if ended else 'ends soon'}."
        if ended and facts.leaves_by_itself:
            because += " A person is asked before anything is ordered."
        found.append(
            _about_agreement(
                facts,
                Kind.AGREEMENT_ENDS,
                because,
                about="ended" if ended else "soon",
                since=facts.ends_at if ended else facts.ends_soon_since,
                act_before=facts.ends_at,
                action=Action.RENEW_AGREEMENT,
            )
        )
    return found


def _about_agreement(
    facts: AgreementFacts,
    kind: Kind,
    because: str,
    *,
    about: str,
    since: datetime,
    act_before: datetime | None,
    action: Action,
) -> Case:
    label = f"agreement-{facts.agreement_id}"
    return Case(
        key=f"{kind}:{label}:{about}",
        kind=kind,
        bin_id=facts.bin_id,
        critical=False,
        because=because,
        since=since,
        act_before=act_before,
        evidence=(label,),
        action=action,
    )


def _urgency(case: Case) -> tuple[bool, datetime, bool, datetime, str]:
    """By the time left; of what has none, and of what is due at once, the critical first."""
    return (
        case.act_before is None,
        case.act_before or case.since,
        not case.critical,
        case.since,
        case.key,
    )


def _of_bin(facts: BinFacts, now: datetime) -> list[Case]:
    found = [*_sensor(facts), *_low(facts), *_asked(facts), *_overstock(facts), *_count(facts)]
    for order in facts.orders:
        found += _of_order(facts, order, now)
    return found


def _case(
    facts: BinFacts,
    kind: Kind,
    because: str,
    *,
    about: str = "",
    since: datetime,
    act_before: datetime | None,
    evidence: tuple[str, ...],
    action: Action,
) -> Case:
    return Case(
        key=":".join(filter(None, (kind, str(facts.bin_id), about))),
        kind=kind,
        bin_id=facts.bin_id,
        critical=facts.critical,
        because=because,
        since=since,
        act_before=act_before,
        evidence=tuple(filter(None, evidence)),
        action=action,
    )


def _sensor(facts: BinFacts) -> list[Case]:
    if facts.trust is Trust.FRESH or facts.untrusted_since is None:
        return []
    return [
        _case(
            facts,
            Kind.SENSOR_DOWN,
            f"{facts.name}: {facts.trust_because or facts.trust}",
            since=facts.untrusted_since,
            act_before=facts.runs_out_at,  # as estimated: nobody would notice it run out
            evidence=(facts.reading,),
            action=Action.CHECK_SCALE,
        )
    ]


def _low(facts: BinFacts) -> list[Case]:
    """On a number that is not trusted nothing is said but that: the breach may be long over."""
    if facts.breach_since is None or facts.trust is not Trust.FRESH:
        return []
    left = "" if facts.pieces is None else f", {facts.pieces:,} left"
    match facts.cover:
        case Cover.COVERED:
            return []
        case Cover.NOT_COVERED if _asked(facts):
            return []  # the same, with the reason why nothing is on its way
        case Cover.NOT_COVERED:
            kind, action = Kind.LOW_NOT_COVERED, Action.ORDER
            because = f"{facts.name} is low{left}, and nothing is on its way."
        case Cover.LATE:
            kind, action = Kind.COVERED_LATE, Action.EXPEDITE
            because = f"{facts.name} is low{left}, and runs out before its order comes."
    return [
        _case(
            facts,
            kind,
            because,
            about=facts.breach,
            since=facts.breach_since,
            act_before=facts.runs_out_at,
            evidence=(facts.reading, facts.breach, *(order.label for order in facts.orders)),
            action=action,
        )
    ]


def _asked(facts: BinFacts) -> list[Case]:
    """What the policy asks. That an order is promised too late is told of the order itself."""
    trusted = facts.trust is Trust.FRESH
    if not trusted or facts.ask in (None, Ask.PROMISED_LATE) or facts.ask_since is None:
        return []
    return [
        _case(
            facts,
            Kind.CANNOT_ORDER,
            f"{facts.name}: {facts.ask_because}",
            about=str(facts.ask),
            since=facts.ask_since,
            act_before=facts.runs_out_at,
            evidence=(facts.reading, facts.breach),
            action=Action.DECIDE_ORDER,
        )
    ]


def _overstock(facts: BinFacts) -> list[Case]:
    trusted = facts.trust is Trust.FRESH
    if not trusted or facts.pieces is None or facts.maximum is None or facts.over_since is None:
        return []
    if facts.pieces <= facts.maximum:
        return []
    over = facts.pieces - facts.maximum
    return [
        _case(
            facts,
            Kind.OVERSTOCK,
            f"{facts.name} holds {over:,} more than its maximum of {facts.maximum:,}.",
            since=facts.over_since,
            act_before=None,
            evidence=(facts.reading,),
            action=Action.LOWER_MAXIMUM,
        )
    ]


def _count(facts: BinFacts) -> list[Case]:
    if facts.counted is None or facts.counted_at is None or facts.pieces is None:
        return []
    if abs(facts.counted - facts.pieces) <= facts.count_tolerance:
        return []
    return [
        _case(
            facts,
            Kind.COUNT_DIFFERS,
            f"{facts.name}: {facts.counted:,} were counted, the scale says {facts.pieces:,}.",
            about=facts.count,
            since=facts.counted_at,
            act_before=None,
            evidence=(facts.count, facts.reading),
            action=Action.COUNT_AGAIN,
        )
    ]


def _of_order(facts: BinFacts, order: OrderFacts, now: datetime) -> list[Case]:
    """At most one case of each order: the furthest it has gone wrong."""
    if order.outstanding <= 0:
        return []
    if order.sent_at is None:
        return _of_draft(facts, order, now)
    return _of_sent(facts, order, order.sent_at, now)


def _of_draft(facts: BinFacts, order: OrderFacts, now: datetime) -> list[Case]:
    if order.escalates_at is None or now <= order.escalates_at:
        return []
    because = f"{order.label} waits to be approved."
    return [_late(facts, order, Kind.APPROVAL_WAITS, because, order.escalates_at)]


def _of_sent(facts: BinFacts, order: OrderFacts, sent_at: datetime, now: datetime) -> list[Case]:
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
        because = f"{order.label} has not been answered in the time agreed on."
        return [_late(facts, order, Kind.NO_ANSWER, because, order.answer_due_at)]
    promised, out = order.promised_at, facts.runs_out_at
    covered = facts.breach_since is not None and facts.cover is not Cover.NOT_COVERED
    if promised is not None and out is not None and promised > out and not covered:
        because = f"{order.label} is promised for after {facts.name} runs out."
        return [_late(facts, order, Kind.PROMISE_AFTER_RUN_OUT, because, sent_at)]
    return []


_ACTIONS = {
    Kind.ORDER_AGED_OUT: Action.DECIDE_ORDER,
    Kind.DELIVERY_WITHOUT_WEIGHT: Action.LOOK_FOR_DELIVERY,
    Kind.NO_ANSWER: Action.CALL_SUPPLIER,
    Kind.PROMISE_AFTER_RUN_OUT: Action.EXPEDITE,
    Kind.APPROVAL_WAITS: Action.APPROVE,
}


def _late(facts: BinFacts, order: OrderFacts, kind: Kind, because: str, since: datetime) -> Case:
    return _case(
        facts,
        kind,
        because,
        about=order.order_id,
        since=since,
        act_before=facts.runs_out_at,
        evidence=(order.label, facts.reading),
        action=_ACTIONS[kind],
    )


def next_look(bins: Iterable[BinFacts], now: datetime) -> timedelta | None:
    """How long until a deadline passes that makes a case; None: only news can make one."""
    deadlines = (
        at
        for facts in bins
        for order in facts.orders
        for at in _deadlines(order)
        if at is not None and at >= now
    )
    first = min(deadlines, default=None)
    return None if first is None else first - now


def _deadlines(order: OrderFacts) -> tuple[datetime | None, ...]:
    if order.sent_at is None:
        return (order.escalates_at,)
    return (order.answer_due_at, order.delivery_closes_at, order.overdue_at)
