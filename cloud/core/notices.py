"""One thing to tell one addressee.

A notice is owed from the transaction that caused it, and it says what held then: every try tells
the same, so that the receiver can take a repeat for what it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Notice:
    """An order that was placed, told to one channel of its supplier."""

    notice_id: UUID  # the receiver's key against repeats
    tries: int
    channel_id: int
    channel: str  # a name in the table of channels
    address: str
    secret: str = field(repr=False)
    order_id: UUID
    order_number: int
    quantity: int
    packs: int
    pack: int
    because: str
    order_closed: bool  # meanwhile
    evidence: Mapping[str, object]
    placed_at: datetime
    link: str = field(repr=False)  # opens the order without a log-in
    sku: str
    supplier_sku: str
    item: str
    bin_code: str
    place: str
    site: str
    site_place: str
    time_zone: str
    supplier: str
    pieces: int
    minimum: int
    capacity: int
    measured_at: datetime
