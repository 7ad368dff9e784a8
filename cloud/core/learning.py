"""What a bin's calibration is learnt from: counted samples, stable zeros, known deliveries.

A unit weight from k pieces has a systematic error: every piece in the bin carries it, so it grows
with their number where the spread from piece to piece grows only with the root.

    error of the unit weight = sd_piece / sqrt(k)     bias at n pieces = n * sd_piece / sqrt(k) / u
    at most 1 % at three sd:  k >= (3 * sd_piece / u / 0.01)^2      2 % spread: 36 pieces
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cloud.core.levels import Calibration
from cloud.core.refusals import SampleTooSmall, SampleUseless, TareNotStill

BIAS_SHARE_MAX = 0.01
BIAS_SDS = 3
CONSENT_SHARE = 0.005  # a unit weight that moves by less is applied without asking
TARE_READINGS = 5
UNSAID_SPREAD = 0.02  # of one piece: stamped and moulded parts lie at 0.2 to 2 %


@dataclass(frozen=True, kw_only=True)
class Sample:
    """So many pieces, counted by hand, on the bin whose empty weight is known."""

    weight_mg: int
    tare_mg: int
    pieces: int
    weight_sd_mg: float = 0.0  # of the difference of the two weights
    spread_rel: float | None = None  # sd of one piece as a share of it; None: not known


@dataclass(frozen=True, kw_only=True)
class UnitWeight:
    unit_weight_ug: int
    unit_sd_ug: float
    unit_error_ug: float
    bias_pieces: float  # one sd, at the full bin
    sample: int

    def applied_to(self, calibration: Calibration) -> Calibration:
        return replace(
            calibration,
            unit_weight_ug=self.unit_weight_ug,
            unit_sd_ug=self.unit_sd_ug,
            unit_error_ug=self.unit_error_ug,
        )


def sample_needed(spread_rel: float) -> int:
    """Pieces to count so that a full bin is off by 1 % at most, at three sd."""
    return max(1, math.ceil((BIAS_SDS * spread_rel / BIAS_SHARE_MAX) ** 2 - 1e-9))


def bias_pieces(*, sample: int, spread_rel: float, pieces: int) -> float:
    """One sd of what `pieces` are off by, if one is known from `sample` of them."""
    return pieces * spread_rel / math.sqrt(sample)


def learn_unit_weight(sample: Sample, capacity: int) -> UnitWeight:
    """Refused if a full bin could be off by more than 1 %."""
    net_mg = sample.weight_mg - sample.tare_mg
    if sample.pieces < 1 or net_mg <= 0:
        raise SampleUseless
    spread = UNSAID_SPREAD if sample.spread_rel is None else sample.spread_rel
    unit_mg = net_mg / sample.pieces
    if round(unit_mg * 1000) < 1:
        raise SampleUseless
    spread_error = spread / math.sqrt(sample.pieces)
    weighing_error = sample.weight_sd_mg / net_mg
    error = math.hypot(spread_error, weighing_error)
    share = BIAS_SDS * error
    if share > BIAS_SHARE_MAX * (1 + 1e-9):
        raise SampleTooSmall(_needed(spread, sample.weight_sd_mg / unit_mg), share)
    return UnitWeight(
        unit_weight_ug=round(unit_mg * 1000),
        unit_sd_ug=spread * unit_mg * 1000,
        unit_error_ug=error * unit_mg * 1000,
        bias_pieces=error * capacity,
        sample=sample.pieces,
    )


def _needed(spread: float, weight_sd_pieces: float) -> int:
    """The least k with spread^2 / k + (weight_sd / k)^2 <= (1 % / 3)^2."""
    most = BIAS_SHARE_MAX / BIAS_SDS
    a, b = spread * spread, weight_sd_pieces * weight_sd_pieces
    return math.ceil((a + math.sqrt(a * a + 4 * most * most * b)) / (2 * most * most) - 1e-9)


# ------------------------------------------------------------------ the empty bin


@dataclass(frozen=True, kw_only=True)
class Tare:
    tare_mg: int
    range_mg: int
    readings: int


def learn_tare(
    weights_mg: Sequence[int], *, range_mg_max: int, readings: int = TARE_READINGS
) -> Tare:
    """The empty bin's weight from its last readings, if they lie within a range."""
    last = weights_mg[-readings:]
    wide = max(last) - min(last) if last else 0
    if len(last) < readings or wide > range_mg_max:
        raise TareNotStill(wide, range_mg_max, len(last), readings)
    # The middle one: a single reading that is off moves it less than a mean.
    return Tare(tare_mg=sorted(last)[len(last) // 2], range_mg=wide, readings=len(last))


def at_rest(weights_mg: Sequence[int], *, range_mg_max: int) -> list[int]:
    """The newest weights that lie within a range: what was on the scale before does not count."""
    low = high = weights_mg[-1] if weights_mg else 0
    still: list[int] = []
    for weight_mg in reversed(weights_mg):
        low, high = min(low, weight_mg), max(high, weight_mg)
        if high - low > range_mg_max:
            break
        still.append(weight_mg)
    return still[::-1]


@dataclass(frozen=True, kw_only=True)
class ZeroCheck:
    """What the scale shows with nothing on it. Each time the bin is off it tells."""

    zero_error_mg: int
    error_pieces: float
    bearable: bool  # within half a piece, or within what noise explains
    because: str


def check_zero(zero_error_mg: int, calibration: Calibration) -> ZeroCheck:
    """A zero that wandered makes every count wrong by the same number of pieces."""
    pieces = zero_error_mg / calibration.unit_mg
    bearable = abs(zero_error_mg) <= max(calibration.unit_mg / 2, 3 * calibration.scale_sd_mg)
    said = f"Without the bin the scale shows {zero_error_mg / 1000:,.1f} g"
    verdict = "within half a piece." if bearable else f"that is {pieces:,.1f} pieces. Zero it."
    return ZeroCheck(
        zero_error_mg=zero_error_mg,
        error_pieces=pieces,
        bearable=bearable,
        because=f"{said}; {verdict}",
    )


# ------------------------------------------------------------------ a known delivery


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A refill of a quantity that both sides agree on, between two plateaus."""

    pieces: int
    before_mg: int
    after_mg: int
    weight_sd_mg: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Keep:
    """The delivery says nothing better than what is known."""

    because: str


@dataclass(frozen=True, kw_only=True)
class Apply:
    unit_weight: UnitWeight
    because: str


@dataclass(frozen=True, kw_only=True)
class Propose:
    """It moves too far to be applied unasked: a person sees the evidence and consents."""

    unit_weight: UnitWeight
    because: str


def relearn(delivery: Delivery, calibration: Calibration, capacity: int) -> Keep | Apply | Propose:
    """A better unit weight from a delivery, weighed together with the one in use.

    Both are means with an error; the better one weighs more, by the inverse of its variance.
    """
    net_mg = delivery.after_mg - delivery.before_mg
    if delivery.pieces < 1 or net_mg <= 0:
        return Keep(because="The bin did not become heavier.")
    now_ug = calibration.unit_weight_ug
    spread = calibration.unit_sd_ug / now_ug or UNSAID_SPREAD
    seen_ug = net_mg * 1000 / delivery.pieces
    seen_error = math.hypot(spread / math.sqrt(delivery.pieces), delivery.weight_sd_mg / net_mg)
    known_error = calibration.unit_error_ug / now_ug or BIAS_SHARE_MAX / BIAS_SDS
    weight = known_error**2 / (known_error**2 + seen_error**2)
    shift = (seen_ug - now_ug) / now_ug
    evidence = (
        f"{delivery.pieces:,} pieces weighed {net_mg / 1000:,.1f} g, {seen_ug / 1e6:,.4f} g each;"
        f" in use are {now_ug / 1e6:,.4f} g"
    )
    if seen_error > 2 * known_error:
        return Keep(because=f"{evidence}. It is known better than a delivery of this size tells.")
    # A delivery says nothing of how unlike its pieces are: what is not known stays so.
    sd_rel = calibration.unit_sd_ug / now_ug
    if abs(shift) <= CONSENT_SHARE:
        unit_ug = now_ug + weight * (seen_ug - now_ug)
        error = known_error * seen_error / math.hypot(known_error, seen_error)
        learnt = _unit(unit_ug, sd_rel, error, capacity, delivery.pieces)
        return Apply(unit_weight=learnt, because=f"{evidence}: within half a percent.")
    # So far apart they are not two views of one weight: what was seen replaces, or nothing does.
    learnt = _unit(seen_ug, sd_rel, seen_error, capacity, delivery.pieces)
    return Propose(unit_weight=learnt, because=f"{evidence}: {100 * shift:+.1f} %.")


def _unit(unit_ug: float, sd_rel: float, error: float, capacity: int, sample: int) -> UnitWeight:
    return UnitWeight(
        unit_weight_ug=max(1, round(unit_ug)),
        unit_sd_ug=sd_rel * unit_ug,
        unit_error_ug=error * unit_ug,
        bias_pieces=error * capacity,
        sample=sample,
    )
