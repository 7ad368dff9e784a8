from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.levels import Calibration, is_absent, level_of, pieces_of

BOLT = Calibration(tare_mg=350_000, unit_weight_ug=4_200_000)


@pytest.mark.parametrize(
    ("weight_mg", "pieces"),
    [
        (350_000, 0),
        (354_200, 1),
        (350_000 + 412 * 4_200, 412),
        (352_099, 0),  # just under half a piece
        (352_100, 1),  # half a piece counts as one
        (349_000, 0),  # drift below the empty bin
        (-5_000_000, 0),  # whatever the scale says, nothing is less than none
    ],
)
def test_the_nearest_whole_number_of_pieces_is_told(weight_mg: int, pieces: int) -> None:
    assert level_of(weight_mg, BOLT).pieces == pieces_of(weight_mg, BOLT) == pieces


def test_the_net_weight_keeps_its_sign() -> None:
    assert level_of(349_000, BOLT).net_mg == -1_000


def test_a_piece_lighter_than_a_milligram_is_counted() -> None:
    assert level_of(1_000, Calibration(tare_mg=0, unit_weight_ug=200)).pieces == 5_000


@given(
    weight_mg=st.integers(-(2**53), 2**53),
    tare_mg=st.integers(0, 10**9),
    unit_weight_ug=st.integers(1, 10**12),
)
def test_no_bit_of_the_weight_is_lost(weight_mg: int, tare_mg: int, unit_weight_ug: int) -> None:
    level = level_of(weight_mg, Calibration(tare_mg=tare_mg, unit_weight_ug=unit_weight_ug))
    exact = Fraction(max(0, weight_mg - tare_mg) * 1_000, unit_weight_ug)
    assert isinstance(level.pieces, int)
    assert abs(level.pieces - exact) <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("gross_mg", "tare_mg", "unit_ug", "unit_sd_ug", "scale_sd_mg", "pieces", "sd", "exact"),
    [
        (1_726_400, 412_000, 7_300_000, 50_000, 600, 180, 0.12328767123287672, True),
        (998_200, 350_000, 2_100_000, 20_000, 600, 309, 0.33114930763264205, False),
        (10_412_000, 412_000, 1_250_000, 15_000, 2_000, 8000, 1.9266551326067674, False),
        (2_312_000, 412_000, 31_000_000, 400_000, 600, 61, 0.10261918529410882, True),
    ],
)
def test_a_count_says_how_sure_it_is(
    *,
    gross_mg: int,
    tare_mg: int,
    unit_ug: int,
    unit_sd_ug: float,
    scale_sd_mg: float,
    pieces: int,
    sd: float,
    exact: bool,
) -> None:
    calibration = Calibration(
        tare_mg=tare_mg,
        unit_weight_ug=unit_ug,
        unit_sd_ug=unit_sd_ug,
        scale_sd_mg=scale_sd_mg,
    )
    level = level_of(gross_mg, calibration)
    assert (level.pieces, level.exact) == (pieces, exact)
    assert level.sd_pieces == pytest.approx(sd, abs=1e-6)


def test_the_error_of_the_unit_weight_counts_in_every_piece() -> None:
    calibration = Calibration(tare_mg=0, unit_weight_ug=1_000_000, unit_error_ug=1_000)
    few, many = (level_of(pieces * 1_000, calibration) for pieces in (100, 1_000))
    assert (few.exact, many.exact) == (True, False)
    assert many.sd_pieces == pytest.approx(1.0)


@pytest.mark.parametrize(("weight_mg", "absent"), [(175_000, True), (175_001, False)])
def test_half_of_the_empty_bins_weight_is_no_drift(weight_mg: int, *, absent: bool) -> None:
    assert is_absent(weight_mg, BOLT) is absent


def test_what_has_no_tare_cannot_be_absent() -> None:
    assert not is_absent(-1, Calibration(tare_mg=0, unit_weight_ug=1))
