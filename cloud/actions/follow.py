"""Follow bins: from what was read and counted to the level, its movements, and what is doubted.

One transaction holds a few hundred bins. What is remembered of a bin stays in the worker's memory
and is written down only when it has come to something: whoever begins without it follows the
readings since once more, and comes to the same.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg

from cloud.core.followed import Followed, Movement, MovementKind, Seen, from_us, to_us
from cloud.core.following import (
    CaughtUp,
    Counted,
    carried_over,
    catch_up,
    compare,
    is_a_piece,
    restated,
)
from cloud.core.levels import level_of
from cloud.core.movements import settle_until
from cloud.core.pending import settles_us
from cloud.core.resting import Rest, Resting
from cloud.postgres import bin_levels, bin_state, counts, movements, news, tracks
from cloud.postgres.bin_levels import BinLevel, BorneOut
from cloud.postgres.follow_due import Due
from cloud.postgres.movements import New, Restated
from cloud.postgres.news import Since
from cloud.postgres.tracks import Now, Track

SEEN_MAX = 5_000  # readings of one sensor in one transaction; the rest comes with the next
RECENT_MAX = 24  # keys of readings that are known to have been followed, per bin
SAVE_EVERY_US = 900_000_000  # of a bin that does not change, by the time of its readings

Key = tuple[datetime, int, int]


class Remembered(NamedTuple):
    """What a worker remembers of a bin, good as long as nobody else has written of it.

    A tuple: one is made for nearly every reading.
    """

    track: Track  # as it was written down last, without the state
    state: Followed  # as it came to something last
    resting: Resting | None  # what became of it since, for one taker alone
    counted_at: datetime | None
    fed: int
    saved_us: int
    recent: tuple[Key, ...]  # the newest last


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """To be remembered once the transaction is committed."""

    remembered: Mapping[int, Remembered]
    again: Sequence[Due]  # there is more to follow of these
    changed: int  # bins that are due to be assessed
    readings: int
    movements: int


@dataclass(kw_only=True, slots=True)
class _Bin:
    """One bin on its way through a transaction."""

    due: Due
    now: Now
    track: Track
    state: Followed | None
    resting: Resting | None
    counted_at: datetime | None
    fed: int
    recent: tuple[Key, ...]
    saved_us: int
    dirty: bool = False  # what is remembered must be written down
    rewound: bool = False
    booked_since: datetime | None = None
    before: Followed | None = None  # as it was shown until now
    seen: list[Seen] = field(default_factory=list)
    counted: Sequence[Counted] = ()
    caught: CaughtUp | None = None  # as far as it was followed when it was no rest
    more: bool = False
    tares: Sequence[tuple[datetime, int]] = ()  # of the past, for what is followed again

    @property
    def bin_id(self) -> int:
        return self.track.bin_id

    @property
    def last(self) -> tuple[int, int, int] | None:
        if self.resting is not None:
            return self.resting.last
        return None if self.state is None else self.state.last

    @property
    def cursor_us(self) -> int:
        began_us = to_us(self.track.from_at)
        return began_us if self.last is None else max(began_us, self.last[0])

    def write_out(self) -> None:
        if self.resting is not None:
            self.state, self.resting = self.resting.done(), None


def follow_bins(
    conn: psycopg.Connection,
    due: Sequence[Due],
    now: datetime,
    remembered: MutableMapping[int, Remembered],
    *,
    wait: bool = True,
) -> Outcome:
    """Runs in the caller's transaction, in which the bins were taken from those that wait.

    They are taken out of what is remembered: if it is undone, it is known no longer.

    `wait`: also for bins that somebody else follows at the moment; else they are left out.
    """
    are = tracks.now_of(conn, [one.bin_id for one in due])
    held = tracks.lock(conn, are, wait=wait)
    bins = _begin(conn, [one for one in sorted(due) if one.bin_id in held], are, held, remembered)
    for bin_ in bins:
        become, was = bin_.now, bin_.track
        if become.rules is was.rules and become.item_id == was.item_id:
            continue
        if become.rules != was.rules or become.item_id != was.item_id:
            _change(conn, bin_, now)
    _read(conn, bins)
    late = [bin_ for bin_ in bins if _is_late(bin_)]
    for bin_ in late:
        _rewind(conn, bin_)
    _read(conn, late)
    return _conclude(conn, bins, now)


def _begin(
    conn: psycopg.Connection,
    due: Sequence[Due],
    are: Mapping[int, Now],
    held: Mapping[int, int],
    remembered: MutableMapping[int, Remembered],
) -> list[_Bin]:
    known: dict[int, Remembered] = {}
    for bin_id, version in held.items():
        kept = remembered.pop(bin_id, None)
        if kept is not None and kept.track.version == version:
            known[bin_id] = kept
    read = tracks.read(conn, [bin_id for bin_id in held if bin_id not in known])
    return [
        _by_heart(one, are[one.bin_id], known[one.bin_id])
        if one.bin_id in known
        else _as_read(one, are[one.bin_id], read[one.bin_id])
        for one in due
    ]


def _by_heart(due: Due, now: Now, known: Remembered) -> _Bin:
    track, state, resting, counted_at, fed, saved_us, recent = known
    if resting is None and now.rules is track.rules:
        resting = Resting.of(state, now.rules)
    return _Bin(
        due=due, now=now, track=track, state=state, resting=resting, counted_at=counted_at,
        fed=fed, recent=recent, saved_us=saved_us, before=state,
    )  # fmt: skip


def _as_read(due: Due, now: Now, track: Track) -> _Bin:
    state = None if track.state is None else Followed.from_json(track.state)
    return _Bin(
        due=due, now=now, track=track._replace(state=None), state=state, resting=None,
        counted_at=track.counted_at, fed=track.fed, recent=(), saved_us=_last_us(state),
        before=state,
    )  # fmt: skip


# ------------------------------------------------------------------ what was read


def _read(conn: psycopg.Connection, bins: Sequence[_Bin]) -> None:
    """What was read and counted, and is not followed yet."""
    if not bins:
        return
    since: list[Since] = []
    for bin_ in bins:
        since += _since(bin_)
    found = news.seen(conn, since, SEEN_MAX)
    for bin_ in bins:
        sensors = bin_.now.rules.sensors
        if len(sensors) == 1:
            seen = found[sensors[0]]
            bin_.more = len(seen) == SEEN_MAX
        else:
            seen = _of_several(bin_, [found[sensor_id] for sensor_id in sensors])
        bin_.seen = seen
        if bin_.recent and seen and seen[0][:3] <= bin_.recent[-1]:
            known = set(bin_.recent)
            bin_.seen = [one for one in seen if one[:3] not in known]
    counted = news.counts_after(
        conn, [(b.bin_id, b.track.item_id, to_us(b.counted_at or b.track.from_at)) for b in bins]
    )
    for bin_ in bins:
        bin_.counted = counted.get(bin_.bin_id, ())


def _since(bin_: _Bin) -> Iterable[Since]:
    """Most often what comes after the last one; else all from the time on that has something new.

    Of several sensors always all of that time: one may be told later than the other.
    """
    sensors = bin_.now.rules.sensors
    began_us, at_us = to_us(bin_.track.from_at), bin_.cursor_us
    if bin_.due.from_at is not None and not bin_.rewound:
        news_us = to_us(bin_.due.from_at)
        if news_us <= at_us:
            return [Since(sensor_id, max(began_us, news_us)) for sensor_id in sensors]
    last = bin_.last
    if len(sensors) == 1 and last is not None and at_us == last[0] and not bin_.rewound:
        return (Since(sensors[0], *last),)
    return [Since(sensor_id, at_us) for sensor_id in sensors]


def _of_several(bin_: _Bin, parts: Sequence[list[Seen]]) -> list[Seen]:
    full = [part[-1].at for part in parts if len(part) == SEEN_MAX]
    seen: list[Seen] = sorted((one for part in parts for one in part), key=_key)
    bin_.more = bool(full)
    # Beyond the last reading of the one that has more, the others would overtake it.
    return [one for one in seen if one.at <= min(full)] if full else seen


def _is_late(bin_: _Bin) -> bool:
    """Whether something came that belongs before what was followed already."""
    counted = bin_.counted_at
    if bin_.due.from_at is not None and counted is not None and bin_.due.from_at < counted:
        return True
    if bin_.last is None:
        return False
    at_us, stream_no, seq = bin_.last
    if bin_.counted and to_us(bin_.counted[0].at) < at_us:
        return True
    return bool(bin_.seen) and bin_.seen[0][:3] < (from_us(at_us), stream_no, seq)


def _rewind(conn: psycopg.Connection, bin_: _Bin) -> None:
    """Back to the checkpoint before it; everything since is followed again."""
    late = [one.at for one in bin_.seen[:1]] + [one.at for one in bin_.counted[:1]]
    if bin_.due.from_at is not None:
        late.append(bin_.due.from_at)
    found = tracks.checkpoint_before(conn, bin_.bin_id, min(late), bin_.track.from_at)
    bin_.tares = news.tares_of(conn, bin_.bin_id)
    bin_.rewound = bin_.dirty = True
    bin_.recent = ()
    bin_.fed = 0
    bin_.booked_since, bin_.state, bin_.resting = None, None, None
    if found is not None:
        bin_.booked_since, state = found
        bin_.state = Followed.from_json(state)
    bin_.counted_at = bin_.booked_since


# ------------------------------------------------------------------ what a person changed


def _change(conn: psycopg.Connection, bin_: _Bin, now: datetime) -> None:
    was, become = bin_.track.rules, bin_.now.rules
    bin_.write_out()
    bin_.dirty = True
    if bin_.now.item_id != bin_.track.item_id:
        _begin_anew(conn, bin_, bin_.now.from_at)
    elif (was.sensors, was.measure, was.pieces_per_count) != (
        become.sensors,
        become.measure,
        become.pieces_per_count,
    ):
        if bin_.state is not None:
            _begin_anew(conn, bin_, from_us(bin_.cursor_us))
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
    bin_.recent = ()
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
    levels: list[BinLevel] = []
    borne_out: list[BorneOut] = []
    changed: list[int] = []
    saved: list[Track] = []
    checkpoints: list[tuple[int, datetime, str]] = []
    booked: list[New] = []
    outcome: dict[int, Remembered] = {}
    for bin_ in bins:
        rest = _rest(bin_)
        if rest is not None:
            borne_out.append(BorneOut(bin_.bin_id, *rest))
            outcome[bin_.bin_id] = _remembered(bin_, bin_.fed + len(bin_.seen))
            continue
        here = _to_be_counted(bin_)
        caught = bin_.caught or _caught_up(bin_, here)
        state, found = caught.state, caught.movements
        if state.pending:
            step = settle_until(state, now, bin_.now.rules)
            state, found = step.state, [*found, *step.movements]
        booked += _book(conn, bin_, found, now)
        checkpoints += [(bin_.bin_id, at, kept.to_json()) for at, kept in caught.checkpoints]
        if here:
            bin_.counted_at = here[-1].at
        shows = _shows(state) != _shows(bin_.before)
        if shows:
            changed.append(bin_.bin_id)
        levels.append(_level(bin_.bin_id, state, now))
        bin_.state = state
        since_saved_us = _last_us(state) - bin_.saved_us
        if (
            bin_.dirty or shows or found or here or caught.checkpoints
            or since_saved_us >= SAVE_EVERY_US
        ):  # fmt: skip
            text = state.to_json()
            saved.append(
                bin_.track._replace(state=text, counted_at=bin_.counted_at, fed=caught.fed)
            )
            bin_.track = bin_.track._replace(version=bin_.track.version + 1)
            bin_.saved_us = _last_us(state)
        outcome[bin_.bin_id] = _remembered(bin_, caught.fed)
    movements.insert(conn, booked, now)
    tracks.keep_checkpoints(conn, checkpoints)
    tracks.save(conn, saved)
    bin_levels.save(conn, levels)
    if not bin_levels.bear_out(conn, borne_out):
        resting = [bin_ for bin_ in bins if bin_.resting is not None]
        for bin_ in resting:
            bin_.write_out()
        states = [(bin_.bin_id, bin_.state) for bin_ in resting]
        bin_levels.save(conn, [_level(bin_id, one, now) for bin_id, one in states if one])
    bin_state.mark_due(conn, changed)
    return Outcome(
        remembered=outcome,
        again=[Due(bin_.bin_id, None) for bin_ in bins if bin_.more],
        changed=len(changed),
        readings=sum(len(bin_.seen) for bin_ in bins),
        movements=len(booked),
    )


def _rest(bin_: _Bin) -> Rest | None:
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


def _remembered(bin_: _Bin, fed: int) -> Remembered:
    assert bin_.state is not None
    keys = bin_.recent
    if bin_.seen:
        keys = (*keys, *[one[:3] for one in bin_.seen[-RECENT_MAX:]])[-RECENT_MAX:]
    return Remembered(
        bin_.track, bin_.state, bin_.resting, bin_.counted_at, fed, bin_.saved_us, keys
    )


def _to_be_counted(bin_: _Bin) -> Sequence[Counted]:
    """Not what belongs behind readings that come with the next transaction."""
    if bin_.more and bin_.seen:
        return [one for one in bin_.counted if one.at <= bin_.seen[-1].at]
    return bin_.counted


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


def _last_us(state: Followed | None) -> int:
    return 0 if state is None or state.last is None else state.last[0]


def _key(seen: Seen) -> Key:
    return seen[:3]
