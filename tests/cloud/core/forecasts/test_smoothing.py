"""The classic forecasts against statsforecast's numbers, and what each is known for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.forecasts.smoothing import (
    adida,
    croston,
    imapa,
    sba,
    ses,
    ses_optimised,
    tsb,
)


def _series(periods: int, taken: dict[int, int]) -> list[int]:
    return [taken.get(t, 0) for t in range(periods)]


# series, SES .1, Croston .1, SBA .1, TSB .1 .1, TSB .2 .05, SES optimised, ADIDA, IMAPA
CASES = [
    (
        _series(18, {2: 3, 6: 5, 9: 1, 12: 4, 16: 2}),
        0.67791536,
        0.93724983,
        0.89038734,
        0.72580316,
        0.49730193,
        0.624577,
        0.92565667,
        0.77189269,
    ),
    (
        [2, 0, 0, 1, 0, 3, 0, 0, 0, 0, 4, 0],
        1.19010021,
        1.33716707,
        1.27030872,
        1.10450313,
        1.66890092,
        1.03519179,
        0.72733333,
        0.89839004,
    ),
    (
        _series(104, {31: 300, 38: 20, 43: 10}),
        0.01914511,
        9.08687616,
        8.63253235,
        0.08272782,
        1.05119444,
        1.61375788,
        1.44342,
        1.30880778,
    ),
    (
        _series(104, {26: 25, 36: 30, 40: 100, 50: 100, 74: 30, 83: 50, 90: 50, 93: 130, 95: 50}),
        8.75927479,
        3.07816282,
        2.92425468,
        6.0145023,
        7.80551647,
        7.29092882,
        8.48469075,
        7.63702352,
    ),
    (
        _series(104, {38: 1000, 39: 1000, 66: 100, 87: 500}),
        9.69187005,
        26.29986078,
        24.98486774,
        18.05935931,
        25.06854398,
        17.04728146,
        13.3127069,
        15.88358284,
    ),
    (
        _series(
            104,
            {
                2: 800,
                3: 400,
                9: 100,
                12: 395,
                17: 105,
                19: 100,
                31: 400,
                38: 200,
                39: 200,
                46: 100,
                50: 500,
                55: 100,
                63: 400,
                73: 300,
                77: 400,
                88: 700,
                94: 300,
                100: 200,
                102: 400,
            },
        ),
        81.41246821,
        73.3141206,
        69.64841457,
        93.20250553,
        68.40307883,
        58.05418563,
        62.61821439,
        75.00917874,
    ),
    (
        _series(51, {0: 1, 4: 1, 5: 1, 12: 1, 20: 1, 21: 2, 28: 1, 36: 1}),
        0.05502076,
        0.32723937,
        0.3108774,
        0.0543858,
        0.17636204,
        0.00834966,
        0.09211604,
        0.06910761,
    ),
    (
        [
            0,
            0,
            3,
            0,
            1,
            1,
            1,
            0,
            1,
            1,
            1,
            0,
            2,
            0,
            0,
            2,
            0,
            0,
            1,
            1,
            1,
            1,
            1,
            0,
            2,
            0,
            0,
            0,
            0,
            1,
            1,
            0,
            0,
            0,
            1,
            1,
            0,
            1,
            0,
            1,
            0,
            0,
            0,
            1,
            0,
            0,
            1,
            0,
            0,
            0,
            0,
        ],
        0.28401048,
        0.54029378,
        0.51327909,
        0.3490374,
        0.35094915,
        0.25084975,
        0.20595529,
        0.22840252,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_forecasts_are_those_of_the_reference(case: tuple[list[int], float]) -> None:
    series, *expected = case
    found = [
        ses(series, 0.1),
        croston(series, 0.1),
        sba(series, 0.1),
        tsb(series, 0.1, 0.1),
        tsb(series, 0.2, 0.05),
        ses_optimised(series, 0.01, 0.99),
    ]
    assert found == pytest.approx(expected[:6], abs=1e-4)
    # the reference finds alpha by another search
    assert [adida(series), imapa(series)] == pytest.approx(expected[6:], rel=1e-2, abs=1e-2)


EVERY = [
    lambda series: ses(series, 0.1),
    lambda series: croston(series, 0.1),
    lambda series: sba(series, 0.1),
    lambda series: tsb(series, 0.1, 0.1),
    adida,
    imapa,
]


@pytest.mark.parametrize("forecast", EVERY, ids=range(len(EVERY)))
def test_without_demand_nothing_is_forecast(forecast) -> None:
    assert forecast([]) == 0
    assert forecast([None, None]) == 0
    assert forecast([0, 0, 0]) == 0


@pytest.mark.parametrize("forecast", EVERY, ids=range(len(EVERY)))
@given(series=st.lists(st.integers(0, 1000), min_size=1, max_size=40))
def test_a_masked_period_changes_nothing(forecast, series: list[int]) -> None:
    masked = [value for item in series for value in (None, item)]
    assert forecast(masked) == forecast(series)
    assert 0 <= forecast(series) <= max(series) + 1e-9


def test_what_is_no_longer_taken_fades_with_tsb_and_never_with_croston() -> None:
    dead = [0, 0, 5, 0, 0, 5] + [0] * 60
    assert croston(dead, 0.1) > 1.5
    assert tsb(dead, 0.1, 0.1) < 0.01
