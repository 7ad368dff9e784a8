"""The level of a bin that is not weighed: counters, tags, level steps, two containers.

    counter_out, counter_in   the total's growth times `pieces_per_count`; a restart counts nothing
    tags                      codes that are there, times `pieces_per_count`
    steps                     the step times `pieces_per_count`; never exact
    two_bin                   a code seen at the place for empties, or one more on the total, is one
                              container of `pieces_per_count` gone; a full one is booked by a count

A counter says what went, not what is there: until somebody has counted there is no level, and
then it is the count and what went since.

Goods that come are a refill, by whoever tells of them first:

    counter_in                what it has let in
    tags                      a tag that was not here a day ago; one that was is put back
    by a count                more than half a pack, or half a container, more than was known of

What a count has told, a counter or a tag does not tell again within a shift. That a code left the
place for empties says no more than that: who fetches the empty one may bring it back next week.
"""

from dataclasses import replace
from datetime import datetime

from cloud.core.followed import (
    Doubt,
    Doubting,
    Followed,
    Measure,
    Movement,
    MovementKind,
    ReadingRange,
    ReadingRef,
    Rules,
    Seen,
    Step,
    from_us,
    to_us,
)

_NOBODY_COUNTED = Doubt(Doubting.UNKNOWN, "Nobody has counted yet what is in it.")
_NOTHING_SEEN = Doubt(Doubting.UNKNOWN, "Nothing has been seen of it yet.")
CODES_MAX = 10_000
GONE_MAX = 1_000
# Of tags. A box that is back within a day was put back; one that comes later was filled elsewhere.
PUT_BACK_US = 24 * 3_600_000_000
LOST = 0  # not taken: the reader lost sight of it
# A reader tells one by one of what lay there before it looked.
FIRST_LOOK_US = 120_000_000
# Goods are counted on arrival, and pass the counter, or get their tags, in the same shift.
TOLD_US = 8 * 3_600_000_000


