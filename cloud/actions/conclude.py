"""What bins come to: movements, the level that is shown, and what is remembered of them.

Most bins rest: their level is borne out, and four numbers of it are written. All else is written
down, and what is acted on, or seen, is due to be looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg

from cloud.actions.remember import Memory, Underway
from cloud.core.followed import Followed, Movement, MovementKind, from_us
from cloud.core.following import (
    CaughtUp,
    Counted,
    carried_over,
    catch_up_through,
    compare,
    is_a_piece,
)
from cloud.core.movements import settle_until
from cloud.core.pending import settles_us
from cloud.core.resting import Rest
from cloud.postgres import bin_levels, bin_state, movements, tracks
from cloud.postgres.bin_levels import BinLevel, BorneOut
from cloud.postgres.follow_due import Due
from cloud.postgres.movements import New
from cloud.postgres.tracks import Track

SAVE_EVERY_US = 900_000_000  # of a bin that does not change, by the time of its readings


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """To be remembered once the transaction is committed."""

    remembered: Memory
    again: Sequence[Due]  # there is more to follow of these
    changed: int  # bins that are due to be assessed
    readings: int
    movements: int


@dataclass(kw_only=True, slots=True)
class _Writing:
    """What is to be written of all bins of the transaction, each kind of it at once."""

    levels: list[BinLevel] = field(default_factory=list)
    borne_out: list[BorneOut] = field(default_factory=list)
    booked: list[New] = field(default_factory=list)
    checkpoints: list[tuple[int, datetime, str]] = field(default_factory=list)
    saved: list[Track] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)


def conclude(conn: psycopg.Connection, bins: Sequence[Underway], now: datetime) -> Outcome:
    """Of bins with all that is to be followed of them."""
    writing = _Writing()
    remembered = Memory()
    for bin_ in bins:
        rest = _rest(bin_)
        if rest is not None:
            writing.borne_out.append(BorneOut(bin_.bin_id, *rest))
            fed = bin_.fed + len(bin_.seen)
        else:
            fed = _move_on(conn, bin_, writing, now)
        remembered[bin_.bin_id] = bin_.remembered(fed)
    _write(conn, bins, writing, now)
    return Outcome(
        remembered=remembered,
        again=[Due(bin_.bin_id, None) for bin_ in bins if bin_.more],
        changed=len(writing.changed),
        readings=sum(len(bin_.seen) for bin_ in bins),
        movements=len(writing.booked),
    )


def _rest(bin_: Underway) -> Rest | None:
    """None: it came to something, or somebody did; then it is written out."""
    resting = bin_.resting
    if resting is None:
        return None
    if bin_.counted or bin_.more or not is_a_piece(bin_.seen, bin_.fed):
        bin_.write_out()
        return None
    rest = resting.feed_all(bin_.seen)
    if rest is not None and rest.followed_us - bin_.saved_us < SAVE_EVERY_US:
        return rest
    bin_.resting = None
    bin_.caught = CaughtUp(
        state=resting.done(),
        movements=resting.movements,
        checkpoints=[],
        fed=bin_.fed + len(bin_.seen),
    )
    return None


def _move_on(conn: psycopg.Connection, bin_: Underway, writing: _Writing, now: datetime) -> int:
    """Follow what was read and counted; how many readings were fed since the last checkpoint."""
    here = _to_be_counted(bin_)
    caught = bin_.caught or catch_up_through(
        bin_.state, bin_.seen, here, bin_.now.rules, bin_.fed, tares=bin_.tares
    )
    state, found = caught.state, caught.movements
    if state.pending:
        step = settle_until(state, now, bin_.now.rules)
        state, found = step.state, [*found, *step.movements]
    writing.booked += _book(conn, bin_, found, now)
    writing.checkpoints += [(bin_.bin_id, at, kept.to_json()) for at, kept in caught.checkpoints]
    if here:
        bin_.counted_at = here[-1].at
    shows = _shows(state) != _shows(bin_.before)
    if shows:
        writing.changed.append(bin_.bin_id)
    writing.levels.append(_level(bin_.bin_id, state, now))
    bin_.state = state
    is_news = bin_.dirty or shows or found or here or caught.checkpoints
    if is_news or state.last_us - bin_.saved_us >= SAVE_EVERY_US:
        text = state.to_json()
        writing.saved.append(
            bin_.track._replace(state=text, counted_at=bin_.counted_at, fed=caught.fed)
        )
        bin_.track = bin_.track._replace(version=bin_.track.version + 1)
        bin_.saved_us = state.last_us
    return caught.fed


def _to_be_counted(bin_: Underway) -> Sequence[Counted]:
    """Not what belongs behind readings that come with the next transaction."""
    if bin_.more and bin_.seen:
        return [one for one in bin_.counted if one.at <= bin_.seen[-1].at]
    return bin_.counted


def _book(
    conn: psycopg.Connection, bin_: Underway, found: list[Movement], now: datetime
) -> list[New]:
    """What is new of it. What was booked and is no longer so is replaced."""
    item_id = bin_.track.item_id
    if found and found[0].kind is MovementKind.OPENING:
        held = movements.last_before(conn, bin_.bin_id, item_id, bin_.track.from_at)
        if held is not None:
            because = "Until then it was measured in another way, or held another item."
            found = [carried_over(found[0], held, because), *found[1:]]
            found = [moved for moved in found if moved.pieces]
    if bin_.rewound:
        since = bin_.booked_since or bin_.track.from_at - timedelta(microseconds=1)
        booked = movements.live_since(conn, bin_.bin_id, item_id, since)
        told = compare([one.movement for one in booked], found)
        movements.replace(conn, [booked[place].movement_id for place in told.gone], now)
        found = told.new
    return [New(bin_.bin_id, item_id, moved) for moved in found]


def _write(
    conn: psycopg.Connection, bins: Sequence[Underway], writing: _Writing, now: datetime
) -> None:
    movements.insert(conn, writing.booked, now)
    tracks.keep_checkpoints(conn, writing.checkpoints)
    tracks.save(conn, writing.saved)
    bin_levels.save(conn, writing.levels)
    if not bin_levels.bear_out(conn, writing.borne_out):
        resting = [bin_ for bin_ in bins if bin_.resting is not None]
        for bin_ in resting:
            bin_.write_out()
        states = [(bin_.bin_id, bin_.state) for bin_ in resting]
        bin_levels.save(conn, [_level(bin_id, one, now) for bin_id, one in states if one])
    bin_state.mark_due(conn, writing.changed)


def _level(bin_id: int, state: Followed, now: datetime) -> BinLevel:
    settles_at = None
    settles = settles_us(state)
    if settles is not None:
        at = from_us(settles) + timedelta(milliseconds=1)
        settles_at = at if at > now else None  # else only the next reading decides it
    return BinLevel(
        bin_id,
        state.pieces,
        state.sd_pieces,
        state.exact,
        state.level_at,
        state.plateau_since,
        state.unconfirmed,
        state.doubts,
        None if state.last is None else from_us(state.last[0]),
        settles_at,
        state.zero_error_mg,
    )


def _shows(state: Followed | None) -> object:
    """What somebody would act on, or see."""
    if state is None:
        return None
    kinds = [doubt.kind for doubt in state.doubts]
    return (state.pieces, state.exact, state.unconfirmed, kinds, state.zero_error_mg)
