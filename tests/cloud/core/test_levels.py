from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.levels import Calibration, level_of

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
    assert level_of(weight_mg, BOLT).pieces == pieces


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
