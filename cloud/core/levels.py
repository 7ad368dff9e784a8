"""From a weight to a number of pieces, and how sure it is.

Whole numbers only: milligrams from the scale, micrograms for one piece (a rivet weighs 0.2 g),
so that the same weight always gives the same count, on every machine. How sure it is, is a
statistic and may be a float.

    sd of n pieces = sqrt(n * unit_sd^2 + (n * unit_error)^2 + scale_sd^2) / unit weight

The spread from piece to piece grows with the root of their number; the error of the unit weight
is the same in every piece, and grows with the number itself.
"""

import math
from dataclasses import dataclass

_UG_PER_MG = 1_000
SDS_TO_BE_EXACT = 3  # three standard deviations lie within half a piece


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What turns a weight into pieces: the empty bin, one piece, and how well both are known."""

    tare_mg: int
    unit_weight_ug: int
    unit_sd_ug: float = 0.0  # from piece to piece; 0: not known
    unit_error_ug: float = 0.0  # of the mean, the same for every piece: one sd; 0: not known
    scale_sd_mg: float = 0.0  # of one reading; 0: not known

    def __post_init__(self) -> None:
        assert self.unit_weight_ug > 0, "a piece weighs something"
        assert min(self.unit_sd_ug, self.unit_error_ug, self.scale_sd_mg) >= 0, "no sd is negative"

    @property
    def unit_mg(self) -> float:
        return self.unit_weight_ug / _UG_PER_MG


@dataclass(frozen=True, kw_only=True)
class Level:
    pieces: int
    net_mg: int  # may be below zero: a scale drifts, and a bin that is gone weighs less than empty
    sd_pieces: float = 0.0
    exact: bool = False  # 3 sd are within half a piece, as far as the sds are known


def level_of(weight_mg: int, calibration: Calibration) -> Level:
    """The pieces nearest to the weight; half a piece counts as one, and none is the least."""
    pieces = pieces_of(weight_mg, calibration)
    net_mg = weight_mg - calibration.tare_mg
    sd = sd_of(pieces, calibration)
    return Level(pieces=pieces, net_mg=net_mg, sd_pieces=sd, exact=SDS_TO_BE_EXACT * sd <= 1 / 2)


def pieces_of(weight_mg: int, calibration: Calibration) -> int:
    """Of `level_of` the number alone: what is looked at again and again wants no more."""
    unit_ug = calibration.unit_weight_ug
    net_ug = (weight_mg - calibration.tare_mg) * _UG_PER_MG
    return max(0, (2 * net_ug + unit_ug) // (2 * unit_ug))


def sd_of(pieces: int, calibration: Calibration, noise_mg: float | None = None) -> float:
    """One standard deviation of a count of `pieces`, in pieces; `noise_mg`: of what was weighed."""
    spread_ug = math.sqrt(pieces) * calibration.unit_sd_ug
    error_ug = pieces * calibration.unit_error_ug
    weighed_mg = calibration.scale_sd_mg if noise_mg is None else noise_mg
    scale_ug = weighed_mg * _UG_PER_MG
    return math.hypot(spread_ug, error_ug, scale_ug) / calibration.unit_weight_ug


def is_absent(weight_mg: float, calibration: Calibration) -> bool:
    """Drift makes an empty bin weigh a little too little; half of its own weight is no drift."""
    if calibration.tare_mg <= 0:
        return False
    return 2 * (weight_mg - calibration.tare_mg) <= -calibration.tare_mg