class Counting:
    def __init__(self, state: Followed, rules: Rules) -> None:
        self._rules = rules
        self._state = state
        self._codes = set(state.codes)
        self.movements: list[Movement] = []

    def done(self) -> Followed:
        state = replace(self._state, codes=tuple(sorted(self._codes)))
        exact = self._rules.measure is not Measure.STEPS and state.pieces is not None
        doubts = () if state.pieces is not None else (self._unknown(),)
        sd = self._rules.pieces_per_count / 12**0.5 if self._rules.measure is Measure.STEPS else 0.0
        return replace(state, doubts=doubts, exact=exact, sd_pieces=sd)

    def feed(self, seen: Seen) -> None:
        key = (to_us(seen.at), seen.stream_no, seen.seq)
        if self._state.last is not None and key <= self._state.last:
            return
        self._state = replace(self._state, last=key)
        if seen.condition is not None:
            self._condition(seen.condition)
        elif seen.quality != 0:
            self._state = replace(self._state, condition="doubtful")
        elif seen.code is not None:
            self._sighted(seen)
        elif seen.total is not None:
            self._counted(seen, seen.total)

    def _condition(self, condition: str) -> None:
        if condition == "restarted":
            # What went while it was off is not known: the next total is a new beginning.
            self._state = replace(self._state, total=None, condition=None)
        else:
            self._state = replace(self._state, condition=None if condition == "back" else condition)

    def _counted(self, seen: Seen, total: int) -> None:
        before = self._state.total
        self._state = replace(self._state, total=total, condition=None, number_us=to_us(seen.at))
        if self._rules.measure is Measure.STEPS:
            if total == before and self._state.pieces is not None:
                self._stand(seen)  # what was counted meanwhile lies between two steps
            else:
                self._level(seen, total * self._rules.pieces_per_count)
            return
        if before is None or total < before or self._state.pieces is None:
            self._stand(seen)
            return
        grown = (total - before) * self._rules.pieces_per_count
        if self._rules.measure is Measure.COUNTER_IN:
            self._level(seen, self._state.pieces + self._untold(seen, grown))
        else:
            self._level(seen, self._state.pieces - grown)

    def _sighted(self, seen: Seen) -> None:
        assert seen.code is not None
        if self._rules.measure not in (Measure.TAGS, Measure.TWO_BIN):
            return
        self._state = replace(self._state, condition=None, number_us=to_us(seen.at))
        if self._rules.measure is Measure.TAGS:
            self._tag(seen, seen.code)
        else:
            self._empty(seen, seen.code)

    def _tag(self, seen: Seen, code: str) -> None:
        """Beside what was counted by hand a tag that comes or goes is a difference, no level."""
        at_us, before, known = to_us(seen.at), self._state.pieces, code in self._codes
        gone = {tag: us for tag, us in self._state.gone if us == LOST or at_us - us <= PUT_BACK_US}
        kind = MovementKind.REFILL
        if seen.change == "absent":
            self._codes.discard(code)
            if known:
                gone[code] = at_us
                self._may_be_lost(gone, at_us)
        elif seen.change != "scanned" and len(self._codes) < CODES_MAX:
            self._codes.add(code)
            went_us = gone.pop(code, None)
            if went_us is not None:
                kind = MovementKind.CORRECTION if went_us == LOST else MovementKind.PUT_BACK
        since_us = at_us if self._state.tags_us is None else self._state.tags_us
        self._state = replace(self._state, gone=tuple(gone.items())[-GONE_MAX:], tags_us=since_us)
        each = self._rules.pieces_per_count
        if before is None:
            self._level(seen, len(self._codes) * each)
            return
        change = ((code in self._codes) - known) * each
        if change > 0 and kind is MovementKind.REFILL:
            if at_us - since_us <= FIRST_LOOK_US:
                kind = MovementKind.CORRECTION
                change = change if before < len(self._codes) * each else 0  # else it was counted
            else:
                change = self._untold(seen, change)
        self._level(seen, before + change, kind)

    def _may_be_lost(self, gone: dict[str, int], at_us: int) -> None:
        """Nobody takes all that are left at once: the reader sees no tag any more."""
        at_once = [tag for tag, us in gone.items() if us != LOST and at_us - us <= FIRST_LOOK_US]
        if not self._codes and len(at_once) > 1:
            gone.update(dict.fromkeys(at_once, LOST))

    def _empty(self, seen: Seen, code: str) -> None:
        known, scanned = len(self._codes), set(self._state.scanned)
        if seen.change == "absent":
            self._codes.discard(code)
            scanned.discard(code)
        elif len(self._codes) < CODES_MAX:
            if seen.change == "scanned" and code not in self._codes:
                scanned.add(code)
            self._codes.add(code)
        self._state = replace(self._state, scanned=tuple(sorted(scanned)))
        if len(self._codes) > known and self._state.pieces is not None:
            self._level(seen, self._state.pieces - self._rules.pieces_per_count)
        else:
            self._stand(seen)

    def _untold(self, seen: Seen, gain: int) -> int:
        """What of a gain nobody has counted already."""
        told = _told(self._state, to_us(seen.at))
        self._state = replace(self._state, counted_in=_waiting(self._state, told - gain))
        return max(0, gain - told)

    def _level(self, seen: Seen, pieces: int, gain: MovementKind | None = None) -> None:
        pieces = max(0, pieces)
        before = self._state.pieces
        self._state = replace(self._state, pieces=pieces)
        if before is None or pieces != before:
            self._move(seen, before, pieces, gain)
        self._stand(seen, moved=pieces != before)

    def _move(self, seen: Seen, before: int | None, pieces: int, gain: MovementKind | None) -> None:
        change = pieces - (before or 0)
        ref = ReadingRef(seen.stream_no, seen.seq)
        first, last = self._state.plateau_first, self._state.plateau_last
        known = before is not None and first is not None and last is not None
        self.movements.append(
            Movement(
                kind=MovementKind.OPENING if before is None else self._kind(change, gain),
                pieces=change,
                before_pieces=before or 0,
                after_pieces=pieces,
                event_at=seen.at,
                known_at_reading=seen.at,
                before=ReadingRange(ReadingRef(*first), ReadingRef(*last))
                if known and first and last
                else None,
                after=ReadingRange(ref, ref),
                before_mg=None,
                after_mg=None,
                because=self._because(change, seen),
            )
        )

    def _kind(self, change: int, gain: MovementKind | None) -> MovementKind:
        if change < 0:
            return MovementKind.USAGE
        if gain is not None:
            return gain
        if self._rules.measure is Measure.COUNTER_IN or change >= self._rules.refill_pieces:
            return MovementKind.REFILL
        return MovementKind.PUT_BACK

    def _because(self, change: int, seen: Seen) -> str:
        match self._rules.measure:
            case Measure.TAGS:
                return f"{len(self._codes):,} tags are there."
            case Measure.STEPS:
                return f"The level stands at step {seen.total}."
            case Measure.TWO_BIN:
                return f"A container of {self._rules.pieces_per_count:,} is empty."
            case _:
                return f"The counter has gone on by {abs(change):,} pieces."

    def _stand(self, seen: Seen, *, moved: bool = False) -> None:
        ref = (seen.stream_no, seen.seq)
        at_us = to_us(seen.at)
        state = replace(self._state, level_us=at_us, plateau_last=ref)
        if moved or state.plateau_first is None:
            state = replace(state, plateau_us=at_us, plateau_first=ref)
        self._state = state

    def _unknown(self) -> Doubt:
        seen_only = self._rules.measure in (Measure.TAGS, Measure.STEPS)
        return _NOTHING_SEEN if seen_only else _NOBODY_COUNTED


