"""What every policy promises, and what they share: the questions before, the rounding after.

A policy is a frozen value: its fields are its parameters, whole numbers, text and dates. It is
given the stock of one bin, the terms its supplier delivers on, and the time; it answers `Place` or
`Wait`, always with a reason in words. The same arguments give the same answer for ever: a rule that
changes gets a new `version`, and the old one stays until no stored decision names it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

from cloud.core.stock import Stock


class Rounding(StrEnum):
    """What to do when whole packs and the wish do not meet."""

    UP = "up"  # whole packs up, past the level ordered up to; past the capacity a person is asked
    DOWN_TO_CAPACITY = "down_to_capacity"  # whole packs up, and as many of them as fit
    STOP_AND_ASK = "stop_and_ask"  # a person is asked as soon as packs go past the level or room


class Ask(StrEnum):
    """Why a person is needed although the policy only waits."""

    NO_ROOM = "no_room"  # the least that can be ordered does not fit
    ROUNDING = "rounding"  # whole packs would go past what was wanted
    UNDER_DIMENSIONED = "under_dimensioned"  # both containers are empty at once
    PROMISED_LATE = "promised_late"  # ordered for this cycle, and it does not help in time


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a supplier delivers into a bin. What it can hold is no target, and a target no limit."""

    pack: int = 1  # delivered in multiples of it
    minimum_order: int = 1
    capacity: int | None = None  # what the bin can hold; None: not known
    rounding: Rounding = Rounding.DOWN_TO_CAPACITY
    at_is_low: bool = True  # at the reorder point is low; False: only below it
    one_per_cycle: bool = True  # False: a second order while the first one is on its way

    def __post_init__(self) -> None:
        assert self.pack > 0, "a pack holds something"
        assert self.minimum_order > 0, "an order is for something"
        assert self.capacity is None or self.capacity > 0, "a bin has room"

    def is_low(self, position: int, reorder_point: int) -> bool:
        return position < reorder_point or (self.at_is_low and position == reorder_point)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Decided: order this much. `cycle` and `ordinal` name it: the same twice is one order."""

    quantity: int
    packs: int
    cycle: int
    ordinal: int
    rush: bool  # without it the stock is expected to run out before the next regular delivery
    because: str


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Decided: order nothing now."""

    because: str
    ask: Ask | None = None


Decision = Place | Wait


class Policy(Protocol):
    """A frozen dataclass with this method, and a line in the registry."""

    name: ClassVar[str]
    version: ClassVar[int]

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:
        """Never on a doubted level, never past the capacity, and never without a reason."""


@runtime_checkable
class Joins(Protocol):
    """A policy that also knows what to say when an order goes to the same place anyway."""

    def join(self, stock: Stock, terms: Terms, now: datetime) -> Decision:
        """As `Policy.decide`, of a bin that could do without."""


def reason_to_wait(stock: Stock, terms: Terms) -> Wait | None:
    """What forbids an order whatever the policy."""
    if stock.doubt:
        return Wait(because=f"The level is not trusted: {stock.doubt}")
    if terms.one_per_cycle and stock.live_in_cycle:
        label = stock.live_in_cycle[0]
        late = stock.later > 0
        because = f"{label} is on its way for this breach"
        because += ", and is promised too late to help." if late else "."
        return Wait(because=because, ask=Ask.PROMISED_LATE if late else None)
    return None


def enough(stock: Stock, reorder_point: int) -> Wait:
    return Wait(because=f"{told(stock)}; ordered from {reorder_point:,} on.")


def order_up_to(level: int, stock: Stock, terms: Terms, why: str) -> Decision:
    """Whole packs that lift the position to `level`, as the terms allow."""
    return order(level - stock.position, stock, terms, why, up_to=level)


def order(
    wanted: int, stock: Stock, terms: Terms, why: str, *, up_to: int | None = None
) -> Decision:
    """`wanted` pieces in whole packs: at least the minimum order, at most what the bin can hold."""
    if wanted <= 0:
        return Wait(because=f"{why}; nothing is missing.")
    packs = -(-max(wanted, terms.minimum_order) // terms.pack)
    limit = stock.position + wanted if up_to is None else up_to
    beyond_wish = stock.position + packs * terms.pack > limit
    room = stock.room(terms.capacity)
    fits = room is None or packs * terms.pack <= room
    match terms.rounding:
        case Rounding.STOP_AND_ASK if beyond_wish or not fits:
            because = f"{why}; {wanted:,} are wanted, and {_packs(packs, terms)} are not that."
            return Wait(because=because, ask=Ask.ROUNDING)
        case Rounding.DOWN_TO_CAPACITY if not fits and room is not None:
            packs = room // terms.pack
            fits = packs > 0 and packs * terms.pack >= terms.minimum_order
    if not fits:
        least = -(-terms.minimum_order // terms.pack)
        because = f"{why}; {_packs(max(least, 1), terms)} or more do not fit into {room or 0:,}."
        return Wait(because=because, ask=Ask.NO_ROOM)
    return Place(
        quantity=packs * terms.pack,
        packs=packs,
        cycle=stock.cycle,
        ordinal=stock.orders_in_cycle + 1,
        rush=stock.lowest_expected < 0,
        because=f"{why}; {wanted:,} wanted, {_packs(packs, terms)} ordered.",
    )


def told(stock: Stock) -> str:
    """The position as people reckon it."""
    parts = [f"{stock.on_hand:,} on hand"]
    for count, text in (
        (-stock.quarantined, "doubtful"),
        (stock.covering, "on order"),
        (-stock.backorders, "owed"),
        (-stock.allocated, "allocated"),
        (-stock.planned, "planned"),
    ):
        if count:
            parts.append(f"{'+' if count > 0 else '-'} {abs(count):,} {text}")
    return " ".join(parts) + (f" = {stock.position:,}" if len(parts) > 1 else "")


def _packs(packs: int, terms: Terms) -> str:
    if terms.pack == 1:
        return f"{packs:,}"
    return f"{packs:,} {'pack' if packs == 1 else 'packs'} of {terms.pack:,}"
