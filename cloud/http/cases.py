"""The words of a case: what to do, until when, and where that begins. The same on list and wall."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cloud.actions.look_for_cases import Looked
from cloud.core.cases import EMPTY, Action, Case, Kind
from cloud.http import words

Mark = Literal["empty", "low", "stale"]  # how much time is left

SOON = timedelta(hours=24)
FIRST_MAX = 30  # on the wall; the list has them all
BUTTONS = {
    Action.ORDER: "Open bin",
    Action.EXPEDITE: "Open order",
    Action.CALL_SUPPLIER: "Open order",
    Action.LOOK_FOR_DELIVERY: "Open bin",
    Action.COUNT_AGAIN: "Count the bin",
    Action.CHECK_SCALE: "Open bin",
    Action.CHECK_GATEWAY: "Show its bins",
    Action.CHECK_CABLE: "Show the bins",
    Action.DECIDE_ORDER: "Open bin",
    Action.LOWER_MAXIMUM: "Change the limits",
    Action.APPROVE: "Open order",
    Action.ANSWER_PROPOSAL: "Open agreement",
    Action.RENEW_AGREEMENT: "Open agreement",
    Action.COUNT: "Count the bin",
    Action.ANSWER_FINDING: "Look at the weight",
    Action.ANSWER_CHANGE: "Open order",
}
TO_DO = {
    Action.ORDER: "Find out why nothing was ordered.",
    Action.EXPEDITE: "Ask for it sooner.",
    Action.CALL_SUPPLIER: "Call the supplier.",
    Action.LOOK_FOR_DELIVERY: "Look whether it came.",
    Action.COUNT_AGAIN: "Count once more. If it is the same, the weight of the empty bin or of a"
    " piece is off: weigh a counted sample.",
    Action.CHECK_SCALE: "Look at the scale and its cable.",
    Action.CHECK_GATEWAY: "Look at its power and network.",
    Action.CHECK_CABLE: "Look at the cable and the power that they share.",
    Action.DECIDE_ORDER: "Decide what to order.",
    Action.LOWER_MAXIMUM: "Take some out, or change the maximum.",
    Action.APPROVE: "Approve it, or cancel it.",
    Action.ANSWER_PROPOSAL: "Accept it or decline it.",
    Action.RENEW_AGREEMENT: "Agree on a later day.",
    Action.COUNT: "Look into the bin, and enter what is in it.",
    Action.ANSWER_FINDING: "Use the new weight, or keep the one in use.",
    Action.ANSWER_CHANGE: "Accept the change or reject it.",
}


@dataclass(frozen=True, kw_only=True)
class Need:
    """A case on the wall."""

    key: str
    kind: Mark
    title: str
    text: str
    since_ms: int | None  # None: since ever
    href: str
    button: str


@dataclass(frozen=True, kw_only=True)
class Needs:
    """How many cases are open, and the first of them."""

    count: int
    first: Sequence[Need]


BLANK_NEED = Need(key="", kind="stale", title="", text="", since_ms=1, href="/cases", button="")
NOTHING = Needs(count=0, first=())


def needs_of(looked: Looked, now: datetime) -> Needs:
    """What the wall says of the list: no rule is added, and none left out."""
    cases = looked.cases.open
    return Needs(count=len(cases), first=[_need(one, looked, now) for one in cases[:FIRST_MAX]])


def _need(case: Case, looked: Looked, now: datetime) -> Need:
    left = f"{left_of(case, now).capitalize()}. " if case.act_before is not None else ""
    return Need(
        key=case.key,
        kind=mark_of(case, now),
        title=case.because,
        text=left + TO_DO[case.action],
        since_ms=None if case.since >= now else int(case.since.timestamp() * 1000),
        href=href_of(case, looked.bins[case.bin_id].code),
        button=BUTTONS[case.action],
    )


def order_of(case: Case) -> str:
    """The order that the case rests on, by its label; empty: none."""
    return next((one for one in case.evidence if one.startswith("RO-")), "")


def href_of(case: Case, code: str) -> str:
    """Where the one thing to do begins; where it is a form, that very form."""
    order, bin_ = order_of(case), f"/bins/{code}"
    match case.action:
        case Action.EXPEDITE | Action.CALL_SUPPLIER | Action.APPROVE | Action.ANSWER_CHANGE:
            return f"/orders/{order}" if order else bin_
        case Action.ANSWER_PROPOSAL | Action.RENEW_AGREEMENT:
            return f"/agreements/{case.evidence[0].removeprefix('agreement-')}"
        case Action.CHECK_GATEWAY | Action.CHECK_CABLE:
            return "/wall?state=stale"
        case _:
            return bin_ + _FORMS.get(case.action, "")


_FORMS = {
    Action.LOWER_MAXIMUM: "/edit",
    Action.COUNT: "#count",
    Action.COUNT_AGAIN: "#count",
    Action.ANSWER_FINDING: "#finding",
}


def mark_of(case: Case, now: datetime) -> Mark:
    if case.act_before is None:
        return "stale"
    return "empty" if case.act_before - now < SOON else "low"


def left_of(case: Case, now: datetime) -> str:
    if case.act_before is None:
        return "no time limit is known"
    left = (case.act_before - now).total_seconds()
    match case.kind:
        case Kind.AGREEMENT_ENDS:
            return f"ends in {words.span(left)}" if left > 0 else "has ended"
        case Kind.APPROVAL_WAITS:
            return f"{words.span(left)} left to decide" if left > 0 else "should be decided now"
        case _ if case.key.endswith(EMPTY):
            return "has run out"
        case _:
            return f"runs out in {words.span(left)}" if left > 0 else "may have run out"
