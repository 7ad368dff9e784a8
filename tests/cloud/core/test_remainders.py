import random

import pytest

from cloud.core.levels import Calibration
from cloud.core.remainders import is_tare, remainder_of, sentence

NUT = Calibration(tare_mg=412_000, unit_weight_ug=7_300_000, unit_sd_ug=36_500, unit_error_ug=7_300)
NOISE_MG = 100.0


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [(1.0, True), (-3.05, True), (3.4, False), (-2.5, False), (200.2, True), (400.4, True)],
)
def test_a_remainder_beyond_noise_and_spread_is_no_piece(pieces: float, *, whole: bool) -> None:
    assert remainder_of(pieces * 7_300, NUT, NOISE_MG).is_whole is whole


def test_in_much_noise_a_remainder_tells_nothing() -> None:
    remainder = remainder_of(3.45 * 7_300, NUT, 800.0)
    assert (remainder.pieces, remainder.is_whole, remainder.doubtful) == (3, True, True)


def test_a_jump_by_the_empty_bins_weight_is_a_key_that_was_pressed() -> None:
    assert is_tare(-412_000, NUT, NOISE_MG)
    assert is_tare(412_100, NUT, NOISE_MG)
    assert not is_tare(-56 * 7_300, NUT, NOISE_MG)
    fits_both = Calibration(tare_mg=438_000, unit_weight_ug=7_300_000)
    assert not is_tare(-438_000, fits_both, NOISE_MG)  # sixty pieces, to the milligram
    assert not is_tare(-7_000, Calibration(tare_mg=7_000, unit_weight_ug=7_300_000), NOISE_MG)


def test_what_is_not_booked_is_told_in_grams_and_pieces() -> None:
    assert sentence(24_820, NUT, tared=False).startswith(
        "The bin weighs 24.8 g more, which is 3.40 pieces:"
    )
    assert sentence(-412_000, NUT, tared=True).startswith("The scale shows 412.0 g less, just what")


@pytest.mark.parametrize("other", [4_900, 5_800, 8_800, 10_700, 11_900])
def test_five_other_parts_are_found_out_and_the_right_one_is_not_accused(other: int) -> None:
    """Two to four of a neighbour's part put in: how often it is told, and how often in vain."""
    rng = random.Random(other)
    told = accused = judged = 0
    for _ in range(2_000):
        count = rng.randint(2, 4)
        for unit in (7_300, other):
            apart = count * unit + rng.gauss(0, NOISE_MG) + rng.gauss(0, 36.5 * count**0.5)
            is_whole = remainder_of(apart, NUT, NOISE_MG).is_whole
            if unit == 7_300:
                accused += not is_whole
            elif abs(count * other / 7_300 - round(count * other / 7_300)) > 0.15:
                judged += 1
                told += not is_whole
    assert accused / 2_000 < 0.01
    assert told / judged > 0.95
