"""What came between one plateau and the next: a silence, or the bin was off its scale, and back.

It says of which kind the next movement is. A bin that is off leaves the scale to show what it takes
for nothing: its zero. Where a scale comes out of a silence so, it may have been switched on with
the bin on it.
"""

from typing import Any

from cloud.core.followed import Followed, Spot
from cloud.core.looks import RANGE_SIGMAS


class Meanwhile:
    """The mutable twin of that part of `Followed`."""

    __slots__ = ("_absent_us", "_zero", "after_absence", "after_gap", "rezeroed", "zero_error_mg")

    def __init__(self, state: Followed) -> None:
        self.after_gap = state.after_gap
        self.after_absence = state.after_absence
        self.rezeroed = state.rezeroed
        self.zero_error_mg = state.zero_error_mg
        self._absent_us = state.absent_us
        self._zero = state.zero

    def remembered(self) -> dict[str, Any]:
        return {
            "after_gap": self.after_gap,
            "after_absence": self.after_absence,
            "rezeroed": self.rezeroed,
            "zero_error_mg": self.zero_error_mg,
            "absent_us": self._absent_us,
            "zero": self._zero,
        }

    @property
    def is_absent(self) -> bool:
        return self._absent_us is not None

    def fall_silent(self) -> None:
        self.after_gap = True

    def be_lifted(self) -> None:
        """The gateway says so, without a weight."""
        self.after_absence = True

    def leave(self, spot: Spot, *, is_known: bool) -> None:
        """The weight is of no bin. `is_known`: there was a plateau before."""
        if self._absent_us is None:
            self._absent_us = spot.at_us
            self.rezeroed = self.after_gap and is_known
            self._zero = None
        self.after_gap = False
        self.after_absence = True
        weight_mg = spot.weight_mg
        if self._zero is None:
            self._zero = (1, weight_mg, weight_mg, weight_mg)
        else:
            n, total, low, high = self._zero
            self._zero = (n + 1, total + weight_mg, min(low, weight_mg), max(high, weight_mg))

    def come_back(self, sigma_mg: float) -> None:
        self._absent_us = None
        if self._zero is not None:
            n, total, low, high = self._zero
            if n > 1 and high - low <= RANGE_SIGMAS * sigma_mg:
                self.zero_error_mg = round(total / n)

    def end(self) -> None:
        """A plateau is believed: what comes after it has nothing to do with what was before."""
        self.after_gap = self.after_absence = self.rezeroed = False
