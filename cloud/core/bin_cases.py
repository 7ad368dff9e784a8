"""What of a bin itself needs a person: its scale, its level beside the book, what it lacks.

Book, scale and count are three; which two differ says what to do. On a number that is not trusted
nothing is said but that.
"""

import math
from datetime import datetime, timedelta

from cloud.core.breaches import Cover
from cloud.core.cases import EMPTY, Action, BinFacts, Case, Kind, case_of
from cloud.core.levels import Calibration
from cloud.core.policies.base import Ask
from cloud.core.remainders import UNSAID_ERROR_REL, UNSAID_SPREAD_REL
from cloud.core.trust import Trust

CONFIRMED_WITHIN = timedelta(hours=1)  # what is seen for longer and not booked, nobody will book
DIFFERS_MIN = 2  # pieces; what rounds the other way is no drift
DIFFERS_SDS = 4


def cases_of_bin(facts: BinFacts, now: datetime) -> list[Case]:
    found = [*_sensor(facts), *_waiting(facts, now), *_low(facts), *_asked(facts)]
    return [*found, *_overstock(facts), *_count(facts), *_finding(facts)]


def _sensor(facts: BinFacts) -> list[Case]:
    if facts.trust in (Trust.FRESH, Trust.UNIT_CHANGED) or facts.untrusted_since is None:
        return []
    return [
        case_of(
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
        case_of(
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
        case_of(
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
        case_of(
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
        case_of(
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
            case_of(
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
        case_of(
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
        case_of(
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
