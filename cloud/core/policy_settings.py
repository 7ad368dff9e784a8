"""How a bin is ordered for, as people say it: one table of fields for the form and the API.

Described like a noun (`core.nouns`), so that a form and the API take the same and tell every
mistake at once. `settings_of` and `values_of` are the way to what is stored and back: the fields of
the chosen policy become its parameters, and all others are left behind.

A bin whose minimum is kept `automatic` follows its history at night, within a band that a person
allowed (`core.suggestions`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from types import MappingProxyType

from cloud.core.breaches import Limits
from cloud.core.nouns import INT_MAX, Field, Kind, Mistake, Noun, Value, Values, number_field
from cloud.core.plain import Plain
from cloud.core.policies.base import Rounding
from cloud.core.policies.registry import POLICIES

STEPS_MAX = 12
_STEP = re.compile(
    r"\s*(?P<name>[^\d\s=:,;][^\d=:,;]{0,30}?)\s*[=: ]\s*"
    r"(?P<low>\d{1,9})\s*(?:-|to)\s*(?P<high>\d{1,9})\s*"
)
_STEPS = "each step with its pieces, from the fullest: full 800-1000, half 300-799, empty 0-299"
_DAY = "a day, as 2026-12-24"
TARGET_PERMILLE = 950
DWELL_S_MAX = 86_400
DWELL_LEVELS_MAX = 100

# What people call the policies, and in a sentence what each of them does.
POLICY_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "min_max": (
            "Minimum and maximum",
            "At the minimum it is filled up to its order-up-to level.",
        ),
        "fixed_quantity": (
            "Fixed quantity",
            "At the minimum the same quantity is ordered each time.",
        ),
        "periodic": (
            "On the supplier's round",
            "Every so many days it is filled up to its order-up-to level, whatever is left.",
        ),
        "days_of_supply": (
            "Days of supply",
            "It is to last for so many days: the rate of use makes pieces of them.",
        ),
        "can_order": (
            "Joins other orders",
            "As minimum and maximum; and below a second level it joins an order that goes anyway.",
        ),
        "two_bin": ("Two bins", "Each empty container is ordered once."),
        "level_steps": (
            "Steps of a level",
            "The sensor knows steps and no pieces; ordered for at one of them.",
        ),
    }
)
# The parameters of each policy that are its own; minimum and order-up-to level are the bin's.
PARAMETERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "min_max": (),
        "fixed_quantity": ("quantity", "multiples"),
        "periodic": ("every_days", "first_day"),
        "days_of_supply": ("days_min", "days_max", "rate_milli_per_day"),
        "can_order": ("can_order",),
        "two_bin": ("container", "containers"),
        "level_steps": ("steps", "order_at"),
    }
)
# The newest version of each; an older one is kept for decisions that name it, and not set anew.
NEWEST: Mapping[str, int] = MappingProxyType(
    {name: max(v for n, v in POLICIES if n == name) for name in PARAMETERS}
)
AUTOMATIC = ("min_max", "fixed_quantity", "can_order", "periodic", "days_of_supply")


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """What is set for one bin. `version` 0: nothing was, and what is not said has its default."""

    version: int = 0
    policy: str = "min_max"
    policy_version: int = 1
    parameters: Mapping[str, Plain] = field(default_factory=lambda: MappingProxyType({}))
    rounding: Rounding = Rounding.DOWN_TO_CAPACITY
    moq: int | None = None  # None: as its supplier says for the item
    lead_time_days: int | None = None  # as above
    grace_hours: int | None = None  # None: as was agreed with its supplier
    dwell_s: int = 0  # low for so long, and at so many levels, before it is said
    dwell_levels: int = 1
    automatic: bool = False
    minimum_from: int | None = None
    minimum_to: int | None = None
    agreed_minimum: int | None = None  # that history moves away from, and that holds till it knows
    agreed_order_up_to: int | None = None
    target_permille: int = TARGET_PERMILLE


_number = partial(number_field, low=1)


def _rule(values: Values) -> list[Mistake]:
    policy = str(values.get("policy") or "min_max")
    mistakes = [
        Mistake(field=name, given="", allowed=f"{by_name[name].takes}; {policy} needs it")
        for name in PARAMETERS.get(policy, ())
        if values.get(name) is None
    ]
    low, high = values.get("days_min"), values.get("days_max")
    both = isinstance(low, int) and isinstance(high, int)
    if policy == "days_of_supply" and both and int(str(low)) >= int(str(high)):
        allowed = f"more than the {low} days it is ordered at"
        mistakes.append(Mistake(field="days_max", given=str(high), allowed=allowed))
    if policy == "periodic" and values.get("first_day") and _day(values["first_day"]) is None:
        mistakes.append(Mistake(field="first_day", given=str(values["first_day"]), allowed=_DAY))
    if policy == "level_steps":
        mistakes += _mistakes_of_steps(values)
    return mistakes + _mistakes_of_band(values, policy)


def _mistakes_of_steps(values: Values) -> list[Mistake]:
    if not values.get("steps"):
        return []
    steps = _steps(str(values["steps"]))
    if steps is None:
        return [Mistake(field="steps", given=str(values["steps"])[:80], allowed=_STEPS)]
    names = [str(step["name"]) for step in steps]
    at = values.get("order_at")
    if at is not None and at not in names:
        allowed = "one of the steps: " + ", ".join(names)
        return [Mistake(field="order_at", given=str(at), allowed=allowed)]
    return []


def _mistakes_of_band(values: Values, policy: str) -> list[Mistake]:
    low, high = values.get("minimum_from"), values.get("minimum_to")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        return [Mistake(field="minimum_to", given=str(high), allowed=f"{low} or more")]
    if not values.get("automatic"):
        return []
    if policy not in AUTOMATIC:
        allowed = f"no: {policy} has no minimum that history could keep"
        return [Mistake(field="automatic", given="yes", allowed=allowed)]
    return [
        Mistake(field=name, given="", allowed="the band within which history may move the minimum")
        for name in ("minimum_from", "minimum_to")
        if values.get(name) is None
    ]


POLICY = Noun(
    name="bin_policy",
    plural="bin_policies",
    title="How it is ordered for",
    key=(),
    fields=(
        Field(
            name="policy",
            label="Ordered by",
            kind=Kind.CHOICE,
            default="min_max",
            choices=tuple(PARAMETERS),
        ),
        _number("quantity", "Quantity", hint="pieces, each time"),
        Field(
            name="multiples",
            label="As often as it takes",
            kind=Kind.FLAG,
            default=True,
            hint="until the bin is low no longer; else once",
        ),
        _number("every_days", "Every, days", high=366),
        Field(
            name="first_day",
            label="First round",
            pattern=r"\d{4}-\d{2}-\d{2}",
            allowed=_DAY,
            hint="2026-12-24, a day of the supplier",
        ),
        _number("days_min", "Order at, days left", low=0, high=730),
        _number("days_max", "Order up to, days", high=730),
        _number(
            "rate_milli_per_day",
            "Used a day",
            low=0,
            paper="rate_per_day",
            digits=3,
            hint="as agreed, until history keeps it",
        ),
        _number("can_order", "Joins an order at", low=0, hint="pieces; above the minimum"),
        _number("container", "Pieces in a container"),
        _number("containers", "Containers", low=2, high=99, default=2),
        Field(name="steps", label="Steps", chars=400, allowed=_STEPS, hint=_STEPS),
        Field(name="order_at", label="Order at step", chars=32, allowed="one of the steps"),
        Field(
            name="rounding",
            label="Whole packs",
            kind=Kind.CHOICE,
            default=Rounding.DOWN_TO_CAPACITY.value,
            choices=tuple(one.value for one in Rounding),
        ),
        _number("moq", "At least", hint="pieces an order; empty: as the supplier says"),
        _number(
            "lead_time_days",
            "Lead time, days",
            low=0,
            high=730,
            hint="empty: as the supplier says",
        ),
        _number(
            "grace_hours",
            "Late after, hours",
            low=0,
            high=8_760,
            hint="empty: as agreed with the supplier",
        ),
        _number(
            "dwell_s",
            "Low for, seconds",
            low=0,
            high=DWELL_S_MAX,
            default=0,
            hint="so long before it is called low; 0: at once",
        ),
        _number(
            "dwell_levels",
            "Low at, levels",
            high=DWELL_LEVELS_MAX,
            default=1,
            hint="so many in a row before it is called low; 1: at the first",
        ),
        Field(
            name="automatic",
            label="Kept by history",
            kind=Kind.FLAG,
            default=False,
            hint="the nightly estimate sets the minimum, within the band",
        ),
        _number("minimum_from", "Minimum from", low=0),
        _number("minimum_to", "Minimum to", low=0),
        _number(
            "target_permille",
            "Served at once, %",
            low=500,
            high=999,
            paper="target_percent",
            digits=1,
            default=TARGET_PERMILLE,
            hint="of demand; what history aims at",
        ),
    ),
    rule=_rule,
)
by_name: Mapping[str, Field] = MappingProxyType(POLICY.by_name)


def limits_mistakes(values: Values, limits: Limits, order_up_to: int | None) -> list[Mistake]:
    """What only the bin can say: that a level lies between its own."""
    policy, up_to = values.get("policy"), order_up_to or limits.capacity
    level = values.get("can_order")
    mistakes = []
    if policy == "can_order" and isinstance(level, int) and not limits.minimum <= level < up_to:
        allowed = f"from the minimum {limits.minimum} to below the order-up-to level {up_to}"
        mistakes.append(Mistake(field="can_order", given=str(level), allowed=allowed))
    high = values.get("minimum_to")
    if values.get("automatic") and isinstance(high, int) and high >= limits.capacity:
        allowed = f"less than the capacity {limits.capacity}"
        mistakes.append(Mistake(field="minimum_to", given=str(high), allowed=allowed))
    return mistakes


def settings_of(values: Values, was: PolicySettings) -> PolicySettings:
    """Of values without a mistake."""
    policy = str(values["policy"])
    return PolicySettings(
        version=was.version,
        policy=policy,
        policy_version=NEWEST[policy],
        parameters=MappingProxyType(
            {name: _stored(name, values[name]) for name in PARAMETERS[policy]}
        ),
        rounding=Rounding(str(values["rounding"])),
        moq=_whole(values.get("moq")),
        lead_time_days=_whole(values.get("lead_time_days")),
        grace_hours=_whole(values.get("grace_hours")),
        dwell_s=_whole(values["dwell_s"]) or 0,
        dwell_levels=_whole(values["dwell_levels"]) or 1,
        automatic=bool(values["automatic"]),
        minimum_from=_whole(values.get("minimum_from")),
        minimum_to=_whole(values.get("minimum_to")),
        agreed_minimum=was.agreed_minimum,
        agreed_order_up_to=was.agreed_order_up_to,
        target_permille=_whole(values["target_permille"]) or TARGET_PERMILLE,
    )


def values_of(settings: PolicySettings) -> dict[str, Value]:
    """As a form or the API shows them; of another policy's parameters the defaults."""
    values: dict[str, Value] = {one.name: one.default for one in POLICY.fields}
    values |= {
        "policy": settings.policy,
        "rounding": settings.rounding.value,
        "moq": settings.moq,
        "lead_time_days": settings.lead_time_days,
        "grace_hours": settings.grace_hours,
        "dwell_s": settings.dwell_s,
        "dwell_levels": settings.dwell_levels,
        "automatic": settings.automatic,
        "minimum_from": settings.minimum_from,
        "minimum_to": settings.minimum_to,
        "target_permille": settings.target_permille,
    }
    for name, stored in settings.parameters.items():
        if name in values:
            values[name] = _shown(stored)
    return values


