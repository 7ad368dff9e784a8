"""Low, and low no longer."""

from dataclasses import dataclass, replace
from datetime import datetime


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
