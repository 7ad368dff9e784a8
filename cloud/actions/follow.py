"""Follow bins: from what was read and counted to the level, its movements, and what is doubted.

One transaction holds a few hundred bins. What is remembered of a bin stays in the worker's memory
and is written down only when it has come to something: whoever begins without it follows the
readings since once more, and comes to the same.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import psycopg

from cloud.core.followed import Followed, Movement, MovementKind, Seen, from_us
from cloud.core.following import (
    CaughtUp,
    Counted,
    carried_over,
    catch_up,
    compare,
    restated,
)
from cloud.core.levels import level_of
from cloud.core.movements import settle_until
from cloud.core.plateaus import settles_us
from cloud.postgres import bin_levels, bin_state, counts, movements, tracks
from cloud.postgres.bin_levels import BinLevel
from cloud.postgres.movements import New, Restated
from cloud.postgres.tracks import Due, Now, Track

SEEN_MAX = 5_000  # readings of one sensor in one transaction; the rest comes with the next
RECENT_MAX = 24  # keys of readings that are known to have been followed, per bin
SAVE_EVERY = timedelta(minutes=15)  # of a bin that does not change, by the time of its readings

Key = tuple[datetime, int, int]


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """What a worker remembers of a bin, good as long as nobody else has written of it."""

    version: int
    state: Followed
    counted_at: datetime | None
    fed: int
    saved_us: int
    recent: frozenset[Key]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """To be remembered once the transaction is committed."""

    remembered: Mapping[int, Remembered]
    again: Sequence[Due]  # there is more to follow of these
    changed: int  # bins that are due to be assessed
    readings: int
    movements: int


@dataclass(kw_only=True)
class _Bin:
    """One bin on its way through a transaction."""

    due: Due
    now: Now
    track: Track
    state: Followed | None
    counted_at: datetime | None
    fed: int
    recent: frozenset[Key]
    saved_us: int
    dirty: bool = False  # what is remembered must be written down
    rewound: bool = False
    booked_since: datetime | None = None
    before: Followed | None = None  # as it was shown until now
    seen: list[Seen] = field(default_factory=list)
    more: bool = False
    tares: Sequence[tuple[datetime, int]] = ()  # of the past, for what is followed again

    @property
    def bin_id(self) -> int:
        return self.track.bin_id

    @property
    def cursor(self) -> datetime:
        if self.state is None or self.state.last is None:
            return self.track.from_at
        return max(self.track.from_at, from_us(self.state.last[0]))


def follow_bins(
    conn: psycopg.Connection,
    due: Sequence[Due],
    now: datetime,
    remembered: Mapping[int, Remembered],
    *,
    wait: bool = True,
) -> Outcome:
    """Runs in the caller's transaction, in which the bins were taken from those that wait.

    `wait`: also for bins that somebody else follows at the moment; else they are left out.
    """
    are = tracks.now_of(conn, [one.bin_id for one in due])
    held = tracks.lock(conn, are, wait=wait)
    bins = [
        _begin(one, are[one.bin_id], held[one.bin_id], remembered.get(one.bin_id))
        for one in sorted(due)
        if one.bin_id in held
    ]
    for bin_ in bins:
        if bin_.now.rules != bin_.track.rules or bin_.now.item_id != bin_.track.item_id:
            _change(conn, bin_, now)
    _read(conn, bins)
    late = [bin_ for bin_ in bins if _is_late(bin_)]
    for bin_ in late:
        _rewind(conn, bin_)
    _read(conn, late)
    return _conclude(conn, bins, now)


def _begin(due: Due, now: Now, track: Track, known: Remembered | None) -> _Bin:
    if known is not None and known.version == track.version:
        return _Bin(
            due=due, now=now, track=track, state=known.state, counted_at=known.counted_at,
            fed=known.fed, recent=known.recent, saved_us=known.saved_us, before=known.state,
        )  # fmt: skip
    state = None if track.state is None else Followed.from_json(track.state)
    return _Bin(
        due=due, now=now, track=track, state=state, counted_at=track.counted_at, fed=track.fed,
        recent=frozenset(), saved_us=_last_us(state), before=state,
    )  # fmt: skip


# ------------------------------------------------------------------ what was read


def _read(conn: psycopg.Connection, bins: Sequence[_Bin]) -> None:
    since: list[tuple[int, datetime]] = []
    for bin_ in bins:
        at = bin_.cursor
        if bin_.due.from_at is not None and not bin_.rewound:
            at = max(bin_.track.from_at, min(at, bin_.due.from_at))
        since += [(sensor_id, at) for sensor_id in bin_.now.rules.sensors]
    found = tracks.seen(conn, since, SEEN_MAX)
    for bin_ in bins:
        parts = [found[sensor_id] for sensor_id in bin_.now.rules.sensors]
        full = [part[-1].at for part in parts if len(part) == SEEN_MAX]
        seen = [one for part in parts for one in part]
        if len(parts) > 1:
            seen.sort(key=_key)
        bin_.more = bool(full)
        if full:
            # Beyond the last reading of the one that has more, the others would overtake it.
            seen = [one for one in seen if one.at <= min(full)]
        bin_.seen = [one for one in seen if _key(one) not in bin_.recent]


def _is_late(bin_: _Bin) -> bool:
    """Whether something came that belongs before what was followed already."""
    counted = bin_.counted_at
    if bin_.due.from_at is not None and counted is not None and bin_.due.from_at < counted:
        return True
    if bin_.state is None or bin_.state.last is None or not bin_.seen:
        return False
    at_us, stream_no, seq = bin_.state.last
    return _key(bin_.seen[0]) < (from_us(at_us), stream_no, seq)


def _rewind(conn: psycopg.Connection, bin_: _Bin) -> None:
    """Back to the checkpoint before it; everything since is followed again."""
    late = [one.at for one in bin_.seen[:1]]
    if bin_.due.from_at is not None:
        late.append(bin_.due.from_at)
    found = tracks.checkpoint_before(conn, bin_.bin_id, min(late), bin_.track.from_at)
    bin_.tares = tracks.tares_of(conn, bin_.bin_id)
    bin_.rewound = bin_.dirty = True
    bin_.recent = frozenset()
    bin_.fed = 0
    bin_.booked_since, bin_.state = None, None
    if found is not None:
        bin_.booked_since, state = found
        bin_.state = Followed.from_json(state)
    bin_.counted_at = bin_.booked_since


# ------------------------------------------------------------------ what a person changed


def _change(conn: psycopg.Connection, bin_: _Bin, now: datetime) -> None:
    was, become = bin_.track.rules, bin_.now.rules
    bin_.dirty = True
    if bin_.now.item_id != bin_.track.item_id:
        _begin_anew(conn, bin_, bin_.now.from_at)
    elif (was.sensors, was.measure, was.pieces_per_count) != (
        become.sensors,
        become.measure,
        become.pieces_per_count,
    ):
        if bin_.state is not None:
            _begin_anew(conn, bin_, bin_.cursor)
    else:
        if was.calibration.unit_weight_ug != become.calibration.unit_weight_ug:
            _restate(conn, bin_, now)
        if was.calibration.tare_mg != become.calibration.tare_mg:
            _tare(conn, bin_, now)
    bin_.track = bin_.track._replace(item_id=bin_.now.item_id, rules=become)


def _begin_anew(conn: psycopg.Connection, bin_: _Bin, from_at: datetime) -> None:
    """What was read before belongs to another item, or to other sensors."""
    tracks.forget_checkpoints(conn, bin_.bin_id)
    bin_.track = bin_.track._replace(from_at=from_at)
    bin_.state = None
    bin_.counted_at = None
    bin_.recent = frozenset()
    bin_.fed = 0


def _restate(conn: psycopg.Connection, bin_: _Bin, now: datetime) -> None:
    """The movements stay what they were in grams; what they are in pieces is told anew."""
    was, become = bin_.track.rules.calibration, bin_.now.rules.calibration
    booked = movements.live_since(conn, bin_.bin_id, bin_.track.item_id, None)
    if not booked or bin_.state is None:
        return
    told = restated([one.movement for one in booked], become)
    movements.replace(conn, [one.movement_id for one in booked], now)
    new = [New(bin_.bin_id, bin_.track.item_id, moved, restated=True) for moved in told]
    movements.insert(conn, new, now)
    movements.note_restated(
        conn,
        Restated(
            bin_.bin_id,
            bin_.track.item_id,
            now,
            was.unit_weight_ug,
            become.unit_weight_ug,
            len(told),
            booked[-1].movement.after_pieces,
            told[-1].after_pieces,
        ),
    )
    for at, state in tracks.checkpoints_of(conn, bin_.bin_id):
        pieces = _pieces_at(told, at)
        kept = replace(Followed.from_json(state), pieces=pieces).to_json()
        tracks.keep_checkpoints(conn, [(bin_.bin_id, at, kept)])
    bin_.state = replace(bin_.state, pieces=told[-1].after_pieces)


def _pieces_at(told: Iterable[Movement], at: datetime) -> int | None:
    pieces = None
    for moved in told:
        if max(moved.known_at_reading, moved.event_at) > at:
            break
        pieces = moved.after_pieces
    return pieces


def _tare(conn: psycopg.Connection, bin_: _Bin, now: datetime) -> None:
    """The plateau weighs what it weighs; with another tare it is another number of pieces."""
    state = bin_.state
    if state is None or state.reference_mg is None or state.pieces is None:
        return
    calibration = bin_.now.rules.calibration
    counts.insert(
        conn,
        counts.NewCount(
            bin_id=bin_.bin_id,
            item_id=bin_.track.item_id,
            kind="tare",
            pieces=level_of(round(state.reference_mg), calibration).pieces,
            counted_at=now,
            by="binline",
            because=f"The empty bin now counts as {calibration.tare_mg / 1000:,.1f} g.",
            level_pieces=state.pieces,
        ),
        now,
    )


# ------------------------------------------------------------------ what it comes to


def _conclude(conn: psycopg.Connection, bins: Sequence[_Bin], now: datetime) -> Outcome:
    counted = tracks.counts_after(
        conn, {b.bin_id: (b.track.item_id, max(b.cursor, b.counted_at or b.cursor)) for b in bins}
    )
    levels: list[BinLevel] = []
    changed: list[int] = []
    saved: list[Track] = []
    checkpoints: list[tuple[int, datetime, str]] = []
    booked: list[New] = []
    outcome: dict[int, Remembered] = {}
    for bin_ in bins:
        here = counted.get(bin_.bin_id, [])
        caught = _caught_up(bin_, here)
        step = settle_until(caught.state, now, bin_.now.rules)
        found = [*caught.movements, *step.movements]
        booked += _book(conn, bin_, found, now)
        state = step.state
        checkpoints += [(bin_.bin_id, at, kept.to_json()) for at, kept in caught.checkpoints]
        if here:
            bin_.counted_at = here[-1].at
        shows = _shows(state) != _shows(bin_.before)
        if shows:
            changed.append(bin_.bin_id)
        levels.append(_level(bin_.bin_id, state, now))
        version = bin_.track.version
        since_saved = _last_us(state) - bin_.saved_us
        if bin_.dirty or shows or found or here or caught.checkpoints or _is_long(since_saved):
            kept = bin_.track._replace(
                state=state.to_json(), counted_at=bin_.counted_at, fed=caught.fed
            )
            saved.append(kept)
            version += 1
            bin_.saved_us = _last_us(state)
        outcome[bin_.bin_id] = _remembered(bin_, caught, state, version)
    movements.insert(conn, booked, now)
    tracks.keep_checkpoints(conn, checkpoints)
    tracks.save(conn, saved)
    bin_levels.save(conn, levels)
    bin_state.mark_due(conn, changed)
    return Outcome(
        remembered=outcome,
        again=[Due(bin_.bin_id, None) for bin_ in bins if bin_.more],
        changed=len(changed),
        readings=sum(len(bin_.seen) for bin_ in bins),
        movements=len(booked),
    )


def _caught_up(bin_: _Bin, counted: Sequence[Counted]) -> CaughtUp:
    """With the tare that held at the time; the unit weight is the one that is known best."""
    rules, ends = bin_.now.rules, [at for at, _ in bin_.tares[1:]]
    if not ends:
        return catch_up(bin_.state, bin_.seen, counted, rules, bin_.fed)
    caught = CaughtUp(state=bin_.state or Followed(), movements=[], checkpoints=[], fed=bin_.fed)
    began = None
    for (_, tare_mg), end in zip(bin_.tares, [*ends, None], strict=True):
        then = replace(rules, calibration=replace(rules.calibration, tare_mg=tare_mg))
        part = catch_up(
            caught.state,
            [one for one in bin_.seen if _lies_in(one.at, began, end)],
            [one for one in counted if _lies_in(one.at, began, end)],
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


def _book(conn: psycopg.Connection, bin_: _Bin, found: list[Movement], now: datetime) -> list[New]:
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


def _remembered(bin_: _Bin, caught: CaughtUp, state: Followed, version: int) -> Remembered:
    keys = deque((_key(one) for one in bin_.seen[-RECENT_MAX:]), RECENT_MAX)
    if len(keys) < RECENT_MAX:
        keys.extendleft(sorted(bin_.recent, reverse=True)[: RECENT_MAX - len(keys)])
    return Remembered(
        version=version,
        state=state,
        counted_at=bin_.counted_at,
        fed=caught.fed,
        saved_us=bin_.saved_us,
        recent=frozenset(keys),
    )


def _is_long(since_us: int) -> bool:
    return since_us >= SAVE_EVERY // timedelta(microseconds=1)


def _last_us(state: Followed | None) -> int:
    return 0 if state is None or state.last is None else state.last[0]


def _key(seen: Seen) -> Key:
    return (seen.at, seen.stream_no, seen.seq)
