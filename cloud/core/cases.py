"""What a case is, and what is looked at to find one.

A case is something that needs a person: its cause, what that rests on, and the one thing to do
first. It has a key that stays the same for as long as its cause does, so that it can be put off
(`Snooze`), told once and counted. Which facts make one is `case_list`'s to say.
"""

from dataclasses import dataclass
from datetime import datetime
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
    CHANGE_WAITS = "change_waits"  # seen on the scale, and booked by nobody
    SCALE_DIFFERS = "scale_differs"  # what is booked and what is weighed are not the same
    FINDING_WAITS = "finding_waits"  # a delivery says that a piece weighs something else
    CHANGE_PROPOSED = "change_proposed"  # the supplier would do something else than was ordered


class Action(StrEnum):
    """The one thing to do first."""

    ORDER = "order"
    EXPEDITE = "expedite"
    CALL_SUPPLIER = "call_supplier"
    LOOK_FOR_DELIVERY = "look_for_delivery"
    COUNT_AGAIN = "count_again"
    CHECK_SCALE = "check_scale"
    CHECK_GATEWAY = "check_gateway"
    CHECK_CABLE = "check_cable"  # that several scales share
    DECIDE_ORDER = "decide_order"
    LOWER_MAXIMUM = "lower_maximum"
    APPROVE = "approve"
    ANSWER_PROPOSAL = "answer_proposal"
    RENEW_AGREEMENT = "renew_agreement"
    COUNT = "count"
    ANSWER_FINDING = "answer_finding"
    ANSWER_CHANGE = "answer_change"


EMPTY = ":empty"  # ends the key of a case of a bin in which nothing is left


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
    drafted_at: datetime | None = None  # None: it is no draft, or is one no longer
    expires_at: datetime | None = None  # of the draft
    escalates_at: datetime | None = None  # of a draft that nobody has approved
    changed_at: datetime | None = None  # since when a change of the supplier's waits; None: none
    change_because: str = ""


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
    pieces: int | None = None  # as booked
    weighed: int | None = None  # by the same scale; None: not now, or it is not weighed
    weighed_tolerance: int = 0
    level_since: datetime | None = None  # of the weight that the level rests on
    unconfirmed: int = 0  # pieces; a change that is seen and not booked
    unconfirmed_since: datetime | None = None
    finding: str = ""  # of a delivery, that waits for somebody's consent; empty: none
    finding_since: datetime | None = None
    finding_says: str = ""
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
class GatewayFacts:
    """One gateway that is offline, with bins behind it."""

    name: str
    bin_id: int  # one of them
    bins: int
    critical: bool
    offline_since: datetime


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


def case_of(
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
    """Of one bin. The key is the same for as long as the cause is; `about`: what of it."""
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


def snooze(case: Case, *, by: str, because: str, until: datetime, now: datetime) -> Snooze:
    if not because.strip() or until <= now:
        raise refusals.SnoozeWithoutReason
    return Snooze(key=case.key, by=by, because=because, until=until)
