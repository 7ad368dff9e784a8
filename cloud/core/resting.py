"""A weighed bin that is kept as it is between two looks, because most readings say that it rests.

What is remembered of a bin is written out and read in again in three times of what it takes to
look at one reading. Who follows bins round by round keeps the weighing itself, and writes it out
(`done`) when there is more to it. Both come to the same: fed one by one or all at once is no
difference (`core.movements`).

It is moved in place, unlike `Followed`: whoever keeps it is the only one who does, and throws it
away when what it was fed is taken back.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

from cloud.core.beside import waits
from cloud.core.followed import Followed, Measure, Movement, Rules, Seen
from cloud.core.plateaus import Weighing


class Rest(NamedTuple):
    """The same level as before, with nothing to be doubted, to be booked or to be waited for."""

    sd_pieces: float
    level_us: int | None
    plateau_us: int | None
    followed_us: int


class Resting:
    """A weighing, for as long as it comes to nothing, beside what is shown of it."""

    __slots__ = ("_sensor_id", "_shown", "_weighing")

    def __init__(self, state: Followed, rules: Rules) -> None:
        (self._sensor_id,) = rules.sensors
        self._weighing = Weighing(state, rules)
        self._shown = state

    @classmethod
    def of(cls, state: Followed | None, rules: Rules) -> Self | None:
        """None: this is not weighed, or what is there is more than rest."""
        if state is None or rules.measure is not Measure.WEIGHT or len(rules.sensors) != 1:
            return None
        if state.pending or state.doubts or state.last is None or waits(state):
            return None  # what a count has told is compared with what comes
        return cls(state, rules)

    @property
    def last(self) -> tuple[int, int, int] | None:
        return self._weighing.last

    @property
    def movements(self) -> list[Movement]:
        return self._weighing.movements

    def done(self) -> Followed:
        return self._weighing.done()

    def feed_all(self, seen: Sequence[Seen]) -> Rest | None:
        """None: this came to something; `done` and `movements` tell what."""
        weighing, shown = self._weighing, self._shown
        for one in seen:
            if one.sensor_id == self._sensor_id:
                weighing.feed(one)
        pending, reference = weighing.pending, weighing.reference
        if weighing.movements or pending.plateaus or weighing.last is None:
            return None
        same = (
            weighing.booking.pieces == shown.pieces
            and pending.unconfirmed == shown.unconfirmed
            and weighing.meanwhile.zero_error_mg == shown.zero_error_mg
        )
        if not same or any(weighing.doubts()):
            return None
        sd, exact = weighing.sure()
        if exact != shown.exact:
            return None
        return Rest(sd, reference.level_us, reference.since_us, weighing.last[0])
