"""The whole life of an order, from draft to closed: one act after the other.

Everything may come twice. The same again gives back the same order. The same number with other
contents is a mistake that is refused; a promise of another date is a change of mind that holds.
What may follow what stands in `cloud.core.order_states`.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from cloud.core import refusals
from cloud.core.order_states import DONE_BEFORE, EDGES, ENDED, State, Verb, refusal_of
from cloud.core.orders import order_label
from cloud.core.stock import OpenLine


@dataclass(frozen=True, kw_only=True)
class Line:
    number: int
    bin_id: int
    item_id: int
    cycle: int  # of the bin; with `ordinal` it names the need: one order, however often decided
    ordinal: int = 1
    quantity: int
    promised_at: datetime | None = None
    shipped: int = 0
    received: int = 0

    @property
    def left(self) -> bool:
        return has_left(self.quantity, self.promised_at)


def has_left(quantity: int, promised_at: datetime | None) -> bool:
    """Whether a line left its order before that was sent: whom it was for needs it no more.

    What both sides agree will not come has a date, as everything they agree on.
    """
    return quantity == 0 and promised_at is None


@dataclass(frozen=True, kw_only=True)
class Count:
    """So many pieces of one line."""

    line: int
    pieces: int


@dataclass(frozen=True, kw_only=True)
class Promise:
    line: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Other:
    """What the supplier would do instead, for one line."""

    line: int
    pieces: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Approve:
    verb: ClassVar[Verb] = Verb.APPROVE
    by: str


@dataclass(frozen=True, kw_only=True)
class Send:
    verb: ClassVar[Verb] = Verb.SEND


@dataclass(frozen=True, kw_only=True)
class Acknowledge:
    verb: ClassVar[Verb] = Verb.ACKNOWLEDGE
    by: str


@dataclass(frozen=True, kw_only=True)
class Confirm:
    """As asked, by these dates. Lines that are not named keep what was promised for them."""

    verb: ClassVar[Verb] = Verb.CONFIRM
    by: str
    promises: tuple[Promise, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """Not as asked: waits for an answer. A new one replaces the one before."""

    verb: ClassVar[Verb] = Verb.CHANGE
    change_id: str
    by: str
    lines: tuple[Other, ...]
    because: str = ""


@dataclass(frozen=True, kw_only=True)
class Accept:
    verb: ClassVar[Verb] = Verb.ACCEPT
    change_id: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Reject:
    verb: ClassVar[Verb] = Verb.REJECT
    change_id: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Ship:
    verb: ClassVar[Verb] = Verb.SHIP
    shipment_id: str
    counts: tuple[Count, ...]
    expected_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Receive:
    verb: ClassVar[Verb] = Verb.RECEIVE
    receipt_id: str
    counts: tuple[Count, ...]


@dataclass(frozen=True, kw_only=True)
class End:
    """Close, refuse, cancel or expire, and why."""

    verb: Verb
    by: str
    because: str = ""

    def __post_init__(self) -> None:
        assert self.verb in (Verb.CLOSE, Verb.REFUSE, Verb.CANCEL, Verb.EXPIRE), "that ends nothing"


@dataclass(frozen=True, kw_only=True)
class Leave:
    """Lines of an order that has not left, for bins that only came along and need them no more."""

    verb: ClassVar[Verb] = Verb.LEAVE
    lines: tuple[int, ...]
    because: str


Act = (
    Approve | Send | Acknowledge | Confirm | Change | Accept | Reject | Ship | Receive | End | Leave
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Order:
    order_id: UUID
    number: int
    supplier_id: int
    site_id: int
    consigned: bool = False
    rush: bool = False
    agreement_version: int = 0  # 0: nothing was agreed on
    calendar_version: int = 0  # 0: the supplier had said nothing of its days
    lines: tuple[Line, ...]
    due_at: datetime | None  # by the calendar, while nothing is promised; None: there was none
    state: State = State.DRAFT
    drafted_at: datetime
    expires_at: datetime | None = None  # of the draft
    escalates_at: datetime | None = None
    leaves_at: datetime | None = None  # approved, and waits for others until then
    approved_at: datetime | None = None
    approved_by: str = ""
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    answered_by: str = ""
    change: Change | None = None  # the newest one proposed
    change_open: bool = False
    shipments: tuple[Ship, ...] = ()
    receipts: tuple[Receive, ...] = ()
    shipped_at: datetime | None = None
    received_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""
    ended_because: str = ""

    @property
    def label(self) -> str:
        return order_label(self.number)


def may(order: Order, verb: Verb) -> bool:
    """Whether a page should offer it."""
    return verb in EDGES[order.state]


def apply(order: Order, act: Act, now: datetime) -> Order:
    """The order after `act`; the very same object if nothing changes. Raises a refusal."""
    if _is_repeat(order, act):
        return order
    if act.verb not in EDGES[order.state]:
        raise refusal_of(order.state, act.verb)
    _check_lines(order, act)
    after = _applied(order, act, now)
    assert after.state in EDGES[order.state][act.verb], "the table of edges is the whole truth"
    return after


def open_lines(order: Order, bin_id: int) -> tuple[OpenLine, ...]:
    """What of the order is still to come into a bin. A draft counts: it is decided, if not sent."""
    if order.state in ENDED:
        return ()
    return tuple(
        OpenLine(
            order_id=order.order_id,
            label=order.label,
            cycle=line.cycle,
            ordered=line.quantity,
            received=line.received,
            expected_at=line.promised_at or order.due_at or order.drafted_at,
        )
        for line in order.lines
        if line.bin_id == bin_id
    )


def _is_repeat(order: Order, act: Act) -> bool:
    if order.state in DONE_BEFORE.get(act.verb, ()):
        return True
    match act:
        case Confirm() | Change() | Accept() | Reject():
            return _is_agreed(order, act)
        case Ship(shipment_id=number):
            return any(_same(one, act) for one in order.shipments if one.shipment_id == number)
        case Receive(receipt_id=number):
            return any(_same(one, act) for one in order.receipts if one.receipt_id == number)
        case Leave(lines=numbers) if act.verb in EDGES[order.state]:
            left = {line.number for line in order.lines if line.left}
            return bool(numbers) and set(numbers) <= left
    return False


def _is_agreed(order: Order, act: Confirm | Change | Accept | Reject) -> bool:
    if isinstance(act, Confirm):
        promised = {line.number: line.promised_at for line in order.lines}
        same = all(promised.get(promise.line) == promise.at for promise in act.promises)
        return order.state is State.CONFIRMED and same
    if order.change is None or order.change.change_id != act.change_id:
        return False
    if isinstance(act, Change):
        return _same(order.change, act)
    return not order.change_open and order.state in EDGES[State.CHANGED][act.verb]


def _same(before: Act, act: Act) -> bool:
    if before != act:
        raise refusals.NumberUsedTwice
    return True


def _check_lines(order: Order, act: Act) -> None:
    match act:
        case Confirm(promises=promises):
            named = [(promise.line, 1) for promise in promises]
        case Change(lines=others):
            named = [(other.line, other.pieces) for other in others]
        case Ship(counts=counts) | Receive(counts=counts):
            named = [(count.line, count.pieces) for count in counts]
        case Leave(lines=lines):
            named = [(number, 1) for number in lines]
            if {line.number for line in order.lines if not line.left} <= set(lines):
                raise refusals.QuantityImpossible  # nothing would be left to order: withdraw it
        case _:
            return
    numbers = [line for line, _ in named]
    known = {line.number for line in order.lines}
    if len(set(numbers)) != len(numbers) or not set(numbers) <= known:
        raise refusals.LineUnknown
    least = 0 if isinstance(act, Change) else 1  # a line that will not come at all is a change
    if any(pieces < least for _, pieces in named) or (not numbers and not isinstance(act, Confirm)):
        raise refusals.QuantityImpossible


def _applied(order: Order, act: Act, now: datetime) -> Order:
    match act:
        case Approve() | Send() | Acknowledge():
            return _begun(order, act, now)
        case Confirm() | Change() | Accept() | Reject():
            return _agreed(order, act, now)
        case Ship():
            return _shipped(order, act, now)
        case Receive():
            return _received(order, act, now)
        case End():
            return _ended(order, act, now)
        case Leave(lines=numbers):
            lines = tuple(
                replace(line, quantity=0) if line.number in numbers else line
                for line in order.lines
            )
            return replace(order, lines=lines)


def _begun(order: Order, act: Approve | Send | Acknowledge, now: datetime) -> Order:
    match act:
        case Approve(by=by):
            return replace(order, state=State.APPROVED, approved_at=now, approved_by=by)
        case Send():
            return replace(order, state=State.SENT, sent_at=now)
        case Acknowledge(by=by):
            return replace(_answered(order, by, now), state=State.ACKNOWLEDGED)


def _agreed(order: Order, act: Confirm | Change | Accept | Reject, now: datetime) -> Order:
    """What both sides say about quantities and dates."""
    match act:
        case Confirm(by=by, promises=promises):
            at = {promise.line: promise.at for promise in promises}
            lines = tuple(
                replace(line, promised_at=at.get(line.number, line.promised_at))
                for line in order.lines
            )
            answered = _answered(order, by, now)
            return replace(answered, state=State.CONFIRMED, lines=lines, change_open=False)
        case Change(by=by):
            answered = _answered(order, by, now)
            return replace(answered, state=State.CHANGED, change=act, change_open=True)
        case Accept(change_id=change_id):
            others = {other.line: other for other in _open_change(order, change_id).lines}
            lines = tuple(_as_changed(line, others.get(line.number)) for line in order.lines)
            return replace(order, state=State.CONFIRMED, lines=lines, change_open=False)
        case Reject(change_id=change_id):
            _open_change(order, change_id)
            return replace(order, state=State.ACKNOWLEDGED, change_open=False)


def _open_change(order: Order, change_id: str) -> Change:
    assert order.change is not None
    if order.change.change_id != change_id:
        raise refusals.ChangeWasReplaced
    return order.change


def _as_changed(line: Line, other: Other | None) -> Line:
    return line if other is None else replace(line, quantity=other.pieces, promised_at=other.at)


def _shipped(order: Order, ship: Ship, now: datetime) -> Order:
    pieces = {count.line: count.pieces for count in ship.counts}
    lines = tuple(
        replace(
            line,
            shipped=line.shipped + pieces[line.number],
            promised_at=ship.expected_at or line.promised_at,
        )
        if line.number in pieces
        else line
        for line in order.lines
    )
    arrived = order.state in (State.PART_DELIVERED, State.RECEIVED)
    return replace(
        _answered(order, "", now),
        state=order.state if arrived else State.SHIPPED,
        lines=lines,
        shipments=(*order.shipments, ship),
        shipped_at=order.shipped_at or now,
        change_open=False,
    )


def _received(order: Order, receive: Receive, now: datetime) -> Order:
    pieces = {count.line: count.pieces for count in receive.counts}
    lines = tuple(
        replace(line, received=line.received + pieces.get(line.number, 0)) for line in order.lines
    )
    whole = all(line.received >= line.quantity for line in lines)
    return replace(
        order,
        state=State.RECEIVED if whole else State.PART_DELIVERED,
        lines=lines,
        receipts=(*order.receipts, receive),
        received_at=order.received_at or now,
        change_open=False,
    )


def _ended(order: Order, end: End, now: datetime) -> Order:
    if end.verb is Verb.EXPIRE and (order.expires_at is None or now < order.expires_at):
        raise refusals.DraftStillValid
    (state,) = EDGES[order.state][end.verb]
    answered = _answered(order, end.by, now) if end.verb is Verb.REFUSE else order
    return replace(
        answered,
        state=state,
        ended_at=now,
        ended_by=end.by,
        ended_because=end.because,
        change_open=False,
    )


def _answered(order: Order, by: str, now: datetime) -> Order:
    """The first sign of life of the supplier is its answer; later ones do not move it."""
    if order.answered_at is not None:
        return order
    return replace(order, answered_at=now, answered_by=by)
