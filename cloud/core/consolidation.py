"""What leaves together: one order per supplier, site and ownership.

A bin that must be ordered for begins an order; bins of the same place that are nearly low come
along, if their policy knows such a level (`Joins`). Owned and consigned stock never share an order:
they are billed in different ways. What comes along never makes a person necessary: what would lift
the order above the limit that may go unasked stays behind.

An order that has not left loses its ground when a bin that was low is filled by somebody else:
nobody would begin it as it stands. It is withdrawn, whole, and whoever is still low asks anew. When
it was one that only came along, the order is as good without: that line leaves it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud.core.calendars import Chance
from cloud.core.policies.base import Decision, Place

# An order that waits for others leaves so long before the cut-off.
AHEAD = timedelta(minutes=15)
NAMED_MAX = 3  # bins named in one sentence


@dataclass(frozen=True, kw_only=True)
class Destination:
    supplier_id: int
    site_id: int
    consigned: bool = False


@dataclass(frozen=True, kw_only=True)
class Begun:
    """An order that goes, whoever comes along."""

    destination: Destination
    value: int | None  # of its lines, in the smallest coin; None: a price is missing
    limit: int | None  # what may go unasked; None: nothing was said, or a person is asked anyway


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A bin that may come along, and what its policy says when an order goes there anyway."""

    bin_id: int
    destination: Destination
    low: bool  # or on its way there: it begins an order of its own
    ordered: bool  # it has an order for its need, or had one that a person gave up
    decision: Decision
    value: int | None


def joining(begun: Begun, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Who comes along, as they are given: whoever is asked first has the room below the limit."""
    joined: list[Candidate] = []
    value = begun.value
    for one in candidates:
        if one.destination != begun.destination or one.low or one.ordered:
            continue
        if not isinstance(one.decision, Place):
            continue
        more = None if value is None or one.value is None else value + one.value
        if not within(begun.limit, more):
            continue
        joined.append(one)
        value = more
    return tuple(joined)


def within(limit: int | None, value: int | None) -> bool:
    """Whether an order of this value may go unasked; of an unknown value only without a limit."""
    return limit is None or (value is not None and value <= limit)


def leaves_at(chance: Chance, now: datetime) -> datetime | None:
    """As late before the cut-off as is safe, so that more can join; None: at once."""
    at = chance.until - AHEAD
    return at if at > now else None


def first_due(expected: Iterable[datetime | None]) -> datetime | None:
    """When an order is due: as soon as the first of its lines is; None: none of them says."""
    return min((at for at in expected if at is not None), default=None)


def withdrawn_because(filled: Sequence[str], still_low: Sequence[str]) -> str:
    """Why an order is withdrawn that began with `filled`, bins that are low no longer."""
    assert filled, "nothing has lost its ground"
    because = f"{_named(filled)} {'is' if len(filled) == 1 else 'are'} low no longer"
    if not still_low:
        return f"{because}, and what else is on it only came along."
    low = "is still low, and is" if len(still_low) == 1 else "are still low, and are"
    return f"{because}. {_named(still_low)} {low} ordered for anew."


def left_because(line: int, code: str, because: str) -> str:
    """Why the line of a bin that came along leaves; `because`: what its policy says now."""
    return f"line {line}: {code} would not come along any more: {because}"


def _named(bins: Sequence[str]) -> str:
    more = len(bins) - NAMED_MAX
    return ", ".join(bins[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
