"""What we ask of a supplier: how much, why, and what becomes of it.

    placed ──▶ acknowledged ──▶ closed
       └────────────────────────▶┘        a refill closes an order nobody has answered, too

Acknowledging says "I have seen it" and promises nothing; only the scale closes an order.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from cloud.core.refusals import OrderAlreadyClosed


class OrderState(StrEnum):
    PLACED = "placed"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Order:
    order_id: UUID
    number: int
    bin_id: int
    supplier_id: int
    quantity: int
    state: OrderState
    placed_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    closed_at: datetime | None = None
    received_pieces: int | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Decided: order this much."""

    quantity: int
    packs: int
    because: str


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Decided: order nothing now."""

    because: str


def order_label(number: int) -> str:
    """How people call an order, on every page and in every mail."""
    return f"RO-{number}"


def decide_order(*, pieces: int, minimum: int, capacity: int, pack: int) -> Place | Wait:
    """Fill the bin in whole packs, never past its capacity: what does not fit lies on the floor."""
    room = max(0, capacity - pieces)
    packs = room // pack
    low = f"{pieces:,} left, minimum {minimum:,}"
    if packs == 0:
        return Wait(because=f"{low}; a pack of {pack:,} does not fit into the room for {room:,}.")
    return Place(
        quantity=packs * pack,
        packs=packs,
        because=f"{low}; {_packs(packs, pack)} into the room for {room:,}.",
    )


def _packs(packs: int, pack: int) -> str:
    fit = "fits" if packs == 1 else "fit"
    if pack == 1:
        return f"{packs:,} more {fit}"
    return f"{packs:,} {'pack' if packs == 1 else 'packs'} of {pack:,} {fit}"


def acknowledge(order: Order, actor: str, now: datetime) -> Order:
    """Seen by the supplier. A second time changes nothing: the first one to answer stays named."""
    match order.state:
        case OrderState.CLOSED:
            raise OrderAlreadyClosed
        case OrderState.ACKNOWLEDGED:
            return order
        case OrderState.PLACED:
            return replace(
                order, state=OrderState.ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=actor
            )


def close(order: Order, received_pieces: int, now: datetime) -> Order:
    """The scale has seen the refill."""
    if order.state is OrderState.CLOSED:
        raise OrderAlreadyClosed
    return replace(order, state=OrderState.CLOSED, closed_at=now, received_pieces=received_pieces)
