"""How far the weight of a bin strays while nobody touches it, learnt from its own quiet stretches.

What a stretch of looks that moved nothing begins and ends with lies apart by noise, which grows
less with every reading, and by what the scale and the room do, which grows more with time. The
latter is told by how often the former does not explain it: a bin is quiet until it has shown
otherwise. It says how quickly the reference has to follow, and how little a remainder tells.
"""

import math
from typing import Any

from cloud.core.followed import Followed

LOOKS_MIN = 32  # fewer tell of noise
SHARE = 1 / 8  # of the newest stretch: a room that was heated for a day is one more night


class Wander:
    """The mutable twin of that part of `Followed`."""

    __slots__ = ("_looks", "_since_mg", "_since_us", "_took_us", "spread_mg2")

    def __init__(self, state: Followed) -> None:
        self.spread_mg2 = state.spread_mg2
        self._looks, self._since_us, self._since_mg = state.stretch or (-1, 0, 0.0)
        self._took_us = state.stretch_us

    def remembered(self) -> dict[str, Any]:
        return {
            "spread_mg2": self.spread_mg2,
            "stretch": (self._looks, self._since_us, self._since_mg) if self._looks >= 0 else None,
            "stretch_us": self._took_us,
        }

    def stay(self, at_us: int, reference_mg: float, looks: int) -> None:
        """One more look that moved nothing; after so many the stretch is over."""
        self._looks += 1
        if 0 < self._looks < looks:
            return
        if self._looks:
            strayed_mg = reference_mg - self._since_mg
            self.spread_mg2 += SHARE * (strayed_mg * strayed_mg - self.spread_mg2)
            self._took_us = at_us - self._since_us
        self._looks, self._since_us, self._since_mg = 0, at_us, reference_mg

    def move(self, by_mg: float) -> None:
        """What was taken or put in is no straying."""
        self._since_mg += by_mg

    def interrupt(self) -> None:
        """A silence, or a reference that was set: no stretch goes across."""
        self._looks = -1

    def per_look_mg(self, looks: int, chance_mg2: float) -> float:
        excess_mg2 = self.spread_mg2 - chance_mg2
        return math.sqrt(excess_mg2 / looks) if excess_mg2 > 0 else 0.0

    def within_mg(self, spell_us: float, chance_mg2: float) -> float:
        """As chance walks: with the root of the time."""
        excess_mg2 = self.spread_mg2 - chance_mg2
        if excess_mg2 <= 0 or self._took_us <= 0:
            return 0.0
        return math.sqrt(excess_mg2 * spell_us / self._took_us)
