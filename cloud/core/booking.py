"""From one plateau to the next: which movements that is, and what is left unexplained.

Only a whole number of pieces is booked. What is none is remembered, told as a doubt, and goes away
as it came. The level is the sum of what was booked; where the scale shows the empty bin, or more
was taken than was there, a correction makes up for what was booked wrongly before: up to what the
weight by itself says is left.
"""

import math
from dataclasses import replace
from typing import Any, NamedTuple

from cloud.core.followed import (
    Doubt,
    Doubting,
    Followed,
    Movement,
    MovementKind,
    Plateau,
    ReadingRange,
    ReadingRef,
    Rules,
    from_us,
)
from cloud.core.kinds import kind_of
from cloud.core.levels import pieces_of, sd_of
from cloud.core.looks import NO_MOVEMENT_PIECES, SURE_SIGMAS
from cloud.core.remainders import is_tare, remainder_of, sentence


class Passage(NamedTuple):
    """From the plateau that the level rests on to the next, before it is said what that is."""

    before: ReadingRange
    before_mg: float
    after: Plateau
    known_us: int  # of the reading that confirms it
    noise_mg: float  # of what lies between
    after_noise_mg: float  # of where it led
    rezeroed: bool
    beside_count: bool  # it begins at what somebody counted, and at no weight

    @property
    def apart_mg(self) -> float:
        return self.after.mean_mg - self.before_mg


