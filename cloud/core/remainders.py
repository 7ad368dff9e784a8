"""Whether a difference of weight is a whole number of pieces, and what else it may be.

What is left over beside the nearest whole number must be explained by the noise of the two means,
by the spread of so many pieces and by the error of the unit weight. Where these are as large as the
remainder can ever be, it tells nothing, and the nearest number is believed.
"""

import math
from dataclasses import dataclass

from cloud.core.levels import Calibration

UNSAID_SPREAD_REL = 0.01  # of one piece
UNSAID_ERROR_REL = 0.01 / 3  # of the unit weight: 1 % at three sd is the most that is ever learnt
BEARABLE_MIN = 0.1
TELLS_NOTHING = 0.4  # half a piece is the most that can be left over
SDS = 4
DOUBTFUL_SDS = 1


@dataclass(frozen=True, kw_only=True)
class Remainder:
    pieces: int  # the nearest
    off: float  # what is left over, in pieces
    bearable: float
    doubtful: bool  # a longer look would tell more

    @property
    def is_whole(self) -> bool:
        return self.bearable >= TELLS_NOTHING or self.off <= self.bearable


def remainder_of(apart_mg: float, calibration: Calibration, noise_mg: float) -> Remainder:
    """`noise_mg` is the sd of the difference, from the scale alone."""
    unit_ug = calibration.unit_weight_ug
    apart = apart_mg / calibration.unit_mg
    nearest = round(apart)
    off = abs(apart - nearest)
    noise = noise_mg / calibration.unit_mg
    spread = math.sqrt(abs(nearest)) * (calibration.unit_sd_ug / unit_ug or UNSAID_SPREAD_REL)
    error = abs(nearest) * (calibration.unit_error_ug / unit_ug or UNSAID_ERROR_REL)
    return Remainder(
        pieces=nearest,
        off=off,
        bearable=max(BEARABLE_MIN, SDS * math.hypot(noise, spread, error)),
        doubtful=off > max(BEARABLE_MIN, DOUBTFUL_SDS * noise),
    )


def is_tare(apart_mg: float, calibration: Calibration, noise_mg: float) -> bool:
    """A jump by just the empty bin's weight, and by no number of pieces: a key was pressed."""
    tare_mg, unit_mg = calibration.tare_mg, calibration.unit_mg
    if tare_mg < 2 * unit_mg:
        return False
    off_tare = abs(abs(apart_mg) - tare_mg)
    off_pieces = abs(apart_mg - round(apart_mg / unit_mg) * unit_mg)
    return off_tare <= 3 * noise_mg and off_pieces > off_tare + 5 * noise_mg


def sentence(apart_mg: float, calibration: Calibration, *, tared: bool) -> str:
    """What is told of a difference that is not booked."""
    grams = f"{abs(apart_mg) / 1000:,.1f} g {'more' if apart_mg > 0 else 'less'}"
    if tared:
        return (
            f"The scale shows {grams}, just what the empty bin weighs: it was tared, or its tare"
            " was cleared."
        )
    return (
        f"The bin weighs {grams}, which is {abs(apart_mg) / calibration.unit_mg:.2f} pieces:"
        " another part, another unit weight, or something that leans on it."
    )
