import random

import pytest

from cloud.core.followed import Spot
from cloud.core.window import Rest, begins, rest_of


def spots(*weights: int) -> list[Spot]:
    return [Spot(n, 1, n + 1, weight, settled=False) for n, weight in enumerate(weights)]


@pytest.mark.parametrize(
    ("weights", "rest"),
    [
        ((500,), Rest(500, 500, 500)),
        ((500, 502), Rest(501, 500, 502)),
        ((500, 502, 504), Rest(502, 500, 503)),
        ((500, 500, 600, 600), None),  # its halves are two weights
        ((400, 600, 400, 600), None),  # it reaches too far
    ],
)
def test_weights_that_lie_still_have_a_mean_and_two_halves(
    weights: tuple[int, ...], rest: Rest | None
) -> None:
    assert rest_of(spots(*weights), range_mg=150, apart_mg=50) == rest


def test_a_plateau_begins_with_the_step_that_led_to_it() -> None:
    assert begins(spots(1_000, 1_000, 400, 400), 400, 1_000).seq == 3
    assert begins(spots(400, 400), 400, 1_000).seq == 1, "none of before is in the window"


def test_one_weight_that_noise_moved_does_not_make_it_begin_later() -> None:
    assert begins(spots(1_000, 1_000, 400, 400, 750, 400, 400), 400, 1_000).seq == 3


def test_a_step_of_three_and_a_half_times_the_noise_is_found_within_a_few_readings() -> None:
    rng = random.Random(7)
    off = []
    for _ in range(200):
        weights = [round(rng.gauss(2_100 * (n < 20), 600)) for n in range(60)]
        off.append(abs(begins(spots(*weights), 0, 2_100).seq - 21))
    assert sum(off) / len(off) < 1
    assert max(off) <= 6