class Booking:
    """The mutable twin of that part of `Followed`, and what was booked since."""

    __slots__ = (
        "_calibration",
        "_refill_pieces",
        "_tared",
        "_unexplained_because",
        "_unexplained_mg",
        "_unit_mg",
        "movements",
        "pieces",
    )

    def __init__(self, state: Followed, rules: Rules) -> None:
        self._calibration = rules.calibration
        self._refill_pieces = rules.refill_pieces
        self._unit_mg = rules.calibration.unit_mg
        self.pieces = state.pieces
        self._unexplained_mg = state.unexplained_mg
        self._unexplained_because = state.unexplained_because
        self._tared = state.tared
        self.movements: list[Movement] = []

    def remembered(self) -> dict[str, Any]:
        return {
            "pieces": self.pieces,
            "unexplained_mg": self._unexplained_mg,
            "unexplained_because": self._unexplained_because,
            "tared": self._tared,
        }

    @property
    def doubt(self) -> Doubt | None:
        """What is left unexplained."""
        if not self._unexplained_mg:
            return None
        kind = Doubting.NOT_ZEROED if self._tared else Doubting.UNIT_CHANGED
        return Doubt(kind, self._unexplained_because)

    def is_doubtful(self, apart_mg: float, noise_mg: float) -> bool:
        """Whether only a longer look can tell noise from another part."""
        if self._unexplained_mg:
            return True
        return remainder_of(apart_mg, self._calibration, noise_mg).doubtful

    # ---------------------------------------------------------------- what is booked

    def open(self, first: Plateau, known_us: int) -> None:
        """The first weight; what was counted before it came stays."""
        if self.pieces is not None:
            return
        weight_mg = round(first.mean_mg)
        self.pieces = pieces_of(weight_mg, self._calibration)
        self.movements.append(
            Movement(
                kind=MovementKind.OPENING,
                pieces=self.pieces,
                before_pieces=0,
                after_pieces=self.pieces,
                event_at=from_us(first.since_us),
                known_at_reading=from_us(known_us),
                before=None,
                after=_range(first),
                before_mg=None,
                after_mg=weight_mg,
                because="It is the first weight of this bin.",
            )
        )

    def move(self, passage: Passage) -> None:
        """If that is a whole number of pieces; else it is left open."""
        assert self.pieces is not None
        apart_mg = passage.apart_mg
        tared = is_tare(apart_mg, self._calibration, passage.noise_mg)
        change = None if tared else self._pieces_of(apart_mg, passage.noise_mg)
        if change is None:
            self._leave_open(apart_mg, tared=tared)
            return
        if change < -self.pieces and not passage.rezeroed:
            self._make_up(passage, -change)
        change = max(change, -self.pieces)
        if change:
            kind, because = kind_of(
                change,
                refill_pieces=self._refill_pieces,
                after_absence=passage.after.after_absence,
                after_gap=passage.after.after_gap,
                rezeroed=passage.rezeroed,
                beside_count=passage.beside_count,
            )
            self._book(passage, kind, change, because)
        if change < 0 < self.pieces and self._is_empty(passage):
            because = "The scale shows the empty bin: there is less than the movements left."
            self._book(passage, MovementKind.CORRECTION, -self.pieces, because)

    def _make_up(self, passage: Passage, taken: int) -> None:
        """Before so many were taken more lay there than was thought: what was taken, and is left.

        By another unit weight it stays what it was, as a count does: it is of no difference.
        """
        assert self.pieces is not None
        because = "More was taken than was thought to be there."
        left = self._by_weight(passage)
        if left:
            because += f" By its weight {left:,} {'is' if left == 1 else 'are'} left."
        self._book(passage, MovementKind.CORRECTION, taken + left - self.pieces, because)
        if left:
            self.movements[-1] = replace(self.movements[-1], before_mg=None, after_mg=None)

    def _by_weight(self, passage: Passage) -> int:
        """What lies there by itself, beside what is unexplained.

        None, where nobody has said what the empty bin weighs, or it is no whole number of pieces.
        """
        tare_mg = self._calibration.tare_mg
        net_mg = passage.after.mean_mg - tare_mg - self._unexplained_mg
        whole = remainder_of(net_mg, self._calibration, passage.after_noise_mg)
        return max(0, whole.pieces) if tare_mg > 0 and whole.is_whole else 0

    def _book(self, passage: Passage, kind: MovementKind, change: int, because: str) -> None:
        assert self.pieces is not None
        self.movements.append(
            Movement(
                kind=kind,
                pieces=change,
                before_pieces=self.pieces,
                after_pieces=self.pieces + change,
                event_at=from_us(passage.after.since_us),
                known_at_reading=from_us(passage.known_us),
                before=passage.before,
                after=_range(passage.after),
                before_mg=round(passage.before_mg),
                after_mg=round(passage.after.mean_mg),
                because=because,
                sd_pieces=sd_of(abs(change), self._calibration, passage.noise_mg),
            )
        )
        self.pieces += change

    def _is_empty(self, passage: Passage) -> bool:
        """What a wrong unit weight adds up to over a bin's worth of takes, its bottom tells."""
        net_mg = passage.after.mean_mg - self._calibration.tare_mg
        unsure_mg = SURE_SIGMAS * passage.after_noise_mg
        return abs(net_mg) + unsure_mg < self._unit_mg * NO_MOVEMENT_PIECES

    # ---------------------------------------------------------------- what is not

    def _pieces_of(self, apart_mg: float, noise_mg: float) -> int | None:
        """How many pieces a difference is; None: it is no whole number of them.

        What is unexplained goes away as it came: of the two, what leaves less over is believed.
        """
        alone = remainder_of(apart_mg, self._calibration, noise_mg)
        if not self._unexplained_mg:
            return alone.pieces if alone.is_whole else None
        # Two differences were measured, one after the other.
        together = remainder_of(
            apart_mg + self._unexplained_mg, self._calibration, math.sqrt(2) * noise_mg
        )
        if not together.is_whole or (alone.is_whole and alone.off <= together.off):
            return alone.pieces if alone.is_whole else None
        self._unexplained_mg = 0.0
        self._unexplained_because = ""
        return together.pieces

    def _leave_open(self, apart_mg: float, *, tared: bool) -> None:
        self._unexplained_mg += apart_mg
        self._tared = tared
        self._unexplained_because = sentence(apart_mg, self._calibration, tared=tared)


def _range(plateau: Plateau) -> ReadingRange:
    return ReadingRange(ReadingRef(*plateau.first), ReadingRef(*plateau.last))
