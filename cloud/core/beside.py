"""What a person counts, beside what the scale shows: which of both is believed, and of what.

    it agrees with a change that waits     the change is confirmed
    it agrees with the weight of now       that is believed, whatever the level was thought to be
    the scale shows nothing of now         the count is of a weight that nobody has seen: what comes
                                           next is compared with that
    the scale shows another weight         the count is believed, and the difference is one of the
                                           weight, or of who counted; or the scale is stuck, and
                                           nobody has noticed. That only shows when it moves

Whether it was stuck is told by the first other weight. If it lies where the count says, or whole
packs above that, or was counted twice with another number while the scale said the same, or said so
for twice as long as it ever did, the scale slept, and what is left between weight and count is all
that moved since. Else it lives, and the count has corrected it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from cloud.core import counting
from cloud.core.followed import (
    Doubting,
    Followed,
    Measure,
    Movement,
    MovementKind,
    Plateau,
    ReadingRange,
    Rules,
    Seen,
    Step,
    Told,
    to_us,
)
from cloud.core.levels import SDS_TO_BE_EXACT, Calibration, is_absent, level_of
from cloud.core.looks import NO_MOVEMENT_PIECES, SURE_SIGMAS
from cloud.core.plateaus import Weighing
from cloud.core.remainders import remainder_of
from cloud.core.unrest import SAME_MIN

TOLD_LEAST_PIECES = 3  # less is as well a take or an oversight as a scale that is stuck
# Of the level: what the weight of a piece may be off by where nobody said how well it is known.
UNIT_UNSURE = 0.05
WHOLE = 0.1  # of a piece: so near to a whole number a weight lies by chance once in five times
# A gain is a whole number of packs by chance: where more of them are, packs tell nothing.
BY_CHANCE = 0.1
MISCOUNTED = 0.1  # of what was told: who counts beside a shelf in use overlooks a few

_UNREAD = (Doubting.STUCK, Doubting.SUSPECT, Doubting.ABSENT)
_BLIND = "It was counted while the scale could not be read"
_STUCK = "It was counted while the scale went on showing the weight of before"


def counted(
    state: Followed, pieces: int, at: datetime, because: str, rules: Rules, *, is_seen: bool = True
) -> Step:
    """Somebody counted `pieces`: what that says of what waits, and of what lies there.

    `is_seen`: False where it follows from a weight, and tells nothing of what moved.
    """
    if rules.measure is not Measure.WEIGHT:
        return counting.counted(state, pieces, at, because, rules)
    beside = counted_beside(state, pieces, at, rules, is_seen=is_seen)
    step = counting.recount(beside.state, pieces, at, because)
    known = beside.state.pieces
    moved = step.movements
    if is_seen and known is not None and _came_unseen(beside.state, pieces, rules):
        because = f"Counted while the scale could not be read: {pieces - known:,} more. {because}"
        moved = [replace(one, kind=MovementKind.REFILL, because=because) for one in moved]
    return Step(state=step.state, movements=beside.movements + moved)


def _came_unseen(state: Followed, pieces: int, rules: Rules) -> bool:
    """As many goods as are filled in, of which the scale could show nothing.

    More than was ever thought, and more than was weighed: else it is an older count that was wrong.
    """
    if state.pieces is None or state.seen_mg is None:
        return False
    weighed = level_of(round(state.seen_mg), rules.calibration).pieces
    return pieces - max(state.pieces, weighed) >= rules.refill_pieces


def counted_beside(
    state: Followed, pieces: int, at: datetime, rules: Rules, *, is_seen: bool = True
) -> Step:
    """What a count by hand says of changes that are seen and not confirmed yet.

    If it agrees with them, they are confirmed. If it agrees with the level before, they are none of
    goods, and go on waiting. Else the count is of what the scale shows now, whatever led there; and
    where it shows nothing of now, of a weight that nobody has seen.
    """
    if pieces == state.pieces:
        return Step(state=state, movements=[])
    waits = state.pending and state.window and state.pending[0].since_us <= to_us(at)
    if waits:
        weighing = Weighing(state, rules)
        weighing.confirm_all()
        if weighing.booking.pieces == pieces:
            return Step(state=weighing.done(), movements=weighing.movements)
    shown = _shown(state, pieces, to_us(at), rules) if is_seen else None
    if shown is not None:
        return Step(state=_stands_on(state, shown), movements=[])
    if is_seen and _is_blind(state, pieces, to_us(at), rules):
        return Step(state=_counted_blind(state, pieces, rules), movements=[])
    if not waits or _is_back(state):
        told = _told(state, pieces, rules) if is_seen else state.told
        # What is on its way to another weight is looked at anew: no movement begins before it.
        window = () if _is_elsewhere(state, rules) else state.window
        return Step(state=replace(state, told=told, window=window), movements=[])
    return Step(state=_stands_on(state, state.pending[-1]), movements=[])


def _shown(state: Followed, pieces: int, at_us: int, rules: Rules) -> Plateau | None:
    """The newest weight, if it is not believed yet and says by itself what was counted.

    However far the level was off: weight and count agree, and neither knows of the other.
    """
    if not state.window or state.condition or state.absent_us is not None or len(rules.sensors) > 1:
        return None
    newest = state.window[-1]
    lives = at_us - newest.at_us <= rules.interval_s * 1_000_000
    if not lives or level_of(newest.weight_mg, rules.calibration).pieces != pieces:
        return None
    if state.reference_mg is None:
        return None
    if abs(newest.weight_mg - state.reference_mg) < _least_mg(state.sigma_mg, rules):
        return None
    weight_mg = float(newest.weight_mg)
    ref = (newest.stream_no, newest.seq)
    return Plateau(newest.at_us, ref, ref, weight_mg, after_absence=False, after_gap=False)


def _stands_on(state: Followed, plateau: Plateau) -> Followed:
    """The count is of what is weighed here, whatever led there."""
    return replace(
        state,
        reference_mg=plateau.mean_mg,
        seen_mg=None,
        plateau_us=plateau.since_us,
        plateau_first=plateau.first,
        plateau_last=plateau.last,
        pending=(),
        stretch=None,
        unconfirmed=0,
        patience=1,
        told=None,
    )


def _is_blind(state: Followed, pieces: int, at_us: int, rules: Rules) -> bool:
    """Whether what lies in the bin at the time is something else than the scale last told of.

    More than one sign of life late is enough: a weight that comes back unchanged undoes it.
    """
    if state.reference_mg is None or state.number_us is None or state.pieces is None:
        return False
    if state.seen_mg is not None or state.condition or state.absent_us is not None:
        return True
    if state.rezeroed or any(doubt.kind in _UNREAD for doubt in state.doubts):
        return True
    if at_us - state.number_us > rules.interval_s * 1_000_000:
        return True
    shown_mg = state.pending[-1].mean_mg if state.pending else state.reference_mg
    if not state.window:
        return False
    # A hand on a live scale explains no count: what is unconfirmed must go where it was counted to.
    news_mg = state.window[-1].weight_mg - shown_mg
    return (
        abs(news_mg) >= _least_mg(state.sigma_mg, rules) and news_mg * (pieces - state.pieces) > 0
    )


def _is_elsewhere(state: Followed, rules: Rules) -> bool:
    """Whether the newest weight is another one, that is not believed yet."""
    if not state.window or state.reference_mg is None:
        return False
    news_mg = state.window[-1].weight_mg - state.reference_mg
    return abs(news_mg) >= _least_mg(state.sigma_mg, rules)


def _is_back(state: Followed) -> bool:
    """Whether the newest weight is the one of before again, and what waited is to be forgotten."""
    if not state.window or state.reference_mg is None:
        return False
    newest_mg, waits_mg = state.window[-1].weight_mg, state.pending[-1].mean_mg
    return abs(newest_mg - state.reference_mg) < abs(newest_mg - waits_mg)


def _least_mg(sigma_mg: float, rules: Rules) -> float:
    """From where on a weight is another one."""
    return max(NO_MOVEMENT_PIECES * rules.calibration.unit_mg, SURE_SIGMAS * sigma_mg)


def _counted_blind(state: Followed, pieces: int, rules: Rules) -> Followed:
    """The level goes where it was counted, and the weight that stands for it goes along.

    What is weighed next is compared with that: the part that the count has told is not told again.
    """
    assert state.reference_mg is not None
    assert state.pieces is not None
    told_mg = (pieces - state.pieces) * rules.calibration.unit_mg
    is_stuck = any(doubt.kind is Doubting.STUCK for doubt in state.doubts)
    if state.told is not None and state.seen_mg is None and (state.told.again or is_stuck):
        told_mg += state.told.weight_mg
    return replace(
        state,
        reference_mg=_stands_for(
            pieces, state.reference_mg + told_mg, state.sd_pieces, rules.calibration
        ),
        seen_mg=state.reference_mg if state.seen_mg is None else state.seen_mg,
        exact=False,
        window=(),
        pending=(),
        stretch=None,
        unconfirmed=0,
        told=None,
    )


def _stands_for(pieces: int, weight_mg: float, sd_pieces: float, calibration: Calibration) -> float:
    """What so many pieces weigh that were counted, where `weight_mg` follows from the level before.

    An older count that was wrong leaves whole pieces between level and weight, and who counts now
    has counted them anew: then their own weight holds. Anything else lies in the bin, and stays.
    """
    own_mg = calibration.tare_mg + pieces * calibration.unit_mg
    apart = (weight_mg - own_mg) / calibration.unit_mg
    is_known = calibration.unit_error_ug > 0 and SDS_TO_BE_EXACT * sd_pieces <= 1 / 2
    return own_mg if is_known and abs(apart - round(apart)) <= WHOLE else weight_mg


def _told(state: Followed, pieces: int, rules: Rules) -> Told | None:
    """What counts say has gone or come while the scale said the same; None: nothing of weight.

    Who says what is weighed, or what the weight may be off by, tells nothing of a scale that is
    stuck. Nor is anything concluded of several scales under one bin.
    """
    if state.reference_mg is None or state.pieces is None or len(rules.sensors) > 1:
        return None
    shown = level_of(round(state.reference_mg), rules.calibration).pieces
    unsure = 0 if rules.calibration.unit_error_ug else UNIT_UNSURE * shown
    least = max(TOLD_LEAST_PIECES, SURE_SIGMAS * state.sd_pieces, unsure)
    if abs(pieces - shown) < least:
        return None
    before = state.told
    told_mg = (pieces - state.pieces) * rules.calibration.unit_mg
    if before is not None:
        again = before.again or abs(pieces - state.pieces) >= TOLD_LEAST_PIECES
        told = Told(before.weight_mg + told_mg, again=again)
    else:
        told = Told(told_mg, again=False)
    return told if abs(told.weight_mg) >= least * rules.calibration.unit_mg else None


def waits(state: Followed) -> bool:
    """Whether a count is to be compared with what is weighed next."""
    return state.told is not None or state.seen_mg is not None


def follow_counted(state: Followed, seen: Sequence[Seen], rules: Rules) -> Step:
    """As `movements.follow` of a scale, while a count waits for what is weighed next."""
    watched = _Watched(state, rules)
    for reading in seen:
        watched.feed(reading)
    return watched.done()


def settle_counted(state: Followed, now_us: int, rules: Rules) -> Step:
    """As `movements.settle_until`, while a count waits."""
    watched = _Watched(state, rules)
    watched.wait(now_us)
    return watched.done()


class _Watched:
    """A scale beside a count, for as long as a run of readings is looked at."""

    def __init__(self, state: Followed, rules: Rules) -> None:
        self._weighing = Weighing(state, rules)
        self._told = state.told
        self._rules = rules

    def done(self) -> Step:
        return Step(
            state=replace(self._weighing.done(), told=self._told),
            movements=self._weighing.movements,
        )

    def feed(self, reading: Seen) -> None:
        if self._told is not None and self._wakes(reading, self._told):
            self._weighing.count_beside(self._counted_mg(self._told))
        self._watch(lambda: self._weighing.feed(reading))

    def _counted_mg(self, told: Told) -> float:
        weighing = self._weighing
        shown_mg, pieces = weighing.reference.mg, weighing.booking.pieces
        assert shown_mg is not None
        assert pieces is not None
        sd, _ = weighing.sure()
        return _stands_for(pieces, shown_mg + told.weight_mg, sd, self._rules.calibration)

    def wait(self, now_us: int) -> None:
        self._watch(lambda: self._weighing.wait(now_us))

    def _watch(self, look: Callable[[], None]) -> None:
        reference, booked = self._weighing.reference, self._weighing.movements
        beside, known = reference.seen_mg is not None, len(booked)
        since_us, rests_on = reference.since_us, reference.rests_on
        look()
        if beside:
            booked[known:] = [self._rest(one, rests_on) for one in booked[known:]]
        if reference.since_us != since_us or (beside and reference.seen_mg is None):
            self._told = None  # it was shown, or the scale lives and shows what it showed

    def _rest(self, moved: Movement, rests_on: ReadingRange | None) -> Movement:
        """What is left between a count and a weight rests on no weight of before."""
        if moved.before is None or moved.before != rests_on:
            return moved  # of the plateau after it
        because = moved.because
        if self._told is not None:
            because = because.replace(_BLIND, _STUCK)
        return replace(moved, before=None, before_mg=None, because=because)

    def _wakes(self, reading: Seen, told: Told) -> bool:
        """Whether it shows for the first time what was counted, and what moved since."""
        weighing, weight_mg = self._weighing, reading.weight_mg
        reference_mg = weighing.reference.mg
        if weighing.reference.seen_mg is not None or reference_mg is None:
            return False
        if weight_mg is None or reading.quality or is_absent(weight_mg, self._rules.calibration):
            return False
        if weighing.last is not None and _key(reading) <= weighing.last:
            return False
        news_mg = weight_mg - reference_mg
        least_mg = _least_mg(weighing.unrest.sigma_mg, self._rules)
        if abs(news_mg) < least_mg or told.again or self._slept():
            return abs(news_mg) >= least_mg
        return self._is_told(news_mg, told, least_mg) or self._is_delivery(news_mg, told)

    def _is_told(self, news_mg: float, told: Told, least_mg: float) -> bool:
        """Whether it lies where the count says, or where somebody has taken of that since."""
        borne_mg = max(least_mg, MISCOUNTED * abs(told.weight_mg))
        if told.weight_mg < 0:
            return news_mg <= told.weight_mg + borne_mg
        # Of what came some may be taken already; what comes onto a scale that lives is no less.
        return told.weight_mg / 2 <= news_mg <= told.weight_mg + borne_mg

    def _is_delivery(self, news_mg: float, told: Told) -> bool:
        """Whether whole packs came beside what was counted, and none beside what the scale showed.

        As far as most of it is news: what is put back, beside a count that was wrong, is less.
        """
        came_mg = news_mg - told.weight_mg
        return 2 * news_mg >= came_mg and self._are_packs(came_mg) and not self._are_packs(news_mg)

    def _are_packs(self, gain_mg: float) -> bool:
        pack = self._rules.refill_pieces
        gain = gain_mg / self._rules.calibration.unit_mg
        packs = round(gain / pack)
        borne = max(1 / 2, remainder_of(gain_mg, self._rules.calibration, self._noise_mg).bearable)
        return packs > 0 and 2 * borne <= BY_CHANCE * pack and abs(gain - packs * pack) <= borne

    @property
    def _noise_mg(self) -> float:
        return math.sqrt(2) * self._weighing.unrest.sigma_mg

    def _slept(self) -> bool:
        """Whether it has said the same for twice as long as ever before it was counted."""
        unrest = self._weighing.unrest
        return unrest.same >= SAME_MIN and unrest.same > 2 * unrest.same_longest


def _key(reading: Seen) -> tuple[int, int, int]:
    return (to_us(reading.at), reading.stream_no, reading.seq)
