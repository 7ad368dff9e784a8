"""What the history of a bin says its minimum and order-up-to level should be, and what may be done.

Nobody's agreed minimum is changed behind their back. What history says is a suggestion, which a
person takes over with one click. Only where a person has said `automatic` it is applied, at night,
the minimum within the band they allowed; and where a person has changed the bin by hand since, it
waits until they say so again.

Small differences are no news: an estimate moves a little each night, and a minimum that follows
each of its steps would tell nobody anything.
"""

from dataclasses import dataclass
from math import ceil

from cloud.core.breaches import Limits
from cloud.core.forecasts.parameters import Parameters
from cloud.core.policy_settings import PolicySettings

NEWS_PERCENT = 5
_DAYS_PER_WEEK = 7


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Of one bin. `order_up_to` None: what it can hold."""

    minimum: int
    order_up_to: int | None


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What history says of one bin; None where its policy has no such level."""

    minimum: int | None
    order_up_to: int | None
    rate_milli_per_day: int
    learning: bool
    because: str


def suggestion_of(found: Parameters, settings: PolicySettings, capacity: int) -> Suggestion:
    """`found` was reckoned by the week, for the protection that `settings` ask for."""
    rate = ceil(found.mean_per_period * 1_000 / _DAYS_PER_WEEK)
    minimum: int | None
    up_to: int | None
    match settings.policy:
        case "min_max" | "can_order":
            minimum, up_to = found.reorder_point, found.order_up_to
        case "fixed_quantity":
            minimum, up_to = found.reorder_point, None
        case "periodic":
            # What lasts from one round to the arrival of the next is what it is filled up to.
            minimum, up_to = None, found.reorder_point
        case "days_of_supply":
            minimum, up_to = _days(settings, rate) if not found.learning else (None, None)
        case _:
            minimum, up_to = None, None
    if minimum is not None:
        minimum = min(minimum, capacity - 1)
    if up_to is not None:
        up_to = min(max(up_to, (minimum or 0) + 1), capacity)
    return Suggestion(
        minimum=minimum,
        order_up_to=up_to,
        rate_milli_per_day=rate,
        learning=found.learning,
        because=found.because,
    )


def news(said: Suggestion, present: Levels, capacity: int) -> Levels | None:
    """The levels of the bin as history would have them, where that is worth a change."""
    if said.learning or (said.minimum is None and said.order_up_to is None):
        return None
    there = present.order_up_to or capacity
    minimum = present.minimum if said.minimum is None else said.minimum
    up_to = there if said.order_up_to is None else said.order_up_to
    if not (_differs(minimum, present.minimum) or _differs(up_to, there)):
        return None
    return _valid(minimum, up_to, present, capacity)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What becomes of a bin that history keeps: other levels, or why it stays as it is."""

    levels: Levels | None = None
    held: str = ""


def kept_by_history(
    said: Suggestion,
    settings: PolicySettings,
    present: Levels,
    applied: Levels | None,
    limits: Limits,
) -> Kept:
    """`applied`: what was set by history last; None: nothing yet."""
    assert settings.automatic, "a person has said so"
    assert settings.agreed_minimum is not None
    assert settings.minimum_from is not None
    assert settings.minimum_to is not None
    agreed = Levels(minimum=settings.agreed_minimum, order_up_to=settings.agreed_order_up_to)
    if present not in (applied, agreed):
        return Kept(
            held=f"Somebody has set {present.minimum:,} and {_up_to(present)} since. Save these"
            " settings once more, and history keeps it from there on."
        )
    if said.learning:
        # Until it knows better, what was agreed holds, also where it knew better before.
        return Kept(levels=None if present == agreed else agreed, held="")
    wanted = news(said, present, limits.capacity)
    if wanted is None:
        return Kept()
    minimum = min(max(wanted.minimum, settings.minimum_from), settings.minimum_to)
    held = ""
    if minimum != wanted.minimum:
        held = (
            f"History says {wanted.minimum:,}; the band from {settings.minimum_from:,} to"
            f" {settings.minimum_to:,} holds it at {minimum:,}."
        )
    up_to = max((wanted.order_up_to or limits.capacity), minimum + 1)
    levels = _valid(minimum, up_to, present, limits.capacity)
    return Kept(levels=None if levels == present else levels, held=held)


def rate_of(said: Suggestion, settings: PolicySettings, levels: Levels) -> int:
    """The rate that goes with `levels`: what history says, or as much of it as the band lets by."""
    days = settings.parameters.get("days_min")
    if not isinstance(days, int) or not days or said.minimum in (None, levels.minimum):
        return said.rate_milli_per_day
    return levels.minimum * 1_000 // days


def _days(settings: PolicySettings, rate: int) -> tuple[int | None, int | None]:
    low, high = settings.parameters.get("days_min"), settings.parameters.get("days_max")
    if not isinstance(low, int) or not isinstance(high, int) or not rate:
        return None, None
    return -(-low * rate // 1_000), -(-high * rate // 1_000)


def _differs(one: int, other: int) -> bool:
    return abs(one - other) * 100 > NEWS_PERCENT * max(one, other)


def _valid(minimum: int, up_to: int, present: Levels, capacity: int) -> Levels:
    minimum = min(minimum, capacity - 1)
    up_to = min(max(up_to, minimum + 1), capacity)
    full = present.order_up_to is None and up_to == capacity
    return Levels(minimum=minimum, order_up_to=None if full else up_to)


def _up_to(levels: Levels) -> str:
    return "full" if levels.order_up_to is None else f"{levels.order_up_to:,}"
