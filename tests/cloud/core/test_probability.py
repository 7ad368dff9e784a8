"""Each distribution against published values, and against what its own definition says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core import probability as p


@pytest.mark.parametrize(
    ("z", "loss", "complement"),
    [
        (0, 0.3989422804014327, 0.3989422804014327),
        (1, 0.08331547058768629, 1.0833154705876864),
        (1.645, 0.02088564148012674, 1.6658856414801269),
        (2.5, 0.002004137179128139, 2.502004137179128),
    ],
)
def test_normal_loss_is_the_textbooks(z: float, loss: float, complement: float) -> None:
    assert p.normal_loss(z) == pytest.approx(loss, abs=1e-7)
    assert p.normal_loss(-z) == pytest.approx(complement, abs=1e-7)


@pytest.mark.parametrize(
    ("x", "mean", "loss"),
    [
        (18, 15, 0.5176095282584722),
        (3, 1.7, 0.1331522461937033),
    ],
)
def test_poisson_loss_is_the_textbooks(x: int, mean: float, loss: float) -> None:
    assert p.poisson_loss(x, mean) == pytest.approx(loss, abs=1e-7)


@pytest.mark.parametrize(
    ("x", "shape", "scale", "loss"),
    [
        (10, 2, 4, 1.4775299752301785),
        (6, 0.5, 8, 1.4050531498257692),
    ],
)
def test_gamma_loss_is_the_textbooks(x: float, shape: float, scale: float, loss: float) -> None:
    assert p.gamma_loss(x, shape=shape, scale=scale) == pytest.approx(loss, abs=1e-6)


@given(share=st.floats(0.001, 0.999), shape=st.floats(0.05, 200), scale=st.floats(0.1, 50))
def test_a_gamma_quantile_covers_exactly_its_share(
    share: float, shape: float, scale: float
) -> None:
    x = p.gamma_quantile(share, shape=shape, scale=scale)
    if x > 1e-12:
        assert p.gamma_cdf(x, shape=shape, scale=scale) == pytest.approx(share, abs=1e-9)


@given(shape=st.floats(0.2, 60), x=st.floats(0.01, 100))
def test_a_gamma_of_whole_shape_agrees_with_poisson(shape: float, x: float) -> None:
    whole = math.ceil(shape)
    assert p.gamma_cdf(x, shape=whole, scale=1) == pytest.approx(
        1 - p.poisson_cdf(whole - 1, x), abs=1e-10
    )


@given(mean=st.floats(0.1, 60), share=st.floats(0, 0.999))
def test_a_poisson_quantile_is_the_smallest_that_covers(mean: float, share: float) -> None:
    x = p.poisson_quantile(share, mean)
    assert p.poisson_cdf(x, mean) >= share - 1e-12
    assert x == 0 or p.poisson_cdf(x - 1, mean) < share


@given(x=st.integers(0, 40), mean=st.floats(0.5, 20), more=st.floats(0.1, 9))
def test_a_loss_is_the_mean_of_what_is_over(x: int, mean: float, more: float) -> None:
    r, share = p.negative_binomial_shape(mean=mean, variance=mean + more)
    over = math.fsum((k - x) * p.negative_binomial_pmf(k, r, share) for k in range(x, 4000))
    assert p.negative_binomial_loss(x, r, share) == pytest.approx(over, abs=1e-6)
    over = math.fsum((k - x) * p.poisson_pmf(k, mean) for k in range(x, 300))
    assert p.poisson_loss(x, mean) == pytest.approx(over, abs=1e-9)


def test_the_normal_tail_keeps_its_digits() -> None:
    assert p.normal_cdf(-10) == pytest.approx(7.619853024160527e-24, rel=1e-9)
    assert p.normal_cdf(p.normal_quantile(0.98)) == pytest.approx(0.98, abs=1e-12)
    assert p.normal_loss_of(3, mean=5, sd=0) == 2


def test_what_no_distribution_has_is_refused() -> None:
    with pytest.raises(ValueError, match="variance above its mean"):
        p.negative_binomial_shape(mean=4, variance=4)
    with pytest.raises(ValueError, match="share"):
        p.gamma_quantile(1, shape=1, scale=1)
    with pytest.raises(ValueError, match="share"):
        p.poisson_quantile(1, 3)
    with pytest.raises(ValueError, match="continuous"):
        p.poisson_quantile(0.5, 1e9)


def test_nothing_is_taken_of_an_item_without_demand() -> None:
    assert p.poisson_cdf(0, 0) == 1
    assert p.poisson_loss(0, 0) == 0
    assert p.gamma_loss(-2, shape=3, scale=2) == 8
