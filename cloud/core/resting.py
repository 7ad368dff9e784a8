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
from cloud.core.followed import Followed, Measure, Rules, Seen
from cloud.core.plateaus import Weighing


class Rest(NamedTuple):
    """The same level as before, with nothing to be doubted, to be booked or to be waited for."""

    sd_pieces: float
    level_us: int | None
    plateau_us: int | None
    followed_us: int


class Resting(Weighing):
    def __init__(self, state: Followed, rules: Rules) -> None:
        super().__init__(state, rules)
        self._shown = state

    @classmethod
    def of(cls, state: Followed | None, rules: Rules) -> Self | None:
        """None: this is not weighed, or what is there is more than rest."""
        if state is None or rules.measure is not Measure.WEIGHT or len(rules.sensors) != 1:
            return None
        if state.pending or state.doubts or state.last is None or waits(state):
            return None  # what a count has told is compared with what comes
        return cls(state, rules)

    def feed_all(self, seen: Sequence[Seen]) -> Rest | None:
        """None: this came to something; `done` and `movements` tell what."""
        (sensor_id,) = self._rules.sensors
        for one in seen:
            if one.sensor_id == sensor_id:
                self.feed(one)
        if self.movements or self.pending or self.last is None:
            return None
        shown = self._shown
        same = self.pieces == shown.pieces and self.unconfirmed == shown.unconfirmed
        if not same or self.zero_error_mg != shown.zero_error_mg or any(self._doubts()):
            return None
        sd, sure = self._sure()
        if (sure and self.seen_mg is None) != shown.exact:
            return None
        return Rest(sd, self.level_us, self.plateau_us, self.last[0])
