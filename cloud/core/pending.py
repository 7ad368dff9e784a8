"""Changes of a weight that are seen and not confirmed yet, and when they are.

Gains wait two minutes: an object that leans on the bin goes away again, and both are forgotten.
Losses are booked at once where the device itself says that it is stable; where a gateway has only
seen two seconds of rest they wait for longer than it takes to say that nothing rests, since what
begins to shake has lulls.
"""

from typing import Any

from cloud.core.followed import Followed, Plateau
from cloud.core.looks import NO_MOVEMENT_PIECES, SURE_SIGMAS

REVOCABLE_US = 120_000_000
LULL_US = 40_000_000  # "unstable" is said after 30 s without rest
PENDING_MAX = 8
FOLLOW_SHARE = 0.25  # of a look in what waits: each tells of nearly the same readings


class Pending:
    """The mutable twin of that part of `Followed`."""

    __slots__ = ("_least_mg", "_unit_mg", "plateaus", "unconfirmed")

    def __init__(self, state: Followed, unit_mg: float) -> None:
        self._unit_mg = unit_mg
        self._least_mg = NO_MOVEMENT_PIECES * unit_mg
        self.plateaus = list(state.pending)
        self.unconfirmed = state.unconfirmed

    def remembered(self) -> dict[str, Any]:
        return {"pending": tuple(self.plateaus), "unconfirmed": self.unconfirmed}

    # ---------------------------------------------------------------- what is shown

    def expect(self, apart_mg: float, sigma_mg: float) -> None:
        """What the newest weight, so far from the reference, would mean if it held."""
        if abs(apart_mg) < max(self._least_mg, SURE_SIGMAS * sigma_mg):
            self.unconfirmed = 0
        else:
            self.unconfirmed = round(apart_mg / self._unit_mg)

    def expect_nothing(self) -> None:
        self.unconfirmed = 0

    def expect_last(self, reference_mg: float) -> None:
        """What goes on waiting."""
        if self.plateaus:
            self.unconfirmed = round((self.plateaus[-1].mean_mg - reference_mg) / self._unit_mg)

    # ---------------------------------------------------------------- what waits

    def gain(self, shown: Plateau, reference_mg: float, *, least_mg: float, anew: bool) -> None:
        """More than before: remembered, and dropped again when the weight goes back.

        What was less was taken back by that, or was a lull. `anew`: all that is looked at is of
        this plateau; else it tells of what waits already as well.
        """
        self.plateaus = [one for one in self.plateaus if one.mean_mg > reference_mg]
        for place, plateau in enumerate(self.plateaus):
            if abs(plateau.mean_mg - shown.mean_mg) < least_mg:
                del self.plateaus[place + 1 :]
                went_mg = shown.mean_mg - plateau.mean_mg
                mean_mg = plateau.mean_mg + went_mg * (1 if anew else FOLLOW_SHARE)
                self.plateaus[place] = plateau._replace(last=shown.last, mean_mg=mean_mg)
                return
        self.plateaus.append(shown)
        del self.plateaus[:-PENDING_MAX]

    def lose(self, shown: Plateau, *, least_mg: float) -> None:
        """Less than before: of what follows within the time of a lull, the last is remembered."""
        for plateau in self.plateaus:
            if abs(plateau.mean_mg - shown.mean_mg) < least_mg:
                self.plateaus = [plateau._replace(last=shown.last)]
                return
        self.plateaus = [shown]

    def doubt(self, weight_mg: int) -> None:
        """No plateau rests on this weight."""
        half_mg = self._unit_mg / 2
        self.plateaus = [one for one in self.plateaus if abs(one.mean_mg - weight_mg) >= half_mg]

    def clear(self) -> None:
        """Nothing waits any more, whatever the newest weight would mean."""
        self.plateaus.clear()

    def forget(self) -> None:
        self.plateaus.clear()
        self.unconfirmed = 0

    # ---------------------------------------------------------------- when it is confirmed

    def stands(self, weight_mg: int) -> bool:
        """Whether this is the weight of the last that waits."""
        return abs(weight_mg - self.plateaus[-1].mean_mg) < self._unit_mg / 2

    def is_due(self, at_us: int, reference_mg: float) -> bool:
        if not self.plateaus:
            return False
        return at_us >= _settles_us(self.plateaus[0], reference_mg)

    def pop(self) -> Plateau:
        return self.plateaus.pop(0)


def settles_us(state: Followed) -> int | None:
    """When time alone decides what is not confirmed yet; None: nothing waits."""
    if not state.pending or state.reference_mg is None:
        return None
    return _settles_us(state.pending[0], state.reference_mg)


def _settles_us(plateau: Plateau, reference_mg: float) -> int:
    is_gain = plateau.mean_mg > reference_mg
    return plateau.since_us + (REVOCABLE_US if is_gain else LULL_US)
