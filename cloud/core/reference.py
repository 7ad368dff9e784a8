"""The weight that the level stands for: which readings it rests on, and how it follows.

Less than 0.6 piece from it is no movement: it follows, that is drift, creep and temperature, and
each bin says by itself how quickly (`wander.py`). Of how many readings it is the mean says how well
another weight is told from it.
"""

import math
from collections.abc import Sequence
from typing import Any

from cloud.core.followed import Followed, Plateau, ReadingRange, ReadingRef, Spot
from cloud.core.looks import NO_MOVEMENT_PIECES, PATIENCE
from cloud.core.unrest import Unrest
from cloud.core.wander import LOOKS_MIN, Wander

FOLLOW_PIECES = 0.3
FOLLOW_MOST = 0.25  # of a window, each time it is looked at


class Reference:
    """The mutable twin of that part of `Followed`."""

    __slots__ = (
        "_between",
        "_first",
        "_last",
        "_share_of",
        "_shared",
        "_unit_mg",
        "_unrest",
        "_wander",
        "borne_out",
        "level_us",
        "mg",
        "seen_mg",
        "since_us",
    )

    def __init__(self, state: Followed, unit_mg: float, unrest: Unrest) -> None:
        self._unit_mg = unit_mg
        self._unrest = unrest
        self._wander = Wander(state)
        self.mg = state.reference_mg
        self.seen_mg = state.seen_mg
        self.level_us = state.level_us
        self.since_us = state.plateau_us
        self._first = state.plateau_first
        self._last = state.plateau_last
        self._between = state.between
        self.borne_out = state.borne_out
        self._share_of: tuple[int, float, float] = (0, 0.0, 0.0)
        self._shared = 0.0

    def remembered(self) -> dict[str, Any]:
        return {
            "reference_mg": self.mg,
            "seen_mg": self.seen_mg,
            "level_us": self.level_us,
            "plateau_us": self.since_us,
            "plateau_first": self._first,
            "plateau_last": self._last,
            "between": self._between,
            "borne_out": self.borne_out,
            **self._wander.remembered(),
        }

    @property
    def rests_on(self) -> ReadingRange | None:
        """None: on none that was weighed."""
        if self._first is None or self._last is None:
            return None
        return ReadingRange(ReadingRef(*self._first), ReadingRef(*self._last))

    def is_elsewhere(self, weight_mg: int | None) -> bool:
        """Whether this is another weight."""
        if weight_mg is None or self.mg is None:
            return False
        return abs(weight_mg - self.mg) >= NO_MOVEMENT_PIECES * self._unit_mg

    # ---------------------------------------------------------------- where it stands

    def bear_out(self, apart_mg: float, older_mg: float, newest: Spot, count: int) -> None:
        """A window of `count` lies here, give or take what is no movement."""
        assert self.mg is not None
        share = quick = min(FOLLOW_MOST, 2 / count)
        if abs(apart_mg) < FOLLOW_PIECES * self._unit_mg:
            self._between = 0
            if abs(apart_mg) <= FOLLOW_PIECES / 2 * self._unit_mg:
                share = self._share(count)
        else:
            # A piece that noise makes look smaller shows itself within a window; drift stays here.
            self._between += 1
            if self._between <= (count if newest.settled else count // 2):
                share = quick / 8
        self.borne_out += 1
        self.seen_mg = None
        self.mg += share * (older_mg - self.mg)
        if self.borne_out >= 1.5 * count:  # before, it is noise that it strays by
            self._wander.stay(newest.at_us, self.mg, _stretch(count))
        self.level_us = newest.at_us
        self._last = newest.ref

    def stand_on(self, plateau: Plateau, at_us: int, count: int) -> None:
        """From now on it is this one, which a window of `count` shows."""
        if self.mg is not None:
            self._wander.move(plateau.mean_mg - self.mg)
        self.mg = plateau.mean_mg
        self.seen_mg = None
        self._between = 0
        self.borne_out = count
        self.since_us = plateau.since_us
        self._first = plateau.first
        self._last = plateau.last
        self.level_us = at_us

    def drift_to(self, mean_mg: float) -> None:
        """It came there slowly, and nobody moved it."""
        self.mg = mean_mg

    def part_from(self, beside_mg: float) -> None:
        """What was counted beside it lies there; what was weighed before stays in mind."""
        self.seen_mg = self.mg
        self.mg = beside_mg
        self._wander.interrupt()

    def go_back(self) -> None:
        """Nothing went or came meanwhile: the count is one of what was weighed before."""
        self.mg = self.seen_mg
        self._wander.interrupt()

    def interrupt(self) -> None:
        """A silence: what it strays by meanwhile tells nothing."""
        self._wander.interrupt()

    # ---------------------------------------------------------------- how well it is known

    def noise_mg(self, window: Sequence[Spot], usual: int) -> float:
        """Of the difference of two means: of the window, and of what the reference rests on."""
        count = max(1, len(window))
        followed = 2 / self._share(usual) + usual / 2  # readings that the moving mean is worth
        rests_on = max(1, min(self.borne_out, followed))
        noise_mg = self._unrest.sigma_mg * math.sqrt(1 / count + 1 / rests_on)
        if not window or self.level_us is None:
            return noise_mg
        newest_us = window[-1].at_us
        apart_us = max(0.75 * (newest_us - window[0].at_us), newest_us - self.level_us)
        return math.hypot(noise_mg, self._wander.within_mg(apart_us, self._chance_mg2(usual)))

    def averaged(self, usual: int) -> int:
        """A moving mean of about so many readings, and of no more than there were."""
        return max(1, min(self.borne_out, max(6, usual)))

    def _share(self, count: int) -> float:
        """Of a window in the reference, each time it is looked at: what wanders is followed.

        As quickly as a reading's straying is to its noise, which is how the best mean forgets.
        """
        if self._unrest.settled:
            # What is left of its noise is no chance that averages out.
            return min(FOLLOW_MOST, 2 / count)
        of = count, self._unrest.sigma_mg, self._wander.spread_mg2
        if of != self._share_of:
            strays_mg = self._wander.per_look_mg(_stretch(count), self._chance_mg2(count))
            self._share_of = of
            self._shared = min(FOLLOW_MOST, 2 / count, max(0.5 / count, strays_mg / of[1]))
        return self._shared

    def _chance_mg2(self, count: int) -> float:
        """Of a stretch, by noise alone: a reference that follows quickly, at either end."""
        return 2 * self._unrest.sigma_mg**2 / (1.5 * count)


def _stretch(count: int) -> int:
    return max(LOOKS_MIN, PATIENCE * count)
