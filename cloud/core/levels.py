"""From a weight to a number of pieces.

Whole numbers only: milligrams from the scale, micrograms for one piece (a rivet weighs 0.2 g),
so that the same weight always gives the same count, on every machine.
"""

from dataclasses import dataclass

_UG_PER_MG = 1_000


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What turns a weight into pieces: the empty bin, and one piece."""

    tare_mg: int
    unit_weight_ug: int

    def __post_init__(self) -> None:
        assert self.unit_weight_ug > 0, "a piece weighs something"


@dataclass(frozen=True, kw_only=True)
class Level:
    pieces: int
    net_mg: int  # may be below zero: a scale drifts, and a bin that is gone weighs less than empty


def level_of(weight_mg: int, calibration: Calibration) -> Level:
    """The pieces nearest to the weight; half a piece counts as one, and none is the least."""
    net_mg = weight_mg - calibration.tare_mg
    unit_ug = calibration.unit_weight_ug
    pieces = (2 * net_mg * _UG_PER_MG + unit_ug) // (2 * unit_ug)
    return Level(pieces=max(0, pieces), net_mg=net_mg)
