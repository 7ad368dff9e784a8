"""Look at one bin and do what follows: open or close a breach, place or close its order.

How much is ordered, and whether, is its policy's to say, on the position and not on what lies in
the bin (`decide`). One breach has one order: where the policy would order once more, because the
first one is given up, a person is asked.

All of it is one transaction, under a lock on the bin, so that the same reading seen twice, or by
two workers at once, is still one breach, one order, and one notice per channel.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import psycopg

from cloud.actions.decide import Asked, Undecided, ask_policy, keep_decision
from cloud.actions.prove import write_chain
from cloud.core.bins import Bin
from cloud.core.breaches import next_breach
from cloud.core.orders import close as close_order
from cloud.core.policies.base import Wait
from cloud.core.trust import trust_of
from cloud.postgres import bins, breaches, notices, orders
from cloud.postgres.bins import Assessable, Source, SureLevel
from cloud.postgres.breaches import OpenBreach

ACTOR_RULES = "binline"
ACTOR_SCALE = "scale"


class Outcome(StrEnum):
    NOT_TRUSTED = "not trusted"  # no conclusion; to be looked at again when more is heard
    UNCHANGED = "unchanged"
    ORDERED = "ordered"
    WAITING = "waiting"  # low, and the policy does not order: no whole pack fits, say
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Assessment:
    outcome: Outcome
    bin_code: str = ""
    because: str = ""
    notices: int = 0


def assess_bin(conn: psycopg.Connection, bin_id: int, now: datetime) -> Assessment:
    with conn.transaction():
        bins.lock_state(conn, bin_id)
        found = bins.lock(conn, bin_id)
        if found is None:
            return Assessment(outcome=Outcome.NOT_TRUSTED, because="Never heard of.")
        judgement = trust_of(found.state, now)
        if not judgement.may_act:
            return Assessment(
                outcome=Outcome.NOT_TRUSTED, bin_code=found.bin.code, because=judgement.because
            )
        if found.level is None:
            return Assessment(
                outcome=Outcome.NOT_TRUSTED, bin_code=found.bin.code, because="Not followed yet."
            )
        return _act(conn, found, found.level, now)


def _act(
    conn: psycopg.Connection, found: Assessable, level: SureLevel, now: datetime
) -> Assessment:
    bin_ = found.bin
    current = breaches.find_open(conn, bin_.bin_id)
    breach = next_breach(current.breach if current else None, level.pieces, level.at, bin_.limits)
    if breach is None:
        done = Assessment(outcome=Outcome.UNCHANGED, bin_code=bin_.code)
        if current is not None:
            done = _close(conn, bin_, current, level, now)
        asked = ask_policy(conn, bin_, level.pieces, None, now)
        if isinstance(asked, Asked):
            keep_decision(conn, bin_, asked, now, breach_id=None)
        return done
    if current is None:
        breach_id = breaches.insert(conn, bin_.bin_id, breach)
        bins.touch(conn, bin_.bin_id)
    else:
        breach_id = current.breach_id
        if breach != current.breach:
            breaches.save_lowest(conn, breach_id, breach.lowest_pieces)
    return _order(conn, found, breach_id, level, now)


def _order(
    conn: psycopg.Connection, found: Assessable, breach_id: int, level: SureLevel, now: datetime
) -> Assessment:
    """Ask the policy of a bin that is low, also when it has its order: that may be given up."""
    bin_ = found.bin
    order = orders.lock_of_breach(conn, breach_id)
    asked = ask_policy(conn, bin_, level.pieces, order, now)
    if isinstance(asked, Undecided):
        return Assessment(outcome=Outcome.WAITING, bin_code=bin_.code, because=asked.because)
    decision = asked.answer.decision
    if order is not None:
        keep_decision(conn, bin_, asked, now, breach_id=breach_id)
        return Assessment(outcome=Outcome.UNCHANGED, bin_code=bin_.code, because=decision.because)
    if isinstance(decision, Wait):
        keep_decision(conn, bin_, asked, now, breach_id=breach_id)
        return Assessment(outcome=Outcome.WAITING, bin_code=bin_.code, because=decision.because)
    order_id = orders.insert(
        conn,
        bin_,
        decision,
        breach_id=breach_id,
        evidence=_evidence(found, level),
        now=now,
        expected_at=asked.answer.expected_at,
    )
    keep_decision(conn, bin_, asked, now, breach_id=breach_id, order_id=order_id)
    write_chain(conn, order_id, found, level, asked.answer)
    orders.add_event(conn, order_id, now, "placed", actor=ACTOR_RULES, detail=decision.because)
    owed = notices.owe_for_order(conn, order_id, bin_.supplier_id, now)
    bins.touch(conn, bin_.bin_id)
    return Assessment(
        outcome=Outcome.ORDERED, bin_code=bin_.code, because=decision.because, notices=owed
    )


def _close(
    conn: psycopg.Connection, bin_: Bin, current: OpenBreach, level: SureLevel, now: datetime
) -> Assessment:
    breaches.close(conn, current.breach_id, level.pieces, now)
    bins.touch(conn, bin_.bin_id)
    order = orders.lock_of_breach(conn, current.breach_id)
    because = f"{level.pieces:,} in the bin"
    if order is not None:
        closed = close_order(order, level.pieces - current.breach.lowest_pieces, now)
        because = f"refill seen by the scale: {closed.received_pieces:,} came, {because}"
        orders.save_closed(conn, closed)
        orders.add_event(conn, order.order_id, now, "closed", actor=ACTOR_SCALE, detail=because)
    return Assessment(outcome=Outcome.CLOSED, bin_code=bin_.code, because=because)


def _evidence(found: Assessable, level: SureLevel) -> dict[str, object]:
    """What the decision rests on, so that anybody can check it later without us."""
    state, bin_, source = found.state, found.bin, found.source
    return {
        "reading": {
            "measured_at": _text(state.measured_at or level.at),
            "weight_mg": state.weight_mg,
            **(_named(source) if source else {}),
        },
        "calibration": {
            "tare_mg": state.calibration.tare_mg,
            "unit_weight_ug": state.calibration.unit_weight_ug,
        },
        "level": {"pieces": level.pieces, "exact": level.exact, "at": _text(level.at)},
        "rule": {
            "minimum": bin_.limits.minimum,
            "margin": bin_.limits.margin,
            "capacity": bin_.limits.capacity,
            "pack": bin_.pack,
        },
    }


def _named(source: Source) -> dict[str, object]:
    return {
        "gateway": source.gateway,
        "sensor": source.sensor,
        "stream": source.stream,
        "seq": source.seq,
        "received_at": _text(source.received_at),
        "stability": source.stability,
    }


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
