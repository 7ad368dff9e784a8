from dataclasses import replace

import pytest

from cloud.core.followed import Followed, Rules, Spot
from cloud.core.levels import Calibration
from cloud.core.looks import PATIENCE, RAW_FIRST, WINDOW_MAX, Looks
from cloud.core.unrest import Unrest

UNIT_MG = 5_000
SCALE = Rules(
    calibration=Calibration(tare_mg=0, unit_weight_ug=UNIT_MG * 1_000, scale_sd_mg=50),
    interval_s=60,
    refill_pieces=50,
)
UNSAID = replace(SCALE, calibration=replace(SCALE.calibration, scale_sd_mg=0))
SEVERAL = replace(SCALE, sensors=(1, 2))
KNOWN = Followed(reference_mg=1_000_000.0)  # a level was believed before


def noisy(sigma_mg: float) -> Rules:
    return replace(SCALE, calibration=replace(SCALE.calibration, scale_sd_mg=sigma_mg))


class Watched:
    """Looks, with the noise that is learnt of the same weights."""

    def __init__(self, state: Followed = KNOWN, rules: Rules = SCALE) -> None:
        self.unrest = Unrest(state, rules.calibration)
        self.looks = Looks(state, rules, self.unrest)
        self.count = 0

    def take(
        self, *weights: int, settled: bool = False, every_s: float = 10, since_s: float = 0
    ) -> list[bool]:
        enough = []
        for n, weight in enumerate(weights):
            at_us = round((since_s + n * every_s) * 1_000_000)
            self.count += 1
            spot = Spot(at_us, 1, self.count, weight, settled)
            self.unrest.learn(spot)
            enough.append(self.looks.take(spot))
        return enough


@pytest.mark.parametrize(
    ("rules", "state", "stability", "needed"),
    [
        (SCALE, KNOWN, "settled", 1),  # a gateway has waited for rest already
        (SCALE, KNOWN, "raw", 4),
        (noisy(UNIT_MG / 8), KNOWN, "settled", 1),
        (noisy(UNIT_MG / 4), KNOWN, "settled", 4),  # 64 / 16
        (noisy(UNIT_MG / 4), KNOWN, "raw", 11),  # 162 / 16, and a bit more is one more
        (noisy(UNIT_MG), KNOWN, "raw", WINDOW_MAX),
        (noisy(3 * UNIT_MG), KNOWN, "raw", WINDOW_MAX),  # what is lighter is not resolved
        (UNSAID, KNOWN, "raw", RAW_FIRST),  # of a noise that nobody told, nothing may move yet
        (UNSAID, Followed(), "raw", 4),  # but a first level is one that is not exact
        (SEVERAL, KNOWN, "settled", 2),
        (SCALE, replace(KNOWN, after_unrest=True), "settled", 2),
        (SCALE, replace(KNOWN, reversals=0b111), "settled", 6),
        (SCALE, replace(KNOWN, reversals=0b111), "raw", RAW_FIRST),
    ],
)
def test_a_look_takes_as_many_readings_as_the_noise_asks_for(
    rules: Rules, state: Followed, stability: str, needed: int
) -> None:
    assert Watched(replace(state, settled=stability == "settled"), rules).looks.usual == needed


def test_of_raw_weights_the_fourth_is_enough_and_the_window_grows_no_further() -> None:
    watched = Watched()
    assert watched.take(*[10**6] * 6) == [False, False, False, True, True, True]
    assert [spot.seq for spot in watched.looks.window] == [3, 4, 5, 6]


def test_while_the_noise_is_unknown_more_are_kept_than_a_first_level_takes() -> None:
    watched = Watched(Followed(), UNSAID)
    assert watched.take(*[10**6] * 7) == [False] * 3 + [True] * 4
    assert len(watched.looks.window) == 7, "in a moment eight may be needed"
    watched.looks.begin(since_us=0)
    assert watched.looks.usual == RAW_FIRST, "and for the next level they are"


def test_one_settled_weight_is_enough_and_it_is_the_newest() -> None:
    watched = Watched()
    assert watched.take(10**6, 900_000, settled=True) == [True, True]
    assert [spot.weight_mg for spot in watched.looks.window] == [900_000]


def test_several_scales_tell_of_a_change_within_ten_seconds() -> None:
    watched = Watched(rules=SEVERAL)
    assert watched.take(*[10**6] * 4, settled=True, every_s=4) == [False, False, False, True]


def test_after_unrest_a_weight_must_last_until_a_plateau_is_believed() -> None:
    watched = Watched()
    watched.looks.note_unrest()
    assert watched.take(*[10**6] * 4, settled=True) == [False, False, False, True]
    watched.looks.believe()
    watched.looks.clear()
    assert watched.take(900_000, settled=True, since_s=40) == [True]


def test_among_reversals_a_weight_must_last_a_minute_however_many_tell_of_it() -> None:
    watched = Watched(replace(KNOWN, reversals=0b111))
    enough = watched.take(*[10**6] * 11, settled=True, every_s=6)
    assert enough == [False] * 10 + [True]


