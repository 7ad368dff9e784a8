"""What a policy weighs: what is there, what will come in time, and what is promised away.

    position = on hand - quarantined + covering orders - backorders - allocated - planned usage

Orders are placed on the position and never on what lies in the bin: the bin stays low until the
truck comes, and would be ordered for at every reading. An order counts only for as long as it can
help: what is promised for after the protection interval is `later`, and what should have come and
did not, grace and all, is `overdue`: a person is told, and it covers nothing.

A piece is counted once. What was shipped is a part of what was ordered, never added to it; and
what the scale has seen arrive before anybody booked it is taken off the orders it must belong to.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class OpenLine:
    """One line of an order that has not ended."""

    order_id: UUID
    label: str  # how people call the order
    cycle: int  # of the bin, when it was ordered
    ordered: int
    received: int = 0
    expected_at: datetime  # as promised, else by the calendar

    @property
    def outstanding(self) -> int:
        return max(0, self.ordered - self.received)


@dataclass(frozen=True, kw_only=True)
class PlannedUsage:
    """Known beforehand: a batch of production, a campaign."""

    at: datetime
    pieces: int


@dataclass(frozen=True, kw_only=True)
class Stock:
    """One bin, seen at one moment. All counts are pieces and none is below zero."""

    at: datetime
    arrives_at: datetime  # when an order placed now would arrive
    covers_until: datetime  # when one placed at the chance after that would: so long it must last
    doubt: str = ""  # why the level may not be acted on; empty: it may
    on_hand: int
    at_most_more: int = 0  # so many more may lie there: the count is not exact, or only a step
    quarantined: int = 0  # part of what is on hand
    covering: int = 0  # on order, and here before `covers_until`
    first: int = 0  # the part of it that is here before `arrives_at`
    later: int = 0  # on order, and promised for after it
    overdue: int = 0  # on order, and believed no more
    backorders: int = 0
    allocated: int = 0
    planned: int = 0  # usage known to come before `covers_until`
    expected_usage: int = 0  # by forecast and plan, before `arrives_at`
    cycle: int = 1
    live_in_cycle: tuple[str, ...] = ()  # orders of this cycle that are believed, by their label
    orders_in_cycle: int = 0  # of any state: it numbers the next one
    empty_containers: int = 0  # two-bin: seen empty and not seen full since
    step: str = ""  # of a sensor that knows steps and no pieces

    def __post_init__(self) -> None:
        counts = (
            self.on_hand, self.at_most_more, self.quarantined,
            self.covering, self.first, self.later, self.overdue,
            self.backorders, self.allocated, self.planned, self.expected_usage,
            self.orders_in_cycle, self.empty_containers,
        )  # fmt: skip
        assert all(count >= 0 for count in counts), "a count is below zero"

    @property
    def usable(self) -> int:
        return max(0, self.on_hand - self.quarantined)

    @property
    def position(self) -> int:
        owed = self.backorders + self.allocated + self.planned
        return self.usable + self.covering - owed

    @property
    def lowest_expected(self) -> int:
        """What will be left, or missing, just before an order placed now arrives."""
        owed = self.backorders + self.allocated + self.expected_usage
        return self.usable + self.first - owed

    def room(self, capacity: int | None) -> int | None:
        """What may be ordered without ever lying on the floor; None: nobody knows.

        Suspect pieces take room, and so does all that may still arrive, however late. What is
        owed to somebody who waits leaves on arrival.
        """
        if capacity is None:
            return None
        there = self.on_hand + self.at_most_more
        if there > capacity:
            return 0
        coming = self.covering + self.later + self.overdue
        return max(0, capacity - there - coming + self.backorders)


def stock_of(
    *,
    now: datetime,
    arrives_at: datetime,
    covers_until: datetime,
    grace: timedelta,
    on_hand: int,
    lines: Iterable[OpenLine] = (),
    unbooked: int = 0,
    planned: Iterable[PlannedUsage] = (),
    doubt: str = "",
    at_most_more: int = 0,
    quarantined: int = 0,
    backorders: int = 0,
    allocated: int = 0,
    expected_usage: int = 0,
    cycle: int = 1,
    orders_in_cycle: int = 0,
    empty_containers: int = 0,
    step: str = "",
) -> Stock:
    """The stock at `now`. `unbooked` came onto the scale and is booked to no order yet."""
    open_lines = without_unbooked(lines, unbooked)
    aged = [line for line in open_lines if is_overdue(line, now, grace)]
    believed = [line for line in open_lines if not is_overdue(line, now, grace)]
    in_time = [line for line in believed if line.expected_at <= covers_until]
    too_late = [line for line in believed if line.expected_at > covers_until]
    return Stock(
        at=now,
        arrives_at=arrives_at,
        covers_until=covers_until,
        doubt=doubt,
        on_hand=on_hand,
        at_most_more=at_most_more,
        quarantined=quarantined,
        covering=sum(line.outstanding for line in in_time),
        first=sum(line.outstanding for line in in_time if line.expected_at < arrives_at),
        later=sum(line.outstanding for line in too_late),
        overdue=sum(line.outstanding for line in aged),
        backorders=backorders,
        allocated=allocated,
        planned=sum(use.pieces for use in planned if now <= use.at <= covers_until),
        expected_usage=expected_usage,
        cycle=cycle,
        live_in_cycle=tuple(
            line.label for line in believed if line.cycle == cycle and line.outstanding
        ),
        orders_in_cycle=orders_in_cycle,
        empty_containers=empty_containers,
        step=step,
    )


def is_overdue(line: OpenLine, now: datetime, grace: timedelta) -> bool:
    """It should be here, grace and all, and is not: it no longer counts as cover."""
    return line.outstanding > 0 and now > line.expected_at + grace


def without_unbooked(lines: Iterable[OpenLine], unbooked: int) -> tuple[OpenLine, ...]:
    """The lines less what already lies on the scale: whatever is due first is taken to have come.

    Only until somebody books it. It keeps a delivery from counting twice in the meantime.
    """
    left, rest = unbooked, []
    for line in sorted(lines, key=lambda line: (line.expected_at, line.label)):
        here = min(left, line.outstanding)
        left -= here
        rest.append(replace(line, received=line.received + here))
    return tuple(rest)
