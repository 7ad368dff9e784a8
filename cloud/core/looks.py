"""The readings that are looked at together: how many it takes, for how long, and whether they rest.

    raw readings      m = 162 (sigma/u)^2 in the window, at least 4: the difference of two means has
                      an sd of u/9, and half a piece is 4.5 of those
    settled readings  m = 64 (sigma/u)^2, at least 1: a gateway has already waited for rest, and
                      says changes at once and the same only as a sign of life, so one reading is
                      enough from u = 8 sigma on (half a piece is then 3.6 sd of the difference, and
                      what is missed by that is seen with the next)

The window is believed when its range is below 6.5 sigma and its halves agree within half a piece.
Where a remainder is doubtful the look is a longer one: up to four times as many.
"""

import math
from typing import Any

from cloud.core import doubts
from cloud.core.followed import Doubt, Followed, Rules, Spot
from cloud.core.unrest import Unrest
from cloud.core.window import Rest, rest_of

NO_MOVEMENT_PIECES = 0.6  # from the reference: less is drift, creep and temperature
SURE_SIGMAS = 4.2
WINDOW_MAX = 162  # where one piece is as light as the noise; what is lighter is not resolved
RAW_MIN = 4
RAW_FIRST = 8  # readings before the noise of an unknown scale can be told
RAW_FACTOR = 162
SETTLED_FACTOR = 64
RANGE_SIGMAS = 6.5
TOGETHER_US = 10_000_000  # several sensors of one bin tell of a change one after the other
RESTLESS_MIN = 6
RESTLESS_US = 60_000_000
UNREST_US = 30_000_000  # as long as nothing came to rest before that was said
PATIENCE = 4  # so many times the window, where the remainder is doubtful


class Looks:
    """The mutable twin of that part of `Followed`."""

    __slots__ = (
        "_after_unrest",
        "_is_first",
        "_least_mg",
        "_patience",
        "_several",
        "_unit_mg",
        "_unrest",
        "window",
    )

    def __init__(self, state: Followed, rules: Rules, unrest: Unrest) -> None:
        self._unrest = unrest
        self._unit_mg = rules.calibration.unit_mg
        self._least_mg = NO_MOVEMENT_PIECES * self._unit_mg
        self._several = len(rules.sensors) > 1
        self._is_first = state.reference_mg is None
        self.window = list(state.window)
        self._patience = state.patience
        self._after_unrest = state.after_unrest

    def remembered(self) -> dict[str, Any]:
        return {
            "window": tuple(self.window),
            "patience": self._patience,
            "after_unrest": self._after_unrest,
        }

    def clear(self) -> None:
        """What comes next is not to be looked at together with what was before."""
        self.window.clear()

    def note_unrest(self) -> None:
        """Nothing came to rest; no plateau was believed since."""
        self._after_unrest = True

    # ---------------------------------------------------------------- how many it takes

    @property
    def usual(self) -> int:
        """Readings that a look takes where nothing is doubtful, if they go on as the newest was."""
        return self._needed(settled=self._unrest.settled)

    def _needed(self, *, settled: bool) -> int:
        ratio = self._unrest.sigma_mg / self._unit_mg
        if settled:
            alone = not (self._several or self._after_unrest)
            least = RESTLESS_MIN if self._unrest.is_restless else 1 if alone else 2
            factor = SETTLED_FACTOR
        else:
            # The first level may come sooner: it says that it is not exact, and moves nothing.
            known = self._unrest.is_learnt or self._is_first
            least = RAW_MIN if known and not self._unrest.is_restless else RAW_FIRST
            factor = RAW_FACTOR
        return min(WINDOW_MAX, max(least, math.ceil(factor * ratio * ratio)))

    def _hold_us(self, newest: Spot) -> int:
        """How long a plateau must have lasted, however many readings tell of it."""
        if self._unrest.is_restless:
            return RESTLESS_US
        if newest.settled and self._after_unrest:
            return UNREST_US
        return TOGETHER_US if self._several else 0

    def take(self, newest: Spot) -> bool:
        """One more; whether there are as many as it takes. What is older than these is let go."""
        window = self.window
        window.append(newest)
        needed = self._needed(settled=newest.settled)
        kept = min(WINDOW_MAX, self._patience * needed)
        if newest.settled:
            needed = kept  # noise grows less with each reading; what shakes, only as a whole
        hold_us = self._hold_us(newest)
        if not hold_us:
            # While the noise is unknown more may be needed in a moment.
            del window[: -(kept if self._unrest.is_known else max(kept, RAW_FIRST))]
            return len(window) >= needed
        while len(window) > kept and newest.at_us - window[1].at_us >= hold_us:
            del window[0]
        del window[:-WINDOW_MAX]
        return len(window) >= needed and newest.at_us - window[0].at_us >= hold_us

    # ---------------------------------------------------------------- what they tell

    def rest(self) -> Rest | None:
        rest = rest_of(self.window, self._range_mg(), self._unit_mg / 2)
        if rest is None:
            self._patience = 1
        return rest

    def _range_mg(self) -> float:
        """What a window that lies still may reach over.

        What shakes is taken for noise in time; it then explains lulls that lie pieces apart.
        """
        range_mg = RANGE_SIGMAS * self._unrest.sigma_mg
        if self.window[-1].settled and self._unrest.is_restless:
            range_mg = min(range_mg, max(RANGE_SIGMAS * self._unrest.own_mg, self._unit_mg / 2))
        return range_mg

    def doubt(self) -> Doubt:
        """Nothing is known yet, and how long it takes."""
        needed, there = self.usual, len(self.window)
        return doubts.of_unknown(needed, there, is_averaged=needed > RAW_FIRST and there >= RAW_MIN)

    def least_mg(self) -> float:
        """From where on the mean of the window is another weight than the reference."""
        chance_mg = SURE_SIGMAS * self._unrest.sigma_mg * math.sqrt(1.25 / len(self.window))
        return max(self._least_mg, chance_mg)

    def noise_mg(self) -> float:
        """Of the mean of the window, by chance alone."""
        return self._unrest.sigma_mg / math.sqrt(max(1, len(self.window)))

    def is_slow(self, apart_mg: float, went_mg: float) -> bool:
        """Whether it still goes where it went: then it came there slowly, and nobody moved it."""
        if len(self.window) < max(RAW_FIRST, 2 * self.usual):
            return False
        sign = 1 if apart_mg > 0 else -1
        return went_mg * sign > 0 and (apart_mg - went_mg) * sign < self._unit_mg / 2

    # ---------------------------------------------------------------- a longer look

    @property
    def is_long(self) -> bool:
        return self._patience > 1

    @property
    def is_over(self) -> bool:
        """Whether a longer one has all that it takes."""
        return len(self.window) >= min(WINDOW_MAX, self._patience * self.usual)

    def lengthen(self, since_us: int) -> None:
        """It begins anew with the plateau: all of it is of that."""
        self._patience = PATIENCE
        self._let_go_before(since_us)

    def believe(self) -> None:
        """What was looked at is the plateau that it was."""
        self._patience = 1
        self._after_unrest = False

    def begin(self, since_us: int) -> None:
        """What was looked at is another plateau, since then."""
        self._is_first = False
        self.believe()
        self._let_go_before(since_us)

    def _let_go_before(self, since_us: int) -> None:
        self.window = [spot for spot in self.window if spot.at_us >= since_us]
