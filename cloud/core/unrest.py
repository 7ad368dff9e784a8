"""How much the weights of a bin wander while nobody touches it, learnt from neighbouring readings.

The noise is 1.05 times the median of what neighbours lie apart: movements are few, so they do not
move a median. Among settled readings, though, most that are told are news of a change: of those
only what goes forth and back is noise.

Noise that is more than the scale's own is something that shakes; none at all where there always was
some is a scale that is stuck, or at the end of its range.
"""

import math
from typing import Any

from cloud.core.followed import Followed, Spot
from cloud.core.levels import Calibration

KEPT = 32  # neighbours that the noise is learnt from
EVERY = 8
SIGMA_OF_MEDIAN = 1 / (0.6745 * math.sqrt(2))  # the median of |a - b| of two normal numbers
UNSAID_SCALE_SD_MG = 100.0  # a gateway's band of 0.5 g around what lies still
NEWS = 2.0  # of so few neighbours a median is off by a fifth: what is more than twice that is news
FADES = 0.8  # what the noise keeps, at least, from one look to the next
REVERSED_PIECES = 0.6
SHAKEN_PIECES = 0.3  # forth and back by so much is no use of a bin
SHAKEN_SIGMAS = 6
REVERSALS_SEEN = 0xFFFF  # of the last sixteen readings
REVERSALS_BORNE = 3
SHAKEN = 2
SAME_MIN = 8
IMPROBABLE = 1e-9
STUCK_SAME = 60
STUCK_SETTLED_US = 7 * 86_400 * 1_000_000
PAIRS_MAX = 10_000  # then the past counts half: what was installed anew is learnt anew


class Unrest:
    """The mutable twin of that part of `Followed`."""

    __slots__ = (
        "_count",
        "_floor_mg",
        "_pairs",
        "_pairs_same",
        "_reversals",
        "_reversed_mg",
        "_same_us",
        "_step_mg",
        "_unit_mg",
        "_unrest_mg",
        "newest_mg",
        "own_mg",
        "same",
        "same_longest",
        "settled",
        "sigma_mg",
    )

    def __init__(self, state: Followed, calibration: Calibration) -> None:
        self._unit_mg = calibration.unit_mg
        self._floor_mg = calibration.scale_sd_mg
        self.own_mg = self._floor_mg or UNSAID_SCALE_SD_MG
        # Far beyond what the scale does by itself, and a good part of a piece.
        self._reversed_mg = min(
            REVERSED_PIECES * self._unit_mg,
            max(SHAKEN_PIECES * self._unit_mg, SHAKEN_SIGMAS * self.own_mg),
        )
        self.sigma_mg = state.sigma_mg or self.own_mg
        self._unrest_mg = list(state.unrest_mg)
        self._count = state.unrest_count
        self.newest_mg = state.newest_mg
        self._step_mg = state.newest_step_mg
        self._reversals = state.reversals
        self.settled = state.settled
        self.same = state.same
        self._same_us = state.same_us
        self.same_longest = state.same_longest
        self._pairs = state.pairs
        self._pairs_same = state.pairs_same

    def remembered(self) -> dict[str, Any]:
        return {
            "sigma_mg": self.sigma_mg,
            "unrest_mg": tuple(self._unrest_mg),
            "unrest_count": self._count,
            "newest_mg": self.newest_mg,
            "newest_step_mg": self._step_mg,
            "reversals": self._reversals,
            "settled": self.settled,
            "same": self.same,
            "same_us": self._same_us,
            "same_longest": self.same_longest,
            "pairs": self._pairs,
            "pairs_same": self._pairs_same,
        }

    def learn(self, spot: Spot) -> None:
        before, self.newest_mg = self.newest_mg, spot.weight_mg
        self.settled = spot.settled
        if before is None:
            return
        step = spot.weight_mg - before
        if step:
            self._end_of_same()
        else:
            self._same_us = self._same_us if self.same else spot.at_us
            self.same += 1
        flips = step * self._step_mg < 0
        back = min(abs(step), abs(self._step_mg)) if flips else 0
        self._step_mg = step
        pieces_mg = REVERSED_PIECES * self._unit_mg
        self._note(1 if back >= self._reversed_mg else 0)
        unrest = abs(step)
        if spot.settled and unrest >= pieces_mg:
            if not flips:
                return
            unrest = back
        self._unrest_mg.append(unrest)
        if len(self._unrest_mg) > KEPT:
            del self._unrest_mg[0]
        self._count += 1
        if self._count % EVERY == 0:
            self._estimate()

    def interrupt(self, condition: str | None) -> None:
        """There are no neighbours across a gap or a condition."""
        self._step_mg = 0
        if condition == "unstable":
            # Half a minute in which nothing came to rest says more than one reading does.
            self._note(1)
            self._note(1)

    def _note(self, bit: int) -> None:
        self._reversals = (self._reversals << 1 | bit) & REVERSALS_SEEN

    def _estimate(self) -> None:
        ordered = sorted(self._unrest_mg)
        learnt = ordered[len(ordered) // 2] * SIGMA_OF_MEDIAN
        # Readings in whole divisions may be equal all the time; then the floor is all we know.
        floor = self._floor_mg or (UNSAID_SCALE_SD_MG if self.settled else 1.0)
        # What shakes beats against the rate of readings: a lull of that is no rest.
        fading = 0.0 if self.settled else FADES * self.sigma_mg
        if not self.settled and learnt < NEWS * self.sigma_mg and self._count > KEPT:
            learnt = self.sigma_mg + (learnt - self.sigma_mg) / 8
        self.sigma_mg = max(learnt, floor, fading)

    def _end_of_same(self) -> None:
        self.same_longest = max(self.same_longest, self.same)
        self._pairs += self.same + 1
        self._pairs_same += self.same
        self.same = 0
        self._same_us = None
        if self._pairs > PAIRS_MAX:
            self._pairs //= 2
            self._pairs_same //= 2

    @property
    def is_learnt(self) -> bool:
        return self._floor_mg > 0 or self._count >= EVERY

    @property
    def is_known(self) -> bool:
        """Of settled readings noise is what the gateway let through."""
        return self.settled or self.is_learnt

    @property
    def is_restless(self) -> bool:
        """Up and down by pieces again and again: what seemed to lie still was a lull."""
        return self._reversals.bit_count() >= REVERSALS_BORNE

    @property
    def is_shaken(self) -> bool:
        """Noise far beyond the scale's own, and beyond a piece.

        No mean of it can be believed, because what shakes is no chance but a beat.
        """
        return self.sigma_mg > self._unit_mg and self.sigma_mg > SHAKEN * self.own_mg

    @property
    def is_improbably_same(self) -> bool:
        """So many equal weights in a row as its own past makes next to impossible.

        A coarse scale says the same for hours when nobody touches it, and its past says so, too.
        """
        if self.same < SAME_MIN:
            return False
        usual = (self._pairs_same + 1) / (self._pairs + 2)
        return self.same * math.log(usual) < math.log(IMPROBABLE)

    def is_stuck(self, number_us: int | None) -> bool:
        """Settled weights repeat by design: a change is news, the rest are signs of life.

        There nights, week ends and unused parts look alike, so it takes a week, and twice as long
        as ever before. Until then an untouched bin is not accused.
        """
        if self.same < STUCK_SAME or self._same_us is None or number_us is None:
            return False
        if not self.is_improbably_same:
            return False
        if not self.settled:
            return True
        is_long = number_us - self._same_us >= STUCK_SETTLED_US
        return is_long and self.same > 2 * self.same_longest
