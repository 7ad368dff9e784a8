"""Which deliveries are known to the piece: what a refill weighed beside what is said to have come.

A person who says how many came knows it. What an order says is believed only where nothing else can
be meant: one order, one refill in its time, and, as long as it says what was ordered and not what
was shipped, only where the scale counts the very same number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

# Something may be poured in later; and a refill is booked a little before its order is closed.
AFTERWARDS = timedelta(hours=1)
FAR_OFF_SHARE = 0.25  # no batch of a part weighs so much more: another number came, or in two steps
SHIPPED_OFF_SHARE = 0.05  # who ships less than he says is likelier than a part that changed


@dataclass(frozen=True, kw_only=True)
class Refill:
    """A refill that was booked, between two plateaus."""

    movement_id: int
    event_at: datetime
    pieces: int  # by the unit weight in use
    before_mg: int
    after_mg: int

    @property
    def net_mg(self) -> int:
        return self.after_mg - self.before_mg


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What an order of the bin says of a delivery, and from when to when that may have come."""

    order_id: UUID
    label: str
    pieces: int
    shipped: bool  # the supplier's word on what was sent; else it is what was ordered
    placed_at: datetime
    closed_at: datetime


def is_far_off(refill: Refill, pieces: int, unit_weight_ug: int) -> bool:
    """Whether another quantity is likelier than another weight of the piece."""
    expected_ug = pieces * unit_weight_ug
    return abs(refill.net_mg * 1000 - expected_ug) > FAR_OFF_SHARE * expected_ug


def known_of(
    announced: Announced, refills: Sequence[Refill], others: Sequence[Announced]
) -> Refill | None:
    """The one refill whose pieces `announced` tells; None: it may be another, or another number.

    `refills` and `others` are those of the bin around its time.
    """
    here = [one for one in refills if _lies_in(one.event_at, announced)]
    if len(here) != 1:
        return None
    (refill,) = here
    if any(_lies_in(refill.event_at, other) for other in others):
        return None
    off = abs(refill.pieces - announced.pieces)
    bearable = SHIPPED_OFF_SHARE * announced.pieces if announced.shipped else 0
    return refill if off <= bearable else None


def _lies_in(at: datetime, announced: Announced) -> bool:
    return announced.placed_at <= at <= announced.closed_at + AFTERWARDS
