"""How one bin is ordered for: its policy, terms and calendar, and the question put to them.

What was never said has a default that orders as ever: at the minimum, in whole packs, up to the
capacity. A lead time that nobody named is a week: it decides no quantity, only when an order that
does not come is called overdue.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from cloud.core.breaches import Limits
from cloud.core.calendars import EVERY_DAY, Calendar, LeadKind, chance_at, covers_until
from cloud.core.evidence import decided
from cloud.core.plain import Plain, canonical, plain_of
from cloud.core.planned_usage import Planned, ahead, entries
from cloud.core.policies.base import Decision, Policy, Rounding, Terms
from cloud.core.policies.days_of_supply import DaysOfSupply
from cloud.core.policies.level_steps import LevelSteps
from cloud.core.policies.periodic import Periodic
from cloud.core.policies.registry import policy_of
from cloud.core.policies.two_bin import TwoBin
from cloud.core.refusals import PolicyUnreadable
from cloud.core.stock import OpenLine, stock_of

LEAD_DAYS_UNSAID = 7
GRACE_UNSAID = timedelta(hours=24)
_NUMBERS_OF_A_DECISION = ("because", "rush")


@dataclass(frozen=True, kw_only=True)
class BinPolicy:
    """What is set for one bin, with what its supplier says where the bin says nothing."""

    name: str = "min_max"
    version: int = 1  # of the policy
    parameters: Mapping[str, Plain] = field(default_factory=lambda: MappingProxyType({}))
    rounding: Rounding = Rounding.DOWN_TO_CAPACITY
    minimum_order: int = 1
    grace: timedelta = GRACE_UNSAID
    order_up_to: int | None = None  # None: what the bin can hold
    calendar: Calendar
    settings_version: int = 0  # of what is set for the bin; 0: nothing was
    calendar_version: int = 0  # 0: its supplier has said nothing of its days


@dataclass(frozen=True, kw_only=True)
class Used:
    """What was taken from a bin, and over how long that is known."""

    pieces: int
    over: timedelta


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of a bin when it is decided on."""

    pieces: int
    cycle: int
    lines: tuple[OpenLine, ...] = ()
    orders_in_cycle: int = 0
    unbooked: int = 0  # came onto the scale since they were ordered
    used: Used | None = None
    planned: tuple[Planned, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    decision: Decision
    inputs: Plain  # lets it be made again, see `core.evidence`
    expected_at: datetime  # when an order placed now would arrive

    @property
    def sameness(self) -> str:
        """The same as long as the rules say the same for the same reason, whatever the count."""
        body = self.inputs
        assert isinstance(body, dict)
        stock, decision = body["stock"], body["decision"]
        assert isinstance(stock, dict)
        assert isinstance(decision, dict)
        kept = {
            "policy": body["policy"],
            "settings": body["settings"],
            "terms": body["terms"],
            "cycle": stock["cycle"],
            "live": stock["live_in_cycle"],
            "later": stock["later"] != 0,
            "overdue": stock["overdue"] != 0,
            "decision": {
                key: value for key, value in decision.items() if key not in _NUMBERS_OF_A_DECISION
            },
        }
        return hashlib.sha256(canonical(kept).encode("ascii")).hexdigest()


def plain_calendar(zone: str, lead_days: int = LEAD_DAYS_UNSAID) -> Calendar:
    """Of a supplier that has said nothing of its days: every one is as good as another."""
    return Calendar(
        zone=zone,
        order_days=EVERY_DAY,
        working_days=EVERY_DAY,
        delivery_days=EVERY_DAY,
        lead_kind=LeadKind.CALENDAR,
        lead_days=lead_days,
    )


def policy_for(settings: BinPolicy, limits: Limits) -> Policy:
    """Raises `PolicyUnreadable` where no policy can be made of what is stored."""
    parameters = dict(settings.parameters)
    up_to = settings.order_up_to or limits.capacity
    match settings.name:
        case "min_max" | "fixed_quantity":
            parameters["reorder_point"] = limits.minimum
        case "can_order":
            parameters["reorder_point"] = limits.minimum
            # Somebody may have moved the minimum or the level past it since.
            wanted = parameters.get("can_order")
            if isinstance(wanted, int):
                parameters["can_order"] = min(max(wanted, limits.minimum), up_to - 1)
        case "periodic":
            parameters["zone"] = settings.calendar.zone
    if settings.name in _UP_TO_A_LEVEL:
        parameters["order_up_to"] = up_to
    try:
        return policy_of(settings.name, settings.version, parameters)
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise PolicyUnreadable(settings.name, settings.version) from error


_UP_TO_A_LEVEL = ("min_max", "can_order", "periodic", "level_steps")


def cycle_of(policy: Policy, cycle: int, at: datetime) -> int:
    """The cycle that held at `at`: a round of the supplier has its own, whatever the bin's."""
    return policy.review_at(at) if isinstance(policy, Periodic) else cycle


def ask(
    settings: BinPolicy,
    limits: Limits,
    pack: int,
    seen: Seen,
    now: datetime,
    *,
    joins: bool = False,
) -> Answer:
    """What the policy says of the bin at `now`, and everything it says so on.

    `joins`: whether to come along with an order that goes anyway, of a policy that knows it.
    Raises `CalendarNeverOpens` where the supplier never takes an order, and `PolicyUnreadable`.
    """
    policy = policy_for(settings, limits)
    arrives_at = chance_at(settings.calendar, now).arrives_at
    covered_until = covers_until(settings.calendar, now)
    empty, step = _signals(policy, seen.pieces)
    planned = entries(seen.planned, now)
    stock = stock_of(
        now=now,
        arrives_at=arrives_at,
        covers_until=covered_until,
        grace=settings.grace,
        on_hand=seen.pieces,
        lines=seen.lines,
        unbooked=seen.unbooked,
        planned=planned,
        expected_usage=expected_usage(seen.used, arrives_at - now)
        + sum(use.pieces for use in planned if use.at <= arrives_at),
        cycle=seen.cycle,
        orders_in_cycle=seen.orders_in_cycle,
        empty_containers=empty,
        step=step,
    )
    terms = Terms(
        pack=pack,
        minimum_order=settings.minimum_order,
        capacity=limits.capacity,
        rounding=settings.rounding,
    )
    decision, inputs = decided(policy, stock, terms, now, joins=joins)
    assert isinstance(inputs, dict)
    inputs["settings"] = {
        "version": settings.settings_version,
        "calendar_version": settings.calendar_version,
    }
    inputs["planned"] = plain_of(ahead(seen.planned, now))
    return Answer(decision=decision, inputs=inputs, expected_at=arrives_at)


def low_at(policy: Policy, limits: Limits) -> int | None:
    """The position at which the policy begins to order; None: it does not go by the position."""
    match policy:
        case DaysOfSupply(days_min=days, rate_milli_per_day=rate):
            return -(-days * rate // 1_000)
        case Periodic() | TwoBin() | LevelSteps():
            return None
        case _:
            return limits.minimum


def _signals(policy: Policy, pieces: int) -> tuple[int, str]:
    """What a policy that does not go by pieces reads of a level: empty containers, and the step.

    A container that was begun is not empty. Between two steps the lower one holds: rather early.
    """
    match policy:
        case TwoBin(container=container, containers=containers):
            begun = -(-pieces // container)
            return max(0, containers - begun), ""
        case LevelSteps(steps=steps):
            reached = [step for step in steps if step.fewest <= pieces]
            lowest = min(steps, key=lambda step: step.fewest)
            return 0, max(reached, key=lambda step: step.fewest, default=lowest).name
        case _:
            return 0, ""


def expected_usage(used: Used | None, ahead: timedelta) -> int:
    """As it was used lately, rounded up, in whole numbers: the same for ever."""
    if used is None or used.pieces <= 0:
        return 0
    over_s = max(1, int(used.over.total_seconds()))
    return -(-used.pieces * max(0, int(ahead.total_seconds())) // over_s)