def _stored(name: str, value: Value) -> Plain:
    if name == "steps":
        steps: list[Plain] = []
        steps.extend(_steps(str(value)) or [])
        return steps
    return value


def _shown(stored: Plain) -> Value:
    if isinstance(stored, list):
        return ", ".join(
            f"{step.get('name')} {step.get('fewest')}-{step.get('most')}"
            for step in stored
            if isinstance(step, dict)
        )
    return stored if isinstance(stored, str | int) else None


def _steps(text: str) -> list[dict[str, Plain]] | None:
    """The steps that are told, or None where they are none."""
    parts = [part for part in re.split(r"[,;\n]", text) if part.strip()]
    found = [_STEP.fullmatch(part) for part in parts]
    steps: list[dict[str, Plain]] = [
        {"name": one["name"].strip(), "fewest": int(one["low"]), "most": int(one["high"])}
        for one in found
        if one is not None
    ]
    names = {str(step["name"]) for step in steps}
    ranges = all(int(str(s["fewest"])) <= int(str(s["most"])) <= INT_MAX for s in steps)
    one_each = len(names) == len(parts) and 1 < len(parts) <= STEPS_MAX
    return steps if one_each and ranges else None


def _day(value: Value) -> date | None:
    try:
        found = date.fromisoformat(str(value))
    except ValueError:
        return None
    # A review that lies further off than anything here is planned for is a slip of the pen.
    return found if date(2000, 1, 1) <= found <= date(2100, 1, 1) - timedelta(days=1) else None


def _whole(value: Value) -> int | None:
    return value if isinstance(value, int) else None
