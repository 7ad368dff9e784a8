"""Low, and low no longer.

`next_breach` looks at one level. `next_watch` also waits: a bin is low when it was low for so long
and at so many levels, and every breach has the number of its cycle, so that there is one order for
one breach however often it is looked at. What falls counts at once; what rises counts when it is
confirmed, because an arm on the bin looks like a refill for a minute.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from cloud.core.stock import OpenLine, is_overdue


@dataclass(frozen=True, kw_only=True)
class Limits:
    minimum: int
    margin: int
    capacity: int

    @property
    def closes_above(self) -> int:
        """A full bin is not low, however wide the margin."""
        return min(self.minimum + self.margin, self.capacity - 1)


@dataclass(frozen=True, kw_only=True)
class Breach:
    """The time a bin is low. It is gone when nothing of it holds any more."""

    opened_at: datetime
    opened_pieces: int
    lowest_pieces: int


def next_breach(
    current: Breach | None, pieces: int, measured_at: datetime, limits: Limits
) -> Breach | None:
    """The breach that holds after `pieces` were seen: opened, kept, or gone.

    A hand resting on the bin moves the weight by a few pieces, so a breach closes only
    `margin` pieces above the point where it opens.
    """
    if current is None:
        low = pieces <= limits.minimum
        return (
            Breach(opened_at=measured_at, opened_pieces=pieces, lowest_pieces=pieces)
            if low
            else None
        )
    if pieces > limits.closes_above:
        return None
    return replace(current, lowest_pieces=min(current.lowest_pieces, pieces))


@dataclass(frozen=True, kw_only=True)
class Dwell:
    """How long, and at how many levels, a bin must be low before it is said to be."""

    seconds: int = 0
    levels: int = 1

    def __post_init__(self) -> None:
        assert self.seconds >= 0, "nobody waits backwards"
        assert self.levels > 0, "a breach begins with a level"


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Where a bin stands: fine, on its way to low, or low. It starts fine, in its first cycle."""

    cycle: int = 1  # goes up when a breach closes; an order belongs to the cycle it was placed in
    seen_at: datetime | None = None
    low_since: datetime | None = None
    low_levels: int = 0
    breach: Breach | None = None


AT_ONCE = Dwell()


def next_watch(
    watch: Watch,
    pieces: int,
    measured_at: datetime,
    limits: Limits,
    *,
    dwell: Dwell = AT_ONCE,
    confirmed: bool = True,
) -> Watch:
    """What holds after a trusted level. What was measured before the newest one changes nothing."""
    if watch.seen_at is not None and measured_at < watch.seen_at:
        return watch
    repeated = measured_at == watch.seen_at
    watch = replace(watch, seen_at=measured_at)
    if watch.breach is not None:
        if pieces > limits.closes_above and not confirmed:
            return watch
        breach = next_breach(watch.breach, pieces, measured_at, limits)
        return replace(watch, breach=breach) if breach else closed(watch)
    if pieces > limits.minimum:
        # Not confirmed, it may be the arm: the wait goes on, and begins again only when it is real.
        return replace(watch, low_since=None, low_levels=0) if confirmed else watch
    since = watch.low_since or measured_at
    levels = watch.low_levels + (0 if repeated and watch.low_levels else 1)
    watch = replace(watch, low_since=since, low_levels=levels)
    if levels < dwell.levels or measured_at - since < timedelta(seconds=dwell.seconds):
        return watch
    breach = Breach(opened_at=measured_at, opened_pieces=pieces, lowest_pieces=pieces)
    return replace(watch, breach=breach)


def closed(watch: Watch) -> Watch:
    """Low no longer: above the margin, or because a receipt was booked. The next cycle begins."""
    if watch.breach is None:
        return watch
    return Watch(cycle=watch.cycle + 1, seen_at=watch.seen_at)


class Cover(StrEnum):
    NOT_COVERED = "not_covered"  # nothing that may be believed is on its way
    COVERED = "covered"  # on its way, and here in time
    LATE = "late"  # on its way, and it comes after the bin ran out


@dataclass(frozen=True, kw_only=True)
class Covered:
    cover: Cover
    until: datetime | None = None  # when the first of it comes


def cover_of(
    lines: Iterable[OpenLine], now: datetime, grace: timedelta, runs_out_at: datetime | None
) -> Covered:
    """Whether a low bin is being taken care of. `runs_out_at` is None while nothing is used."""
    coming = [line for line in lines if line.outstanding and not is_overdue(line, now, grace)]
    if not coming:
        return Covered(cover=Cover.NOT_COVERED)
    first = min(line.expected_at for line in coming)
    late = runs_out_at is not None and first > runs_out_at
    return Covered(cover=Cover.LATE if late else Cover.COVERED, until=first)
