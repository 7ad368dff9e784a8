"""Look at one bin and do what follows: book what came, open or close a breach, order, tell.

How much is ordered, and whether, is its policy's to say, on the position and not on what lies in
the bin (`decide`); what is then done about it, the agreement's (`place_order`). One breach has one
order: where the policy would order once more, because the first one is given up, a person is asked.

All of it is one transaction, under a lock on the bin, so that the same reading seen twice, or by
two workers at once, is still one breach, one order, and one notice per channel.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import psycopg

from cloud.actions.act_on_order import ACTOR_RULES, keep_act
from cloud.actions.decide import Asked, Undecided, ask_policy, keep_decision
from cloud.actions.place_order import Need, place_order
from cloud.actions.receive import Booked, receive
from cloud.core.bins import Bin
from cloud.core.breaches import Watch, closed, next_watch
from cloud.core.modes import Course
from cloud.core.order_machine import End, may
from cloud.core.order_states import State, Verb
from cloud.core.policies.base import Place, Wait
from cloud.core.trust import trust_of
from cloud.postgres import bin_orders, bins, breaches, orders
from cloud.postgres.bins import Assessable, SureLevel
from cloud.postgres.breaches import Watched


class Outcome(StrEnum):
    NOT_TRUSTED = "not trusted"  # no conclusion; to be looked at again when more is heard
    UNCHANGED = "unchanged"
    FALLING = "falling"  # at its minimum, and not for long enough to be called low
    ORDERED = "ordered"
    DRAFTED = "drafted"  # an order that waits for a person
    TOLD = "told"  # a reminder, and no order
    NOTED = "noted"  # what would have been ordered
    WAITING = "waiting"  # low, and the policy does not order: no whole pack fits, say
    CLOSED = "closed"  # low no longer


_OUTCOMES = {
    Course.SEND: Outcome.ORDERED,
    Course.DRAFT: Outcome.DRAFTED,
    Course.TELL: Outcome.TOLD,
    Course.NOTE: Outcome.NOTED,
}
_REFILLED = "The bin is low no longer: nothing has to be ordered."


@dataclass(frozen=True, kw_only=True)
class Assessment:
    outcome: Outcome
    bin_code: str = ""
    because: str = ""
    notices: int = 0


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One look at a bin: what is there, what was remembered, what of it was booked just now."""

    found: Assessable
    level: SureLevel
    before: Watched
    booked: Booked
    now: datetime


def assess_bin(conn: psycopg.Connection, bin_id: int, now: datetime) -> Assessment:
    with conn.transaction():
        bins.lock_state(conn, bin_id)
        found = bins.lock(conn, bin_id)
        if found is None:
            return Assessment(outcome=Outcome.NOT_TRUSTED, because="Never heard of.")
        judgement = trust_of(found.state, now)
        if not judgement.may_act:
            _receive_counted(conn, found, now)
            return Assessment(
                outcome=Outcome.NOT_TRUSTED, bin_code=found.bin.code, because=judgement.because
            )
        if found.level is None:
            return Assessment(
                outcome=Outcome.NOT_TRUSTED, bin_code=found.bin.code, because="Not followed yet."
            )
        return _act(conn, found, found.level, now)


def _receive_counted(conn: psycopg.Connection, found: Assessable, now: datetime) -> None:
    """What a person counted needs no scale: the order is received, and the need that it met over.

    Whether the bin is low again is for when its number may be acted on.
    """
    bin_, level = found.bin, found.level
    if level is None:
        return
    booked = receive(
        conn, bin_.bin_id, level=level.pieces, sd_pieces=level.sd_pieces, now=now, may_act=False
    )
    if not booked.pieces:
        return
    bins.touch(conn, bin_.bin_id)
    before = breaches.watch_of(conn, bin_.bin_id)
    if before.breach_id is not None and before.breach_id in booked.breaches:
        breaches.save_watch(conn, bin_.bin_id, closed(before.watch))
        _close(conn, bin_, before.breach_id, level, now)


def _act(
    conn: psycopg.Connection, found: Assessable, level: SureLevel, now: datetime
) -> Assessment:
    """What is confirmed is booked first: what came is on no order any more when it is asked."""
    bin_ = found.bin
    booked = receive(conn, bin_.bin_id, level=level.pieces, sd_pieces=level.sd_pieces, now=now)
    before = breaches.watch_of(conn, bin_.bin_id)
    look = _Look(found=found, level=level, before=before, booked=booked, now=now)
    watch = _watched(conn, look)
    breach_id = before.breach_id
    if breach_id is not None and (watch.breach is None or watch.cycle != before.watch.cycle):
        _close(conn, bin_, breach_id, level, now)
        breach_id = None
    elif watch.breach is not None and before.watch.breach not in (None, watch.breach):
        assert breach_id is not None
        breaches.save_lowest(conn, breach_id, watch.breach.lowest_pieces)
    if booked.pieces:
        bins.touch(conn, bin_.bin_id)
    if watch.breach is None:
        return _not_low(conn, look, watch)
    if breach_id is None:
        breach_id = breaches.insert(conn, bin_.bin_id, watch.breach)
        bins.touch(conn, bin_.bin_id)
    return _order(conn, look, breach_id)


