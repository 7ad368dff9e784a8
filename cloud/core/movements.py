"""What became of a bin's level, reading by reading.

`follow` takes what is remembered and what was seen since, and gives what is remembered then and
what moved. Fed one by one or all at once, it gives the same.
"""

from collections.abc import Sequence
from datetime import datetime

from cloud.core import beside
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
    if rules.measure is Measure.WEIGHT and beside.waits(state):
        of_it = [one for one in seen if not watched or one.sensor_id in watched]
        return beside.follow_counted(state, of_it, rules)
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
    if beside.waits(state):
        return beside.settle_counted(state, to_us(now), rules)
    weighing = Weighing(state, rules)
    weighing.wait(to_us(now))
    return Step(state=weighing.done(), movements=weighing.movements)


def recounted(state: Followed, pieces: int, at: datetime, because: str) -> Step:
    """Somebody counted `pieces`: the level is that, and the difference a correction."""
    return recount(state, pieces, at, because)
