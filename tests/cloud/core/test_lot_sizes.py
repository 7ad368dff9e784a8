"""The textbook's answers, case by case; and that no neighbour of an optimum is cheaper."""

from typing import Any

import pytest

from cloud.core.lot_sizes import (
    economic_order_quantity,
    newsvendor_normal,
    newsvendor_poisson,
    rq_normal,
    rq_poisson,
    ss_poisson,
    ss_power,
)


@pytest.mark.parametrize(
    ("ordering", "holding", "rate", "quantity", "cost"),
    [
        (8, 0.225, 1300, 304.0467800264368, 68.41052550594829),
        (5, 7.192, 520, 26.88913505455693, 193.38665931237344),
        (60, 0.04, 120000, 18973.665961010276, 758.9466384404111),
    ],
)
def test_economic_order_quantity(
    ordering: float, holding: float, rate: float, quantity: float, cost: float
) -> None:
    found = economic_order_quantity(ordering=ordering, holding=holding, rate=rate)
    assert (found.quantity, found.cost) == pytest.approx((quantity, cost), abs=1e-4)


@pytest.mark.parametrize(
    "case",
    [
        (0.18, 0.7, 50, 8, 0, 56.60395592743389, 1.9976051931766445),
        (0.18, 0.7, 50, 8, 4, 264.76689437415484, 4.466781004149577),
        (0.5, 9.5, 12, 5, 2, 50.24485026446947, 8.931808460064765),
    ],
)
def test_newsvendor_with_normal_demand(case: tuple[Any, ...]) -> None:
    holding, shortage, mean, sd, lead_time, level, cost = case
    found = newsvendor_normal(
        holding=holding, shortage=shortage, mean=mean, sd=sd, lead_time=lead_time
    )
    assert (found.level, found.cost) == pytest.approx((level, cost), abs=1e-5)


@pytest.mark.parametrize(
    ("holding", "shortage", "mean", "level", "cost"),
    [
        (1, 4, 6, 8, 3.5701069457709376),
        (0.18, 0.7, 50, 56, 1.7972352118091772),
    ],
)
def test_newsvendor_with_poisson_demand(
    holding: float, shortage: float, mean: float, level: int, cost: float
) -> None:
    found = newsvendor_poisson(holding=holding, shortage=shortage, mean=mean)
    assert (found.level, found.cost) == pytest.approx((level, cost), abs=1e-6)


@pytest.mark.parametrize(
    "case",
    [
        (20, 150, 100, 1.5, 2, 3, 5, 107.92358063314975),
        (1, 30, 12, 4, 3, 15, 11, 14.952584241833506),
    ],
)
def test_reorder_point_and_quantity_with_poisson_demand(case: tuple[Any, ...]) -> None:
    holding, shortage, ordering, mean, lead_time, point, quantity, cost = case
    found = rq_poisson(
        holding=holding, shortage=shortage, ordering=ordering, mean=mean, lead_time=lead_time
    )
    assert (found.reorder_point, found.quantity) == (point, quantity)
    assert found.cost == pytest.approx(cost, abs=1e-6)


@pytest.mark.parametrize(
    "case",
    [
        (
            0.225,
            7.5,
            8,
            1300,
            150,
            0.08333333333333333,
            213.97044213580244,
            318.5901810768729,
            95.45114022285196,
        ),
        (1.5, 30, 20, 600, 90, 0.1, 124.80989025440357, 136.65021520267405, 302.19015818561644),
    ],
)
def test_reorder_point_and_quantity_with_normal_demand(case: tuple[Any, ...]) -> None:
    holding, shortage, ordering, mean, sd, lead_time, point, quantity, cost = case
    found = rq_normal(
        holding=holding,
        shortage=shortage,
        ordering=ordering,
        mean=mean,
        sd=sd,
        lead_time=lead_time,
    )
    assert (found.reorder_point, found.quantity, found.cost) == pytest.approx(
        (point, quantity, cost), abs=1e-3
    )


@pytest.mark.parametrize(
    "case",
    [
        (1, 4, 5, 6, 4, 10, 8.034111561471642),
        (1, 19, 10, 2.5, 3, 9, 8.669787753276617),
    ],
)
def test_order_up_to_with_poisson_demand(case: tuple[Any, ...]) -> None:
    holding, shortage, ordering, mean, point, up_to, cost = case
    found = ss_poisson(holding=holding, shortage=shortage, ordering=ordering, mean=mean)
    assert (found.reorder_point, found.order_up_to) == (point, up_to)
    assert found.cost == pytest.approx(cost, abs=1e-6)


@pytest.mark.parametrize(
    "case",
    [
        (0.18, 0.7, 2.5, 50, 8, 40.19461695647407, 74.29017010980579),
        (1, 24, 32, 9, 4, 10.2507204309888, 32.95074357513241),
    ],
)
def test_the_power_approximation(case: tuple[Any, ...]) -> None:
    holding, shortage, ordering, mean, sd, point, up_to = case
    found = ss_power(holding=holding, shortage=shortage, ordering=ordering, mean=mean, sd=sd)
    assert found == pytest.approx((point, up_to), abs=1e-5)
