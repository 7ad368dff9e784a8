"""The scale takes in: a refill that is confirmed is booked onto the orders it must belong to.

What came onto the scale since the oldest open order left is compared, in sum, with what was booked
of it. So nothing is booked twice, whether a worker looks again, starts again, or late readings tell
a movement otherwise; and what was shipped is never added to what lies on the scale.

Goods go to the order that is due first, and what is too much to the last. An order that is whole,
as far as a scale can tell, is closed; one that is not waits for the rest. Packs come whole: what
is nearer to all of them than to one less is all of them, and the difference was taken meanwhile.

What came while the scale could not be read, and was counted by a person, is received, too: by that
person, on the count, and said so. That does not wait for the scale. So is what a person counts of a
bin that has none, while a delivery may be there (`movements.came_since`).
"""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from cloud.actions.act_on_order import ACTOR_SCALE, keep_act
from cloud.core.order_machine import Count, End, Order, Receive
from cloud.core.order_states import State, Verb
from cloud.core.receipts import ReceiptState, reconcile
from cloud.postgres import bin_orders, movements, orders
from cloud.postgres.bin_orders import LineOfBin

TOLERANCE_PER_MILLE = 20  # of what was ordered; beside it what the scale cannot tell apart


@dataclass(frozen=True, kw_only=True)
class Booked:
    """What a look at one bin has booked."""

    pieces: int = 0
    because: str = ""  # who saw it come, and how much
    closed: tuple[str, ...] = ()  # orders that are whole with it
    breaches: frozenset[int] = frozenset()  # whose need was met


def receive(
    conn: psycopg.Connection,
    bin_id: int,
    *,
    level: int,
    sd_pieces: float,
    now: datetime,
    may_act: bool = True,
) -> Booked:
    """Book what came into the bin. Its present is locked by the caller; its orders are here.

    `may_act`: whether the scale is to be believed; else only what a person has counted is booked.
    """
    lines = [
        line
        for line in bin_orders.open_lines(conn, bin_id)
        if line.sent_at is not None and not line.left
    ]
    if not lines:
        return Booked()
    since = min(line.sent_at for line in lines if line.sent_at is not None)
    refill = movements.last_refill(conn, bin_id, since)
    unbooked = movements.came_since(conn, bin_id, since) - bin_orders.booked_since(
        conn, bin_id, since
    )
    if refill is None or unbooked <= 0 or not (may_act or refill.counted_by):
        return Booked()
    closed, met = [], set()
    parts = _shared_out(lines, unbooked)
    for line, pieces in sorted(parts, key=lambda part: part[0].order_id):
        because = f"{_seen_by(refill)}: {pieces:,} came, {level:,} in the bin"
        order, whole = _book(conn, line, pieces, refill, because, sd_pieces, now)
        if order.state is State.CLOSED:
            closed.append(order.label)
        if line.breach_id is not None and line.line in whole:
            met.add(line.breach_id)
    return Booked(
        pieces=unbooked,
        because=f"{_seen_by(refill)}: {unbooked:,} came",
        closed=tuple(sorted(closed)),
        breaches=frozenset(met),
    )


def _seen_by(refill: movements.Refill) -> str:
    if refill.counted_by is not None:
        unweighed = ", not weighed" if refill.weighed else ""
        return f"refill counted by {refill.counted_by}{unweighed}"
    return f"refill seen by the {'scale' if refill.weighed else 'sensor'}"


def _shared_out(lines: list[LineOfBin], pieces: int) -> list[tuple[LineOfBin, int]]:
    """By what is due first; the last one takes what nobody asked for."""
    left, parts = pieces, []
    wanted = sorted(
        (line for line in lines if line.outstanding > 0),
        key=lambda line: (line.promised_at or line.due_at or line.sent_at, line.order_number),
    )
    for line in wanted or lines[-1:]:
        here = min(left, line.outstanding)
        if here:
            parts.append((line, here))
            left -= here
    if left:
        line, here = parts.pop() if parts else (lines[-1], 0)
        parts.append((line, here + left))
    return parts


def _book(  # noqa: PLR0917 - so much of one refill onto one line
    conn: psycopg.Connection,
    line: LineOfBin,
    pieces: int,
    refill: movements.Refill,
    because: str,
    sd_pieces: float,
    now: datetime,
) -> tuple[Order, set[int]]:
    """The order with it, and which of its lines are whole."""
    actor = refill.counted_by or ACTOR_SCALE
    order = orders.lock(conn, line.order_id)
    assert order is not None, "its line was read in this transaction"
    act = Receive(
        receipt_id=f"movement-{refill.movement_id}-{len(order.receipts) + 1}",
        counts=(Count(line=line.line, pieces=pieces),),
    )
    after = keep_act(conn, order, act, now, actor=actor, because=because, touch=False)
    orders.insert_receipt(conn, order, act, refill.event_at)
    packs = orders.packs_of(conn, order.order_id)
    whole = {
        one.number
        for one in after.lines
        if _is_whole(one.quantity, one.received, packs[one.number], sd_pieces)
    }
    if len(whole) < len(after.lines):
        return after, whole
    total = sum(one.received for one in after.lines)
    asked = sum(one.quantity for one in after.lines)
    said = "came, as counted" if refill.counted_by else "came"
    end = End(verb=Verb.CLOSE, by=actor, because=f"{total:,} of {asked:,} {said}")
    return keep_act(conn, after, end, now, actor=actor, touch=False), whole


def _is_whole(asked: int, received: int, pack: int, sd_pieces: float) -> bool:
    """Nobody is told to have sent too little because a scale is no better than it is."""
    receipt = reconcile(
        shipped=asked,
        weighed=received,
        sd_pieces=sd_pieces,
        tolerance=max(asked * TOLERANCE_PER_MILLE // 1_000, (pack - 1) // 2),
    )
    return receipt.state in (ReceiptState.MATCH, ReceiptState.OVER)
