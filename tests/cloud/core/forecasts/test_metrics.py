"""Errors by their definitions; a constant history has no scale, and that is said."""

from typing import Any

import pytest

from cloud.core.forecasts.metrics import accuracy, pinball


@pytest.mark.parametrize(
    "case",
    [
        (
            [3, 0, 2, 0, 0, 4, 1, 0],
            [0, 2, 0, 1],
            [0.8, 0.8, 0.8, 0.8],
            0.75,
            0.35000000000000003,
            0.33515008786415207,
            0.050000000000000044,
            1.0,
            0.20000000000000018,
        ),
        (
            [10, 12, 9, 11, 13, 10],
            [12, 9],
            [11, 11],
            1.5,
            0.625,
            0.6454972243679028,
            0.5,
            0.14285714285714285,
            1.0,
        ),
        ([5, 5, 5, 5], [4, 6], [5, 5], 1.0, None, None, -0.0, 0.2, -0.0),
        (
            [1, 0, 0, 2, 0, 1, 0, 0, 0, 3],
            [0, 1, 0, 0],
            [0, 0, 0, 0],
            0.25,
            0.22499999999999998,
            0.33541019662496846,
            -0.25,
            1.0,
            -1.0,
        ),
    ],
)
def test_accuracy(case: tuple[Any, ...]) -> None:
    history, actual, forecast, mae, mase, rmsse, bias, wape, cumulated = case
    found = accuracy(history=history, actual=actual, forecast=forecast)
    assert found.mae == pytest.approx(mae, abs=1e-9)
    assert found.mase == (None if mase is None else pytest.approx(mase, abs=1e-9))
    assert found.rmsse == (None if rmsse is None else pytest.approx(rmsse, abs=1e-9))
    assert found.bias == pytest.approx(bias, abs=1e-9)
    assert found.wape == pytest.approx(wape, abs=1e-9)
    assert found.cumulated_error == pytest.approx(cumulated, abs=1e-9)


def test_no_demand_has_no_relative_error() -> None:
    assert accuracy(history=[1], actual=[0], forecast=[1]).wape is None


@pytest.mark.parametrize(
    ("share", "actual", "quantile", "loss"),
    [
        (0.95, 10, 8, 1.9),
        (0.95, 3, 8, 0.2500000000000002),
    ],
)
def test_pinball(share: float, actual: float, quantile: float, loss: float) -> None:
    assert pinball(share=share, actual=actual, quantile=quantile) == pytest.approx(loss, abs=1e-12)