def test_what_lies_still_rests_and_what_moves_does_not() -> None:
    watched = Watched()
    watched.take(*[10**6, 10**6 + 100] * 2)
    rest = watched.looks.rest()
    assert rest is not None
    assert rest.mean_mg == 10**6 + 50
    watched.take(10**6 + 400)
    assert watched.looks.rest() is None, "it reaches over 6.5 times the noise"


def test_what_shakes_makes_no_wide_window_lie_still() -> None:
    """Its noise is beyond a piece; it would explain two lulls that lie pieces apart."""
    state = replace(KNOWN, reversals=0b111, sigma_mg=3_000.0, settled=True)
    up_and_down = [10**6, *[10**6 + 2_600] * 2, *[10**6] * 2, 10**6 + 2_600]
    for reversals, rests in ((0b111, False), (0, True)):
        watched = Watched(replace(state, reversals=reversals))
        watched.take(*up_and_down, settled=True)
        assert (watched.looks.rest() is not None) == rests


def test_more_readings_tell_a_smaller_difference_down_to_a_good_half_of_a_piece() -> None:
    few, many = Watched(rules=noisy(2_000)), Watched(rules=noisy(2_000))
    few.take(*[10**6] * 4)
    many.take(*[10**6] * 26)
    assert few.looks.least_mg() == pytest.approx(4.2 * 2_000 * (1.25 / 4) ** 0.5)
    assert few.looks.least_mg() > many.looks.least_mg() == 0.6 * UNIT_MG
    assert few.looks.noise_mg() == 2_000 / 4**0.5
    quiet = Watched()
    quiet.take(*[10**6] * 4)
    assert quiet.looks.least_mg() == 0.6 * UNIT_MG


def test_a_longer_look_begins_anew_with_the_plateau_and_takes_four_times_as_many() -> None:
    watched = Watched(rules=noisy(UNIT_MG / 4))
    watched.take(*[10**6] * 4, *[900_000] * 4)
    looks = watched.looks
    assert not looks.is_long
    looks.lengthen(since_us=40_000_000)
    assert (looks.is_long, looks.is_over) == (True, False)
    assert [spot.weight_mg for spot in looks.window] == [900_000] * 4
    watched.take(*[900_000] * (PATIENCE * looks.usual - 5), since_s=80)
    assert not looks.is_over
    watched.take(900_000, since_s=9_000)
    assert looks.is_over
    looks.begin(since_us=9_000_000_000)
    assert (looks.is_long, len(looks.window)) == (False, 1)


def test_a_longer_look_at_settled_weights_takes_all_of_its_readings_too() -> None:
    watched = Watched()
    watched.take(10**6, settled=True)
    watched.looks.lengthen(since_us=0)
    assert watched.take(*[10**6] * 3, settled=True, since_s=10) == [False, False, True]


def test_a_longer_look_is_given_up_when_it_does_not_rest() -> None:
    watched = Watched()
    watched.take(*[10**6] * 4)
    watched.looks.lengthen(0)
    watched.take(900_000, since_s=90)
    assert watched.looks.rest() is None
    assert not watched.looks.is_long


def test_what_still_goes_where_it_went_came_there_slowly() -> None:
    watched = Watched()
    watched.take(*[10**6] * 4)
    watched.looks.lengthen(0)
    assert not watched.looks.is_slow(8_000, 6_000), "too few tell of it"
    watched.take(*[10**6 + 50 * n for n in range(4)], since_s=40)
    assert watched.looks.is_slow(8_000, 6_000)
    assert watched.looks.is_slow(-8_000, -6_000)
    assert not watched.looks.is_slow(8_000, -6_000), "it comes back"
    assert not watched.looks.is_slow(8_000, 5_000), "the rest came at once"
    light = Watched(rules=noisy(UNIT_MG / 4))
    light.looks.lengthen(0)
    light.take(*[10**6] * (2 * light.looks.usual - 1))
    assert not light.looks.is_slow(8_000, 6_000)
    light.take(10**6, since_s=500)
    assert light.looks.is_slow(8_000, 6_000), "twice as many as usual tell of it"


def test_what_nobody_knows_yet_is_told_in_readings_where_it_takes_many() -> None:
    few = Watched(Followed())
    few.take(10**6)
    assert few.looks.doubt().because == "No weight has held still yet."
    many = Watched(Followed(), noisy(UNIT_MG))
    many.take(*[10**6] * 9)
    assert (
        "162 readings are averaged for the first level; 9 are there" in many.looks.doubt().because
    )


def test_what_is_remembered_is_all_there_is() -> None:
    watched = Watched()
    watched.looks.note_unrest()
    watched.take(*[10**6] * 3)
    watched.looks.lengthen(10_000_000)
    remembered = watched.looks.remembered()
    state = replace(KNOWN, **remembered)
    assert Looks(state, SCALE, watched.unrest).remembered() == remembered
    assert remembered["patience"] == PATIENCE
    watched.looks.clear()
    assert watched.looks.remembered() == {**remembered, "window": ()}
