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
from cloud.core.plateaus import Weighing

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


def counted_beside(state: Followed, pieces: int, at: datetime, rules: Rules) -> Step:
    """What a count by hand says of changes that are seen and not confirmed yet.

    If it agrees with them, they are confirmed. If it agrees with the level before, they are none of
    goods, and go on waiting. Else the count is of what the scale shows now, whatever led there.
    """
    waits = rules.measure is Measure.WEIGHT and state.pending and state.window
    if not waits or state.pending[0].since_us > to_us(at) or pieces == state.pieces:
        return Step(state=state, movements=[])
    weighing = Weighing(state, rules)
    weighing.confirm_all()
    if weighing.pieces == pieces:
        return Step(state=weighing.done(), movements=weighing.movements)
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


def recounted(state: Followed, pieces: int, at: datetime, because: str) -> Step:
    """Somebody counted `pieces`: the level is that, and the difference a correction."""
    return recount(state, pieces, at, because)
