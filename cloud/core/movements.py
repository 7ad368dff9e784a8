"""What became of a bin's level, reading by reading.

`follow` takes what is remembered and what was seen since, and gives what is remembered then and
what moved. Fed one by one or all at once, it gives the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from cloud.core.counting import Counting, recount
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
    to_us,
)
from cloud.core.plateaus import NO_MOVEMENT_PIECES, SURE_SIGMAS, Weighing

__all__ = [
    "Doubt",
    "Doubting",
    "Followed",
    "Measure",
    "Movement",
    "MovementKind",
    "ReadingRange",
    "ReadingRef",
    "Rules",
    "Seen",
    "Step",
    "counted_beside",
    "follow",
    "recounted",
    "settle_until",
]

_UNREAD = (Doubting.STUCK, Doubting.SUSPECT, Doubting.ABSENT)


def follow(state: Followed | None, seen: Sequence[Seen], rules: Rules) -> Step:
    """The state and the movements after `seen`, which is ordered by (at, stream_no, seq).

    A reading that is not after the last one is ignored: a repeated one has been looked at, and for
    a late one the caller begins again from an earlier checkpoint.
    """
    state = state or Followed()
    watched = frozenset(rules.sensors)
    follower = (Weighing if rules.measure is Measure.WEIGHT else Counting)(state, rules)
    for reading in seen:
        if not watched or reading.sensor_id in watched:
            follower.feed(reading)
    return Step(state=follower.done(), movements=follower.movements)


def settle_until(state: Followed, now: datetime, rules: Rules) -> Step:
    """What time alone decides: a gain that nobody took back for two minutes.

    Only while the next sign of life is not due yet; the next reading would decide it, too.
    """
    if rules.measure is not Measure.WEIGHT or not state.pending:
        return Step(state=state, movements=[])
    weighing = Weighing(state, rules)
    weighing.wait(to_us(now))
    return Step(state=weighing.done(), movements=weighing.movements)


def counted_beside(
    state: Followed, pieces: int, at: datetime, rules: Rules, *, is_seen: bool = True
) -> Step:
    """What a count by hand says of changes that are seen and not confirmed yet.

    If it agrees with them, they are confirmed. If it agrees with the level before, they are none of
    goods, and go on waiting. Else the count is of what the scale shows now, whatever led there; and
    where it shows nothing of now, of a weight that nobody has seen.
    """
    if rules.measure is not Measure.WEIGHT or pieces == state.pieces:
        return Step(state=state, movements=[])
    waits = state.pending and state.window and state.pending[0].since_us <= to_us(at)
    if waits:
        weighing = Weighing(state, rules)
        weighing.confirm_all()
        if weighing.pieces == pieces:
            return Step(state=weighing.done(), movements=weighing.movements)
    if is_seen and _is_blind(state, pieces, to_us(at), rules):
        return Step(state=_counted_blind(state, pieces, rules), movements=[])
    if not waits:
        return Step(state=state, movements=[])
    newest = state.pending[-1]
    stands = replace(
        state,
        reference_mg=newest.mean_mg,
        plateau_us=newest.since_us,
        plateau_first=newest.first,
        plateau_last=newest.last,
        pending=(),
        unconfirmed=0,
    )
    return Step(state=stands, movements=[])


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
    least_mg = max(NO_MOVEMENT_PIECES * rules.calibration.unit_mg, SURE_SIGMAS * state.sigma_mg)
    if not state.window:
        return False
    # A hand on a live scale explains no count: what is unconfirmed must go where it was counted to.
    news_mg = state.window[-1].weight_mg - shown_mg
    return abs(news_mg) >= least_mg and news_mg * (pieces - state.pieces) > 0


def _counted_blind(state: Followed, pieces: int, rules: Rules) -> Followed:
    """The level goes where it was counted, and the weight that stands for it goes along.

    What is weighed next is compared with that: the part that the count has told is not told again.
    """
    assert state.reference_mg is not None
    assert state.pieces is not None
    told_mg = (pieces - state.pieces) * rules.calibration.unit_mg
    return replace(
        state,
        reference_mg=state.reference_mg + told_mg,
        seen_mg=state.reference_mg if state.seen_mg is None else state.seen_mg,
        exact=False,
        window=(),
        pending=(),
        unconfirmed=0,
    )


def recounted(state: Followed, pieces: int, at: datetime, because: str) -> Step:
    """Somebody counted `pieces`: the level is that, and the difference a correction."""
    return recount(state, pieces, at, because)