def counted(state: Followed, pieces: int, at: datetime, because: str, rules: Rules) -> Step:
    """Somebody counted a bin that is not weighed: `recount`, and what that says of goods.

    Empty containers that were scanned are full again when more is there: a card that is scanned
    once more was emptied once more.
    """
    step = recount(state, pieces, at, because)
    if state.pieces is None or pieces == state.pieces:
        return step
    more, at_us = pieces - state.pieces, to_us(at)
    if not _has_come(more, rules):
        told = _told(state, at_us) + min(0, more)
        return Step(
            state=replace(step.state, counted_in=_waiting(state, told)), movements=step.movements
        )
    after = replace(
        step.state,
        codes=tuple(code for code in state.codes if code not in state.scanned),
        scanned=(),
        counted_in=(_told(state, at_us) + more, at_us),
    )
    because = f"Counted: {more:,} more than were known of. {because}"
    moved = [replace(one, kind=MovementKind.REFILL, because=because) for one in step.movements]
    return Step(state=after, movements=moved)


def _told(state: Followed, at_us: int) -> int:
    """Pieces that came by a count, and that nothing else has told of yet."""
    if state.counted_in is None or at_us - state.counted_in[1] > TOLD_US:
        return 0
    return state.counted_in[0]


def _waiting(state: Followed, pieces: int) -> tuple[int, int] | None:
    return None if state.counted_in is None or pieces <= 0 else (pieces, state.counted_in[1])


def _has_come(more: int, rules: Rules) -> bool:
    """As of an order: packs and containers come whole, and the nearest number of them came."""
    whole = rules.refill_pieces
    if rules.measure is Measure.TWO_BIN:
        whole = min(whole, rules.pieces_per_count)
    return 2 * more > whole


def recount(state: Followed, pieces: int, at: datetime, because: str) -> Step:
    """Somebody counted. The readings it stands beside are those of the plateau."""
    assert pieces >= 0, "nothing is less than none"
    before = state.pieces
    first, last = state.plateau_first, state.plateau_last
    nowhere = ReadingRange(ReadingRef(0, 0), ReadingRef(0, 0))
    beside = ReadingRange(ReadingRef(*first), ReadingRef(*last)) if first and last else nowhere
    weighs_mg = state.reference_mg if state.seen_mg is None else state.seen_mg
    weighs = None if weighs_mg is None else round(weighs_mg)
    known_at = from_us(state.last[0]) if state.last else at
    movement = Movement(
        kind=MovementKind.OPENING if before is None else MovementKind.CORRECTION,
        pieces=pieces - (before or 0),
        before_pieces=before or 0,
        after_pieces=pieces,
        event_at=at,
        known_at_reading=known_at,
        before=None if before is None else beside,
        after=beside,
        before_mg=None if before is None else weighs,
        after_mg=weighs,
        because=because,
    )
    doubts = tuple(
        doubt
        for doubt in state.doubts
        if doubt.kind not in (Doubting.UNKNOWN, Doubting.UNIT_CHANGED)
    )
    after = replace(state, pieces=pieces, doubts=doubts, unexplained_mg=0.0, unexplained_because="")
    moved = before is None or pieces != before
    return Step(state=after, movements=[movement] if moved else [])
