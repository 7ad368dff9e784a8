"""One thing to tell one addressee.

A notice is owed from the transaction that caused it, and it says what held then: every try tells
the same, so that the receiver can take a repeat for what it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Told(StrEnum):
    """What a notice is about. The first is the order itself; the rest is what became of it."""

    ORDER_PLACED = "order_placed"
    CHANGE_ACCEPTED = "change_accepted"
    CHANGE_REJECTED = "change_rejected"
    ORDER_CANCELLED = "order_cancelled"
    BIN_LOW = "bin_low"  # a reminder: nothing is ordered here without the customer
    # To a user of operations: what waits for a decision of theirs.
    DRAFT_WAITS = "draft_waits"
    CHANGE_WAITS = "change_waits"
    PROPOSAL_WAITS = "proposal_waits"


ASKS = frozenset({Told.DRAFT_WAITS, Told.CHANGE_WAITS, Told.PROPOSAL_WAITS})


@dataclass(frozen=True, kw_only=True)
class NoticeLine:
    """One bin that is to be filled; of a reminder, the one that is low."""

    quantity: int
    packs: int
    pack: int
    because: str
    evidence: Mapping[str, object]
    sku: str
    supplier_sku: str
    item: str
    bin_code: str
    place: str
    pieces: int
    minimum: int
    capacity: int
    measured_at: datetime | None  # None: asked for by a person, on no reading
    promised_at: datetime | None = None
    proposed: int | None = None  # pieces, by the supplier, instead; None: it proposes nothing
    proposed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something told to one channel of a supplier, or to one user of operations."""

    notice_id: UUID  # the receiver's key against repeats
    tries: int
    channel_id: int  # of a user, whose mail is a channel of its own, the id below zero
    channel: str  # a name in the table of channels
    address: str
    secret: str = field(repr=False)
    told: Told
    about: str  # which change, say
    order_id: UUID | None  # None: of a bin nobody orders for
    order_number: int | None
    order_ended: bool  # meanwhile
    settled: bool = False  # what it asks has been decided meanwhile
    because: str
    placed_at: datetime  # when the order left, or the bin was said to be low
    told_at: datetime  # when it came about
    link: str = field(repr=False)  # opens the order without a log-in; empty: there is none
    site: str
    site_place: str
    time_zone: str
    supplier: str
    lines: tuple[NoticeLine, ...]  # none, where it is about an agreement
    agreement_id: int | None = None

    @property
    def is_late(self) -> bool:
        """Told now, it would have somebody do what is done, or must not be done any more."""
        return self.settled or (self.order_ended and self.told is Told.ORDER_PLACED)

    @property
    def first(self) -> NoticeLine:
        return self.lines[0]
