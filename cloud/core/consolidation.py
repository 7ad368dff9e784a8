"""What leaves together: one order per supplier, site and ownership.

Bins that must be ordered for start an order; bins of the same place that are nearly low join it,
if their policy knows such a level. Owned and consigned stock never share an order: they are billed
in different ways.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from cloud.core.calendars import Chance
from cloud.core.policies.base import Decision, Place, Policy, Terms
from cloud.core.stock import Stock


@runtime_checkable
class Joins(Protocol):
    """A policy that tops up when an order goes to the same place anyway."""

    def join(self, stock: Stock, terms: Terms, now: datetime) -> Decision:
        """The answer when an order leaves today anyway."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    supplier_id: int
    site_id: int
    consigned: bool = False


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A bin that is looked at together with others."""

    bin_id: int
    item_id: int
    destination: Destination
    policy: Policy
    stock: Stock
    terms: Terms


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One line of an order that is to leave."""

    bin_id: int
    item_id: int
    place: Place
    joined: bool  # it was not low; it came along


@dataclass(frozen=True, kw_only=True)
class Consolidated:
    destination: Destination
    lines: tuple[Wanted, ...]

    @property
    def rush(self) -> bool:
        return any(line.place.rush for line in self.lines)


def consolidate(candidates: Iterable[Candidate], now: datetime) -> tuple[Consolidated, ...]:
    """The orders that leave now: one per destination, each begun by a bin that is really low."""
    groups: dict[Destination, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.destination, []).append(candidate)
    orders = (_consolidated(to, group, now) for to, group in groups.items())
    return tuple(order for order in orders if order.lines)


def leaves_at(order: Consolidated, chance: Chance, now: datetime, ahead: timedelta) -> datetime:
    """When to send it: as late before the cut-off as is safe, so that more can join; a rush now."""
    return now if order.rush else max(now, chance.until - ahead)


def _consolidated(to: Destination, group: list[Candidate], now: datetime) -> Consolidated:
    low = [line for one in group if (line := _line(one, now, joins=False))]
    if not low:
        return Consolidated(destination=to, lines=())
    begun = {line.bin_id for line in low}
    rest = (one for one in group if one.bin_id not in begun)
    joined = [line for one in rest if (line := _line(one, now, joins=True))]
    lines = sorted((*low, *joined), key=lambda line: line.bin_id)
    return Consolidated(destination=to, lines=tuple(lines))


def _line(one: Candidate, now: datetime, *, joins: bool) -> Wanted | None:
    if not joins:
        decision = one.policy.decide(one.stock, one.terms, now)
    elif isinstance(one.policy, Joins):
        decision = one.policy.join(one.stock, one.terms, now)
    else:
        return None
    if not isinstance(decision, Place):
        return None
    return Wanted(bin_id=one.bin_id, item_id=one.item_id, place=decision, joined=joins)
