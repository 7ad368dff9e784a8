"""What we ask of a supplier, and what becomes of it. How much and why is a policy's to say.

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
    expected_at: datetime | None = None  # by the calendar; None: ordered before there was one


def order_label(number: int) -> str:
    """How people call an order, on every page and in every mail."""
    return f"RO-{number}"


def number_of(label: str) -> int:
    """RO-1004, ro-1004 or 1004: people write all three."""
    return int(label.upper().removeprefix("RO-"))


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
