"""Safety stock against textbook values and another library's; fill rates against their meaning."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.probability import negative_binomial_shape, normal_loss, normal_quantile
from cloud.core.safety_stock import (
    LeadTimeDemand,
    cycle_safety_stock,
    cycle_service_at,
    demand_over_lead_time,
    fill_order_up_to,
    fill_reorder_point,
    gamma_reorder_point,
    mean_undershoot,
    negative_binomial_reorder_point,
    poisson_reorder_point,
)


@pytest.mark.parametrize(
    "case",
    [
        (0.95, 10, 4, 0, 1.6448536269514722, 32.897072539029445),
        (0.98, 12.5, 2, 1, 2.0537489106318225, 44.46496824004437),
        (0.9, 40, 1, 1, 1.2815515655446004, 72.49550419494585),
        (0.975, 7, 16, 4, 1.959963984540054, 61.356577840360714),
    ],
)
def test_cycle_service_is_a_normal_quantile_over_the_whole_interval(case: tuple[Any, ...]) -> None:
    service, sd, lead_time, review, z, stock = case
    assert normal_quantile(service) == pytest.approx(z, abs=1e-6)
    found = cycle_safety_stock(service=service, sd_per_period=sd, protection=lead_time + review)
    assert found == pytest.approx(stock, abs=1e-6)


@pytest.mark.parametrize(
    "case",
    [
        (0.95, 20, 6, 5, 1.2, 27.49545416973504, 45.225997515766664, 145.22599751576666),
        (0.98, 100, 30, 3, 0.5, 72.11102550927978, 148.09794008422693, 448.09794008422693),
    ],
)
def test_a_lead_time_that_varies_adds_to_the_spread(case: tuple[Any, ...]) -> None:
    service, mean, sd, lead_time, sd_lead_time, spread, stock, point = case
    demand = demand_over_lead_time(
        mean_per_period=mean,
        sd_per_period=sd,
        mean_lead_time=lead_time,
        sd_lead_time=sd_lead_time,
    )
    z = normal_quantile(service)
    assert demand.sd == pytest.approx(spread, abs=1e-6)
    assert z * demand.sd == pytest.approx(stock, abs=1e-6)
    assert demand.reorder_point(z) == pytest.approx(point, abs=1e-6)


@pytest.mark.parametrize(
    "case",
    [
        (
            200,
            50,
            100,
            0.95,
            0.49288501631348647,
            124.64425081567433,
            0.49288732720688205,
            124.6443663603441,
            0.6889530824699128,
        ),
        (
            200,
            50,
            100,
            0.99,
            1.360235163288496,
            168.0117581644248,
            1.360235247184258,
            168.0117623592129,
            0.9131222407651558,
        ),
        (
            1000,
            120,
            400,
            0.995,
            1.341377695830254,
            560.9653234996305,
            1.3413776958302581,
            560.965323499631,
            0.9101010722939722,
        ),
        (
            12,
            9,
            14,
            0.97,
            1.3473921618088702,
            26.126529456279833,
            1.360235247184258,
            26.242117224658323,
            0.91107301815865,
        ),
    ],
)
def test_a_fill_rate_with_fixed_orders(case: tuple[Any, ...]) -> None:
    quantity, sd, mean, fill, k, point, k_one, point_one, service = case
    demand = LeadTimeDemand(mean=mean, sd=sd)
    exact = fill_reorder_point(demand, order_quantity=quantity, fill=fill)
    one = fill_reorder_point(demand, order_quantity=quantity, fill=fill, one_sided=True)
    assert exact.k == pytest.approx(k, abs=1e-5)
    assert exact.reorder_point == pytest.approx(point, abs=1e-5)
    assert one.k == pytest.approx(k_one, abs=1e-5)
    assert one.reorder_point == pytest.approx(point_one, abs=1e-5)
    assert cycle_service_at(exact.k) == pytest.approx(service, abs=1e-5)


def test_large_orders_may_ask_for_less_than_the_mean() -> None:
    found = fill_reorder_point(LeadTimeDemand(mean=200, sd=60), order_quantity=500, fill=0.9)
    assert found.k == pytest.approx(-0.687, abs=1e-3)


@given(fill=st.floats(0.5, 0.999), quantity=st.floats(1, 1000), sd=st.floats(1, 100))
def test_what_is_short_in_a_cycle_is_what_the_fill_allows(
    fill: float, quantity: float, sd: float
) -> None:
    found = fill_reorder_point(LeadTimeDemand(mean=50, sd=sd), order_quantity=quantity, fill=fill)
    short = sd * (normal_loss(found.k) - normal_loss(found.k + quantity / sd))
    assert short == pytest.approx(quantity * (1 - fill), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "case",
    [
        (20, 8, 2, 1, 0.98, 80.8699315570761),
        (5, 4, 4, 2, 0.95, 42.14305863424867),
    ],
)
def test_a_fill_rate_with_a_fixed_review(case: tuple[Any, ...]) -> None:
    mean, sd, lead_time, review, fill, level = case
    found = fill_order_up_to(
        mean_per_period=mean, sd_per_period=sd, lead_time=lead_time, review=review, fill=fill
    )
    assert found == pytest.approx(level, abs=1e-4)


@pytest.mark.parametrize(
    ("mean", "service", "point"),
    [
        (1.8, 0.95, 4),
        (7.2, 0.99, 14),
    ],
)
def test_poisson_points(mean: float, service: float, point: int) -> None:
    assert poisson_reorder_point(mean=mean, service=service) == point


@pytest.mark.parametrize(
    "case",
    [
        (4, 10, 0.95, 2.666666666666667, 0.4, 10),
        (1.2, 6, 0.98, 0.29999999999999993, 0.19999999999999998, 9),
    ],
)
def test_negative_binomial_points(case: tuple[Any, ...]) -> None:
    mean, variance, service, r, share, point = case
    shape = negative_binomial_shape(mean=mean, variance=variance)
    assert shape == pytest.approx((r, share), abs=1e-9)
    found = negative_binomial_reorder_point(mean=mean, variance=variance, service=service)
    assert found == point


@pytest.mark.parametrize(
    ("mean", "sd", "service", "point", "normal"),
    [
        (30, 25, 0.95, 79.22543782220842, 71.1213406737868),
        (8, 12, 0.98, 45.82313330438665, 32.64498692758187),
    ],
)
def test_gamma_points_are_above_the_normal_ones_where_demand_is_skewed(
    mean: float, sd: float, service: float, point: float, normal: float
) -> None:
    demand = LeadTimeDemand(mean=mean, sd=sd)
    assert gamma_reorder_point(demand, service=service) == pytest.approx(point, abs=1e-5)
    assert demand.reorder_point(normal_quantile(service)) == pytest.approx(normal, abs=1e-5)


@pytest.mark.parametrize(
    ("history", "undershoot"),
    [
        ([0, 4, 0, 0, 6, 0, 2, 0], 2.3333333333333335),
        ([0, 0, 12, 0, 0, 0, 12, 0, 3], 5.5),
        ([0, 0], 0),
    ],
)
def test_demand_jumps_past_the_point_by_half_its_size_and_more(
    history: list[int], undershoot: float
) -> None:
    assert mean_undershoot(history) == pytest.approx(undershoot, abs=1e-9)


def test_certain_demand_needs_no_safety() -> None:
    found = fill_reorder_point(LeadTimeDemand(mean=7, sd=0), order_quantity=5, fill=0.99)
    assert found.reorder_point == 7
    assert math.isclose(found.k, 0)
