"""The states of an order, and what may follow what.

    draft ─▶ approved ─▶ sent ─▶ acknowledged ─▶ confirmed ─▶ shipped ─▶ received ─▶ closed
      │                    └───────┴── changed ────┘            └─▶ part_delivered ──▶┘
      ▼
    expired · cancelled · refused

`EDGES` is the whole truth: a verb that is not there is refused with a sentence, or was done before
and changes nothing. What happened at the supplier's or on the scale is a fact, and is taken at
whatever point it comes: a refill may close an order nobody has answered.
"""

from enum import StrEnum
from typing import Final

from cloud.core import refusals
from cloud.core.refusals import Refusal


class State(StrEnum):
    DRAFT = "draft"
    APPROVED = "approved"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    SHIPPED = "shipped"
    PART_DELIVERED = "part_delivered"
    RECEIVED = "received"
    CLOSED = "closed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Verb(StrEnum):
    APPROVE = "approve"
    SEND = "send"
    ACKNOWLEDGE = "acknowledge"
    CONFIRM = "confirm"
    CHANGE = "change"
    ACCEPT = "accept"
    REJECT = "reject"
    SHIP = "ship"
    RECEIVE = "receive"
    CLOSE = "close"
    REFUSE = "refuse"
    CANCEL = "cancel"
    EXPIRE = "expire"
    LEAVE = "leave"  # lines, before it is sent


S, V = State, Verb
_ARRIVED = (S.PART_DELIVERED, S.RECEIVED)
_FACTS = {V.SHIP: (S.SHIPPED,), V.RECEIVE: _ARRIVED}
_ENDS = {V.REFUSE: (S.REFUSED,), V.CANCEL: (S.CANCELLED,)}

EDGES: Final[dict[State, dict[Verb, tuple[State, ...]]]] = {
    S.DRAFT: {
        V.APPROVE: (S.APPROVED,), V.CANCEL: (S.CANCELLED,), V.EXPIRE: (S.EXPIRED,),
        V.LEAVE: (S.DRAFT,),
    },
    S.APPROVED: {V.SEND: (S.SENT,), V.CANCEL: (S.CANCELLED,), V.LEAVE: (S.APPROVED,)},
    S.SENT: {
        V.ACKNOWLEDGE: (S.ACKNOWLEDGED,), V.CONFIRM: (S.CONFIRMED,), V.CHANGE: (S.CHANGED,),
        **_FACTS, **_ENDS,
    },
    S.ACKNOWLEDGED: {V.CONFIRM: (S.CONFIRMED,), V.CHANGE: (S.CHANGED,), **_FACTS, **_ENDS},
    S.CONFIRMED: {V.CONFIRM: (S.CONFIRMED,), V.CHANGE: (S.CHANGED,), **_FACTS, **_ENDS},
    S.CHANGED: {
        V.CONFIRM: (S.CONFIRMED,), V.CHANGE: (S.CHANGED,), V.ACCEPT: (S.CONFIRMED,),
        V.REJECT: (S.ACKNOWLEDGED,), **_FACTS, **_ENDS,
    },
    S.SHIPPED: {**_FACTS, V.CLOSE: (S.CLOSED,)},
    S.PART_DELIVERED: {V.SHIP: (S.PART_DELIVERED,), V.RECEIVE: _ARRIVED, V.CLOSE: (S.CLOSED,)},
    S.RECEIVED: {V.SHIP: (S.RECEIVED,), V.RECEIVE: (S.RECEIVED,), V.CLOSE: (S.CLOSED,)},
    S.CLOSED: {}, S.REFUSED: {}, S.CANCELLED: {}, S.EXPIRED: {},
}  # fmt: skip

ENDED: Final = frozenset({S.CLOSED, S.REFUSED, S.CANCELLED, S.EXPIRED})
_ANSWERED = (S.ACKNOWLEDGED, S.CONFIRMED, S.CHANGED, S.SHIPPED, S.PART_DELIVERED, S.RECEIVED)

# Done before, by somebody else or twice: the first one stays named, and nothing changes.
DONE_BEFORE: Final[dict[Verb, frozenset[State]]] = {
    V.APPROVE: frozenset({S.APPROVED, S.SENT, *_ANSWERED}),
    V.SEND: frozenset({S.SENT, *_ANSWERED}),
    V.ACKNOWLEDGE: frozenset(_ANSWERED),
    V.CLOSE: frozenset({S.CLOSED}),
    V.REFUSE: frozenset({S.REFUSED}),
    V.CANCEL: frozenset({S.CANCELLED}),
    V.EXPIRE: frozenset({S.EXPIRED}),
}

_NO_BY_STATE: Final[dict[State, type[Refusal]]] = {
    S.DRAFT: refusals.OrderIsDraft,
    S.APPROVED: refusals.OrderNotSent,
    S.SENT: refusals.OrderAlreadySent,
    S.ACKNOWLEDGED: refusals.OrderAlreadySent,
    S.CONFIRMED: refusals.OrderAlreadyConfirmed,
    S.CHANGED: refusals.OrderChangeIsWaiting,
    S.SHIPPED: refusals.OrderAlreadyShipped,
    S.PART_DELIVERED: refusals.OrderAlreadyReceived,
    S.RECEIVED: refusals.OrderAlreadyReceived,
    S.CLOSED: refusals.OrderAlreadyClosed,
    S.REFUSED: refusals.OrderWasRefused,
    S.CANCELLED: refusals.OrderWasCancelled,
    S.EXPIRED: refusals.OrderHasExpired,
}


def refusal_of(state: State, verb: Verb) -> Refusal:
    """What a person is told where there is no edge."""
    if state in ENDED:
        return _NO_BY_STATE[state]()
    if verb in (V.ACCEPT, V.REJECT):
        return refusals.NoChangeProposed()
    return _NO_BY_STATE[state]()
