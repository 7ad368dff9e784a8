"""Catching up with a bin: what was read and counted since, in the order of its time.

Late readings are no exception: who follows begins again from a checkpoint before them, and what
comes out is compared with what had been booked. What is the same stays as it was known; what is
no longer true is replaced, never changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from cloud.core.beside import counted
from cloud.core.followed import Followed, Movement, MovementKind, Rules, Seen, from_us
from cloud.core.levels import Calibration, level_of
from cloud.core.movements import follow

# A late reading has at most so many followed again, and one of a quiet bin at most a day of them.
FEED_MAX = 2_000
CHECKPOINT_EVERY = timedelta(days=1)


class Counted(NamedTuple):
    """What a person counted, or said of the bin: a fact about a time, like a reading."""

    at: datetime
    pieces: int
    because: str
    is_seen: bool = True  # False: it follows from the weight, and tells nothing of what moved


@dataclass(frozen=True, kw_only=True)
class CaughtUp:
    state: Followed
    movements: list[Movement]
    checkpoints: list[tuple[datetime, Followed]]
    fed: int  # readings since the last checkpoint


def catch_up(
    state: Followed | None,
    seen: Sequence[Seen],
    counts: Sequence[Counted],
    rules: Rules,
    fed: int = 0,
) -> CaughtUp:
    """Follow `seen` and `counts`, both in the order of their time and after `state`."""
    now = state or Followed()
    movements: list[Movement] = []
    checkpoints: list[tuple[datetime, Followed]] = []
    waiting = list(counts)
    place = 0
    while place < len(seen) or waiting:
        until = _next_stop(seen, place, waiting, fed)
        step = follow(now, seen[place:until], rules)
        fed += until - place
        place = until
        now = step.state
        movements += step.movements
        if waiting and (place == len(seen) or waiting[0].at <= seen[place].at):
            count = waiting.pop(0)
            step = counted(now, count.pieces, count.at, count.because, rules, is_seen=count.is_seen)
            now = step.state
            movements += step.movements
        elif (
            now.last is not None
            and not now.pending
            and (place < len(seen) or (fed >= FEED_MAX and not waiting))
        ):
            # Not while a gain may be revoked: that may be decided by the clock, and a state from
            # before would decide it again.
            checkpoints.append((from_us(now.last[0]), now))
            fed = 0
    return CaughtUp(state=now, movements=movements, checkpoints=checkpoints, fed=fed)


def catch_up_through(
    state: Followed | None,
    seen: Sequence[Seen],
    counts: Sequence[Counted],
    rules: Rules,
    fed: int = 0,
    *,
    tares: Sequence[tuple[datetime, int]],
) -> CaughtUp:
    """As `catch_up`, with the tare that held at the time of each reading.

    `tares`: each with the time from when on it held, the first of them from ever on; none: that of
    `rules` holds. The unit weight is the one that is known best.
    """
    if len(tares) <= 1:
        return catch_up(state, seen, counts, rules, fed)
    caught = CaughtUp(state=state or Followed(), movements=[], checkpoints=[], fed=fed)
    began = None
    for (_, tare_mg), end in zip(tares, [*(at for at, _ in tares[1:]), None], strict=True):
        then = replace(rules, calibration=replace(rules.calibration, tare_mg=tare_mg))
        part = catch_up(
            caught.state,
            [one for one in seen if _lies_in(one.at, began, end)],
            [one for one in counts if _lies_in(one.at, began, end)],
            then,
            caught.fed,
        )
        caught = CaughtUp(
            state=part.state,
            movements=caught.movements + part.movements,
            checkpoints=caught.checkpoints + part.checkpoints,
            fed=part.fed,
        )
        began = end
    return caught


def _lies_in(at: datetime, began: datetime | None, end: datetime | None) -> bool:
    return (began is None or at >= began) and (end is None or at < end)


def is_a_piece(seen: Sequence[Seen], fed: int) -> bool:
    """Whether these are followed at once, with no checkpoint due among them or after them."""
    if fed + len(seen) >= FEED_MAX:
        return False
    return not seen or seen[-1].at - seen[0].at <= CHECKPOINT_EVERY


def _next_stop(seen: Sequence[Seen], place: int, waiting: Sequence[Counted], fed: int) -> int:
    """Up to which reading to follow at once: to the next count, or where a checkpoint is due."""
    stop = min(len(seen), place + max(1, FEED_MAX - fed))
    if waiting:
        stop = next((n for n in range(place, stop) if seen[n].at >= waiting[0].at), stop)
    if place < stop and seen[stop - 1].at - seen[place].at > CHECKPOINT_EVERY:
        day = seen[place].at + CHECKPOINT_EVERY
        stop = next(n for n in range(place, stop) if seen[n].at > day)
    return max(stop, place)


# ------------------------------------------------------------------ what had been booked before


class Told(NamedTuple):
    """What followed again comes to, beside what had been booked of the same time."""

    gone: list[int]  # places in the booked
    new: list[Movement]


def compare(booked: Sequence[Movement], found: Sequence[Movement]) -> Told:
    """What is the same stays, with the time at which it was first known."""
    left: dict[object, list[int]] = {}
    for place, movement in enumerate(booked):
        left.setdefault(_what(movement), []).append(place)
    new = []
    for movement in found:
        same = left.get(_what(movement))
        if same:
            same.pop(0)
        else:
            new.append(movement)
    return Told(gone=sorted(place for rest in left.values() for place in rest), new=new)


def _what(movement: Movement) -> object:
    return (
        movement.kind,
        movement.before_pieces,
        movement.after_pieces,
        movement.event_at,
        movement.after.first,
    )


# ------------------------------------------------------------------ another unit weight, sensor


def restated(movements: Iterable[Movement], calibration: Calibration) -> list[Movement]:
    """The same movements by another unit weight: no other times, none more, and the sum holds.

    What a person counted stays what was counted, and the correction is what it takes to get there.
    """
    told = []
    pieces = 0
    weighed: tuple[int, int] | None = None  # the level that follows from weights alone, and where
    for movement in movements:
        counted_here = movement.before is not None and movement.before == movement.after
        if movement.after_mg is None or counted_here:
            become = movement.after_pieces
        elif movement.before_mg is not None:
            become = max(0, pieces + _apart(movement.before_mg, movement.after_mg, calibration))
        elif weighed is None or movement.kind is MovementKind.OPENING:
            become = level_of(movement.after_mg, calibration).pieces
        else:
            # What was counted since lies between; what is left is what it takes to get there.
            become = max(0, weighed[0] + _apart(weighed[1], movement.after_mg, calibration))
        told.append(
            replace(movement, before_pieces=pieces, after_pieces=become, pieces=become - pieces)
        )
        pieces = become
        if movement.after_mg is not None and not counted_here:
            weighed = (become, movement.after_mg)
    return told


def pieces_at(movements: Iterable[Movement], at: datetime) -> int | None:
    """The level that they leave behind, of which was known by then; None: none yet."""
    pieces = None
    for moved in movements:
        if max(moved.known_at_reading, moved.event_at) > at:
            break
        pieces = moved.after_pieces
    return pieces


def _apart(before_mg: int, after_mg: int, calibration: Calibration) -> int:
    """To the nearest whole, halves away from zero, so that a take and its return are alike."""
    apart_ug, unit_ug = (after_mg - before_mg) * 1_000, calibration.unit_weight_ug
    whole = (2 * abs(apart_ug) + unit_ug) // (2 * unit_ug)
    return whole if apart_ug >= 0 else -whole


def carried_over(opening: Movement, pieces: int, because: str) -> Movement:
    """An opening where a level was known already is a correction of it."""
    return replace(
        opening,
        kind=MovementKind.CORRECTION,
        before_pieces=pieces,
        pieces=opening.after_pieces - pieces,
        because=because,
    )
