import random

import pytest

from cloud.core.followed import Followed, Spot
from cloud.core.levels import Calibration
from cloud.core.unrest import Unrest

SAID = Calibration(tare_mg=0, unit_weight_ug=5_000_000, scale_sd_mg=50)
UNSAID = Calibration(tare_mg=0, unit_weight_ug=5_000_000)


def learnt(
    weights: list[int], *, settled: bool = False, calibration: Calibration = UNSAID
) -> Unrest:
    unrest = Unrest(Followed(), calibration)
    for n, weight in enumerate(weights):
        unrest.learn(Spot(n * 60_000_000, 1, n + 1, weight, settled))
    return unrest


@pytest.mark.parametrize("sigma_mg", [30, 600, 4_000])
def test_the_noise_is_learnt_from_neighbours(sigma_mg: int) -> None:
    rng = random.Random(sigma_mg)
    found = [
        learnt([round(rng.gauss(10**6, sigma_mg)) for _ in range(200)]).sigma_mg for _ in range(50)
    ]
    assert 0.8 * sigma_mg < sorted(found)[25] < 1.3 * sigma_mg


def test_stairs_are_no_noise() -> None:
    stairs = [10**6 - 15_000 * (n // 6) for n in range(300)]
    assert learnt(stairs, calibration=SAID).sigma_mg == 50


def test_among_settled_readings_only_what_goes_back_is_noise() -> None:
    takes = [10**6 - 15_000 * n for n in range(60)]
    shakes = [10**6 + (-1) ** n * 15_000 for n in range(60)]
    quiet, shaken = (learnt(weights, settled=True) for weights in (takes, shakes))
    assert (quiet.sigma_mg, quiet.is_restless, quiet.is_shaken) == (100, False, False)
    assert (shaken.sigma_mg > 20_000, shaken.is_restless, shaken.is_shaken) == (True, True, True)


def test_a_lull_of_what_shakes_is_no_rest_at_once() -> None:
    rng = random.Random(1)
    shakes = [round(rng.gauss(10**6, 4_000)) for _ in range(64)]
    assert learnt(shakes + [10**6] * 32).sigma_mg > 1_000
    assert learnt(shakes + [10**6] * 300).sigma_mg < 100


def test_across_a_condition_nothing_goes_back() -> None:
    unrest = Unrest(Followed(), UNSAID)
    for n, weight in enumerate([10**6, 900_000, 10**6] * 4):
        unrest.interrupt("silent")
        unrest.learn(Spot(n, 1, n + 1, weight, settled=True))
    assert not unrest.is_restless


def test_what_never_came_to_rest_is_restless() -> None:
    unrest = Unrest(Followed(), UNSAID)
    unrest.interrupt("unstable")
    assert not unrest.is_restless, "that may be a hand"
    unrest.interrupt("unstable")
    assert unrest.is_restless


def test_forth_and_back_by_a_good_part_of_a_piece_is_restless() -> None:
    def seen(swing_mg: int) -> Unrest:
        unrest = Unrest(Followed(), UNSAID)
        for n in range(9):
            weight = 10**6 + swing_mg * (n % 2)
            unrest.learn(Spot(n, 1, n + 1, weight, settled=True))
        return unrest

    piece_mg = round(UNSAID.unit_mg)
    assert seen(piece_mg // 2).is_restless
    assert not seen(piece_mg // 5).is_restless
    quiet = seen(piece_mg // 2)
    for n in range(16):
        quiet.learn(Spot(100 + n, 1, 100 + n, 10**6, settled=True))
    assert not quiet.is_restless


def test_a_scale_that_always_says_the_same_is_not_improbable() -> None:
    coarse = [10**6 + 5_000 * (n // 200) for n in range(1_000)]
    assert not learnt(coarse).is_improbably_same
    noisy = [10**6 + n * 37 % 11 * 100 for n in range(200)]
    assert learnt([*noisy, *[10**6] * 20]).is_improbably_same


def test_what_is_remembered_is_all_there_is() -> None:
    rng = random.Random(3)
    spots = [
        Spot(n, 1, n + 1, round(rng.gauss(10**6, 300) / 100) * 100, n % 3 == 0) for n in range(200)
    ]
    whole = Unrest(Followed(), UNSAID)
    for spot in spots:
        whole.learn(spot)
    state = Followed()
    for spot in spots:
        part = Unrest(state, UNSAID)
        part.learn(spot)
        state = Followed(**part.remembered())
    assert part.remembered() == whole.remembered()