def _watched(conn: psycopg.Connection, look: _Look) -> Watch:
    """Where the bin stands after this level, which is confirmed: that is what it is followed for.

    When an order of this breach came whole the next cycle begins, also where the bin is low again.
    """
    bin_, watch = look.found.bin, look.before.watch
    if watch.seen_at is not None and watch.seen_at > look.now:
        watch = replace(watch, seen_at=look.now)  # of a clock that was set back since
    if look.before.breach_id in look.booked.breaches:
        watch = closed(watch)
    after = next_watch(
        watch,
        look.level.pieces,
        min(look.now, look.level.at),
        bin_.limits,
        dwell=breaches.dwell_of(conn, bin_.bin_id),
    )
    if after != look.before.watch:
        breaches.save_watch(conn, bin_.bin_id, after)
    return after


def _not_low(conn: psycopg.Connection, look: _Look, watch: Watch) -> Assessment:
    """Rounds, containers, steps and planned usage may want an order of a bin that is not low."""
    bin_, pieces, booked = look.found.bin, look.level.pieces, look.booked
    asked = ask_policy(conn, bin_, pieces, look.now)
    falling = watch.low_since is not None
    if isinstance(asked, Asked):
        if isinstance(asked.answer.decision, Place) and not asked.held and not falling:
            return _place(conn, look, asked, asked.answer.decision, None)
        keep_decision(conn, bin_, asked, look.now, breach_id=None)
    if look.before.breach_id is not None:
        because = f"{pieces:,} in the bin"
        if booked.pieces:
            because = f"{booked.because}, {because}"
        return Assessment(outcome=Outcome.CLOSED, bin_code=bin_.code, because=because)
    return Assessment(outcome=Outcome.FALLING if falling else Outcome.UNCHANGED, bin_code=bin_.code)


def _order(conn: psycopg.Connection, look: _Look, breach_id: int) -> Assessment:
    """Ask the policy of a bin that is low, also when it has its order: that may be given up."""
    bin_ = look.found.bin
    asked = ask_policy(conn, bin_, look.level.pieces, look.now)
    if isinstance(asked, Undecided):
        return Assessment(outcome=Outcome.WAITING, bin_code=bin_.code, because=asked.because)
    decision = asked.answer.decision
    if isinstance(decision, Wait) or asked.held:
        keep_decision(conn, bin_, asked, look.now, breach_id=breach_id)
        ordered = asked.held or asked.covered
        outcome = Outcome.UNCHANGED if ordered else Outcome.WAITING
        return Assessment(outcome=outcome, bin_code=bin_.code, because=decision.because)
    return _place(conn, look, asked, decision, breach_id)


def _place(
    conn: psycopg.Connection, look: _Look, asked: Asked, place: Place, breach_id: int | None
) -> Assessment:
    bin_ = look.found.bin
    need = Need(
        found=look.found,
        level=look.level,
        breach_id=breach_id,
        asked=asked,
        place=place,
    )
    done = place_order(conn, need, look.now)
    keep_decision(conn, bin_, asked, look.now, breach_id=breach_id, order_id=done.order_id)
    if done.news:
        bins.touch(conn, bin_.bin_id)
    return Assessment(
        outcome=_OUTCOMES[done.course] if done.news else Outcome.UNCHANGED,
        bin_code=bin_.code,
        because=done.because,
        notices=done.notices,
    )


def _close(
    conn: psycopg.Connection, bin_: Bin, breach_id: int, level: SureLevel, now: datetime
) -> None:
    """Low no longer. What has not left yet does not have to: somebody was quicker."""
    breaches.close(conn, breach_id, level.pieces, now)
    bins.touch(conn, bin_.bin_id)
    for line in bin_orders.open_lines(conn, bin_.bin_id):
        if line.breach_id != breach_id or line.state not in (State.DRAFT, State.APPROVED):
            continue
        order = orders.lock(conn, line.order_id)
        assert order is not None
        others = any(one.bin_id != bin_.bin_id and not one.left for one in order.lines)
        if not others and may(order, Verb.CANCEL):
            end = End(verb=Verb.CANCEL, by=ACTOR_RULES, because=_REFILLED)
            keep_act(conn, order, end, now, actor=ACTOR_RULES, touch=False)
