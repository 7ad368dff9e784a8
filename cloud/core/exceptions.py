"""The one list of what needs a person, most urgent first.

A pure function of what holds now: nothing is opened or closed here, and what has lost its cause is
gone by itself. A case that gets worse is another case: putting off "covered but late" does not
silence "not covered". What is one thing to do is one case: forty bins behind a gateway that is
away, or six lines of one order that wait for one answer.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from cloud.core.breaches import Cover
from cloud.core.cases import (
    EMPTY,
    Action,
    AgreementFacts,
    BinFacts,
    Case,
    Cases,
    GatewayFacts,
    Kind,
    OrderFacts,
    Snooze,
    snooze,
)
from cloud.core.levels import Calibration
from cloud.core.policies.base import Ask
from cloud.core.remainders import UNSAID_ERROR_REL, UNSAID_SPREAD_REL
from cloud.core.trust import Trust

__all__ = [
    "Action",
    "AgreementFacts",
    "BinFacts",
    "Case",
    "Cases",
    "GatewayFacts",
    "Kind",
    "OrderFacts",
    "Snooze",
    "cases",
    "scale_tolerance",
    "snooze",
]

# A restart takes a minute or two; bins that report rarely would hide for hours that theirs is away.
BACK_WITHIN = timedelta(minutes=10)
ALONE_MAX = 1  # bins behind a gateway that is away
ALONE_MAX_SILENT = 3  # behind one that is there
CONFIRMED_WITHIN = timedelta(hours=1)  # what is seen for longer and not booked, nobody will book
DIFFERS_MIN = 2  # pieces; what rounds the other way is no drift
DIFFERS_SDS = 4
# What is decided of an order as a whole, however many bins it is for.
_OF_WHOLE_ORDER = (Kind.APPROVAL_WAITS, Kind.CHANGE_PROPOSED, Kind.NO_ANSWER)


def cases(
    bins: Iterable[BinFacts],
    now: datetime,
    snoozes: Iterable[Snooze] = (),
    agreements: Iterable[AgreementFacts] = (),
    gateways: Iterable[GatewayFacts] = (),
) -> Cases:
    """All that needs a person now. What was put off comes back when its time is over."""
    known = list(bins)
    away = _behind(known, Trust.OFFLINE, ALONE_MAX)
    silent_behind = _behind(known, Trust.STALE, ALONE_MAX_SILENT)
    found = [_gateway_away(gateway, behind) for gateway, behind in away.items()]
    found += [_scales_silent(gateway, behind) for gateway, behind in silent_behind.items()]
    found += [
        case
        for facts in known
        for case in _of_bin(facts, now)
        if case.kind is not Kind.SENSOR_DOWN
        or facts.gateway
        not in {Trust.OFFLINE: away, Trust.STALE: silent_behind}.get(facts.trust, {})
    ]
    silent = {facts.gateway for facts in known if facts.trust is Trust.OFFLINE}
    found += [
        _gateway_still_quiet(one)
        for one in gateways
        if one.name not in silent and now - one.offline_since > BACK_WITHIN
    ]
    found += [case for facts in agreements for case in _of_agreement(facts, now)]
    found = _one_of_each_order(found)
    found.sort(key=_urgency)
    quiet = {one.key for one in snoozes if now < one.until}
    return Cases(
        open=tuple(case for case in found if case.key not in quiet),
        snoozed=tuple(case for case in found if case.key in quiet),
    )


def _one_of_each_order(found: Iterable[Case]) -> list[Case]:
    """Lines of one order that wait for one answer are told once, by what runs out first."""
    alone: list[Case] = []
    of_order: dict[str, list[Case]] = {}
    for case in found:
        if case.kind in _OF_WHOLE_ORDER:
            of_order.setdefault(case.key, []).append(case)
        else:
            alone.append(case)
    return alone + [_told_once(several) for several in of_order.values()]


def _told_once(several: list[Case]) -> Case:
    first = min(several, key=lambda case: (_urgency(case), case.bin_id))
    if len(several) == 1:
        return first
    more = len({case.bin_id for case in several}) - 1
    return replace(
        first,
        critical=any(case.critical for case in several),
        because=f"{first.because[:-1]}, with {more:,} more {'bin' if more == 1 else 'bins'}.",
        since=min(case.since for case in several),
    )


def _behind(bins: Iterable[BinFacts], trust: Trust, alone: int) -> dict[str, list[BinFacts]]:
    """Bins not heard of for one cause, by their gateway; up to `alone` keep cases of their own."""
    behind: dict[str, list[BinFacts]] = {}
    for facts in bins:
        if facts.trust is trust and facts.untrusted_since is not None:
            behind.setdefault(facts.gateway, []).append(facts)
    return {gateway: several for gateway, several in behind.items() if len(several) > alone}


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


def _scales_silent(gateway: str, silent: list[BinFacts]) -> Case:
    """So many at once have a cause in common. That twice as many are silent is another case."""
    first = min(silent, key=_first_out)
    because = f"{len(silent):,} bins behind gateway {gateway} are not heard of, and it is there."
    if not gateway:
        because = f"{len(silent):,} bins are watched by no sensor."
    return Case(
        key=f"{Kind.SENSOR_DOWN}:behind:{gateway or 'none'}:{len(silent).bit_length()}",
        kind=Kind.SENSOR_DOWN,
        bin_id=first.bin_id,
        critical=any(one.critical for one in silent),
        because=because,
        since=min(one.untrusted_since for one in silent if one.untrusted_since is not None),
        act_before=first.runs_out_at,
        evidence=(),
        action=Action.CHECK_CABLE,
    )


def _gateway_still_quiet(facts: GatewayFacts) -> Case:
    """Before its bins are called silent, and the same case then."""
    bins = "1 bin is" if facts.bins == 1 else f"{facts.bins:,} bins are"
    return Case(
        key=f"{Kind.SENSOR_DOWN}:gateway:{facts.name}",
        kind=Kind.SENSOR_DOWN,
        bin_id=facts.bin_id,
        critical=facts.critical,
        because=f"Gateway {facts.name} is offline: {bins} behind it.",
        since=facts.offline_since,
        act_before=None,
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
    found = [*_sensor(facts), *_waiting(facts, now), *_low(facts), *_asked(facts)]
    found += [*_overstock(facts), *_count(facts), *_finding(facts)]
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
    if facts.trust in (Trust.FRESH, Trust.UNIT_CHANGED) or facts.untrusted_since is None:
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


def _waiting(facts: BinFacts, now: datetime) -> list[Case]:
    """What the scale shows and nobody has booked: only a person can say what it was."""
    since = facts.unconfirmed_since
    if facts.trust is Trust.UNIT_CHANGED and facts.untrusted_since is not None:
        since, because = facts.untrusted_since, f"{facts.name}: {facts.trust_because}"
    elif facts.trust is Trust.FRESH and facts.unconfirmed and since is not None:
        if now - since <= CONFIRMED_WITHIN:
            return []
        pieces, way = abs(facts.unconfirmed), "more" if facts.unconfirmed > 0 else "fewer"
        what = "piece" if pieces == 1 else "pieces"
        because = f"{facts.name}: the scale shows {pieces:,} {what} {way}, and that is not booked."
    else:
        return []
    return [
        _case(
            facts,
            Kind.CHANGE_WAITS,
            because,
            about=f"{since:%Y%m%dT%H%M%S}",  # the next one is another
            since=since,
            act_before=facts.runs_out_at,
            evidence=(facts.reading,),
            action=Action.COUNT,
        )
    ]


def _low(facts: BinFacts) -> list[Case]:
    """On a number that is not trusted nothing is said but that: the breach may be long over."""
    if facts.breach_since is None or facts.trust is not Trust.FRESH:
        return []
    # A refill that is seen and not confirmed yet is in it, as everybody before it can see.
    there = None if facts.pieces is None else max(0, facts.pieces + facts.unconfirmed)
    empty = there == 0
    left = "" if there is None else f", {there:,} left"
    match facts.cover:
        case Cover.COVERED if not empty:
            return []
        case Cover.NOT_COVERED if _asked(facts):
            return []  # the same, with the reason why nothing is on its way
        case Cover.NOT_COVERED:
            kind, action = Kind.LOW_NOT_COVERED, Action.ORDER
            because = f"{facts.name} is low{left}, and nothing is on its way."
            if empty:
                because = f"{facts.name} is empty, and nothing is on its way."
        case _:
            kind, action = Kind.COVERED_LATE, Action.EXPEDITE
            because = f"{facts.name} is low{left}, and runs out before its order comes."
            if empty:
                because = f"{facts.name} is empty, and its order has not come yet."
    return [
        _case(
            facts,
            kind,
            because,
            about=facts.breach + EMPTY if empty else facts.breach,
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


def scale_tolerance(pieces: int, sd_pieces: float, calibration: Calibration) -> int:
    """By how many pieces book and scale may differ at this level, and nothing be wrong."""
    unit_ug = calibration.unit_weight_ug
    spread = math.sqrt(pieces) * (calibration.unit_sd_ug / unit_ug or UNSAID_SPREAD_REL)
    error = pieces * (calibration.unit_error_ug / unit_ug or UNSAID_ERROR_REL)
    sd = max(sd_pieces, math.hypot(spread, error, calibration.scale_sd_mg / calibration.unit_mg))
    return max(DIFFERS_MIN, math.ceil(DIFFERS_SDS * sd))


def _count(facts: BinFacts) -> list[Case]:
    """Book, scale and count are three; which two differ says what to do."""
    if facts.pieces is None:
        return []
    scale = facts.pieces if facts.weighed is None else facts.weighed
    if facts.counted is not None and facts.counted_at is not None:
        if abs(facts.counted - scale) <= max(facts.count_tolerance, facts.weighed_tolerance):
            return []
        return [
            _case(
                facts,
                Kind.COUNT_DIFFERS,
                f"{facts.name}: {facts.counted:,} were counted, the scale says {scale:,}.",
                about=facts.count,
                since=facts.counted_at,
                act_before=None,
                evidence=(facts.count, facts.reading),
                action=Action.COUNT_AGAIN,
            )
        ]
    drifted = facts.trust is Trust.FRESH and not facts.unconfirmed
    if not drifted or facts.level_since is None:
        return []
    if abs(facts.pieces - scale) <= facts.weighed_tolerance:
        return []
    return [
        _case(
            facts,
            Kind.SCALE_DIFFERS,
            f"{facts.name}: {facts.pieces:,} are booked, and the scale weighs {scale:,}.",
            since=facts.level_since,
            act_before=facts.runs_out_at,
            evidence=(facts.reading,),
            action=Action.COUNT,
        )
    ]


def _finding(facts: BinFacts) -> list[Case]:
    if not facts.finding or facts.finding_since is None:
        return []
    return [
        _case(
            facts,
            Kind.FINDING_WAITS,
            f"{facts.name}: a piece may weigh something else. {facts.finding_says}",
            about=facts.finding,
            since=facts.finding_since,
            act_before=None,
            evidence=(facts.finding,),
            action=Action.ANSWER_FINDING,
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
    case = _case(
        facts,
        kind,
        because,
        about=order.order_id,
        since=since,
        act_before=facts.runs_out_at,
        evidence=(order.label, facts.reading),
        action=_ACTIONS[kind],
    )
    return replace(case, key=f"{kind}:{order.order_id}") if kind in _OF_WHOLE_ORDER else case
