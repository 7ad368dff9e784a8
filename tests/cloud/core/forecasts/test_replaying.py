"""The replay against loops written by others, and what no replay may ever do."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.forecasts.replaying import Lot, alternative_at, replay, stock_at, tally


def _lot(quantity: float, moq: int = 1, pack: int = 1) -> Lot:
    return Lot(
        quantity=np.array([quantity], float),
        moq=np.array([moq], float),
        pack=np.array([pack], float),
    )


# demand, s, S, lead time, MOQ, pack, start, lost sales,
# rows of (t, on hand, owed, position, ordered), fill, mean on hand
@pytest.mark.parametrize(
    "case",
    [
        (
            [3, 0, 5, 2, 0, 0, 8, 1, 0, 4],
            6,
            14,
            2,
            1,
            1,
            10,
            False,
            [
                [0, 7, 0, 7, 0],
                [1, 7, 0, 7, 0],
                [2, 2, 0, 2, 12],
                [3, 0, 0, 12, 0],
                [4, 0, 0, 12, 0],
                [5, 12, 0, 12, 0],
                [6, 4, 0, 4, 10],
                [7, 3, 0, 13, 0],
                [8, 3, 0, 13, 0],
                [9, 9, 0, 9, 0],
            ],
            1.0,
            4.7,
        ),
        (
            [0, 0, 20, 0, 5, 0, 0, 30, 0, 0, 2, 0],
            12,
            40,
            1,
            10,
            5,
            30,
            False,
            [
                [0, 30, 0, 30, 0],
                [1, 30, 0, 30, 0],
                [2, 10, 0, 10, 30],
                [3, 10, 0, 40, 0],
                [4, 35, 0, 35, 0],
                [5, 35, 0, 35, 0],
                [6, 35, 0, 35, 0],
                [7, 5, 0, 5, 35],
                [8, 5, 0, 40, 0],
                [9, 40, 0, 40, 0],
                [10, 38, 0, 38, 0],
                [11, 38, 0, 38, 0],
            ],
            1.0,
            25.916666666666668,
        ),
        (
            [1, 0, 0, 2, 9, 0, 0, 3, 0, 0, 0, 6],
            5,
            9,
            3,
            1,
            1,
            9,
            False,
            [
                [0, 8, 0, 8, 0],
                [1, 8, 0, 8, 0],
                [2, 8, 0, 8, 0],
                [3, 6, 0, 6, 0],
                [4, 0, 3, -3, 12],
                [5, 0, 3, 9, 0],
                [6, 0, 3, 9, 0],
                [7, 0, 6, 6, 0],
                [8, 6, 0, 6, 0],
                [9, 6, 0, 6, 0],
                [10, 6, 0, 6, 0],
                [11, 0, 0, 0, 9],
            ],
            0.7142857142857143,
            4.0,
        ),
        (
            [10, 0, 10, 0, 10, 0, 10, 0],
            10,
            30,
            2,
            20,
            20,
            20,
            True,
            [
                [0, 10, 0, 10, 20],
                [1, 10, 0, 30, 0],
                [2, 0, 0, 20, 0],
                [3, 20, 0, 20, 0],
                [4, 10, 0, 10, 20],
                [5, 10, 0, 30, 0],
                [6, 0, 0, 20, 0],
                [7, 20, 0, 20, 0],
            ],
            1.0,
            10.0,
        ),
    ],
)
def test_every_period_is_as_an_independent_loop_has_it(case: tuple[Any, ...]) -> None:
    demand, s, up_to, lead_time, moq, pack, start, lost, rows, fill, mean = case
    asked = np.array([demand], float)
    points = [np.array([[float(s)]])] * len(demand)
    periods = list(
        replay(
            asked,
            points,
            np.array([[float(start)]]),
            _lot(up_to - s, moq, pack),
            lead_time,
            lost_sales=lost,
        )
    )
    found = [
        [t, *(int(x[0, 0]) for x in (p.on_hand, p.owed, p.position, p.ordered))]
        for t, p in enumerate(periods)
    ]
    assert found == rows
    summed = tally(asked, iter(periods))
    assert summed.curve(np.ones(1)).value_fill[0] == pytest.approx(fill, abs=1e-9)
    assert summed.on_hand[0, 0] / len(demand) == pytest.approx(mean, abs=1e-9)


@given(
    demand=st.lists(st.integers(0, 20), min_size=1, max_size=30),
    limits=st.tuples(st.integers(0, 30), st.integers(1, 30)),
    lead_time=st.integers(0, 4),
    lot=st.tuples(st.integers(1, 15), st.integers(1, 8)),
)
def test_pieces_are_neither_made_nor_lost(
    demand: list[int], limits: tuple[int, int], lead_time: int, lot: tuple[int, int]
) -> None:
    (point, quantity), (moq, pack) = limits, lot
    asked = np.array([demand], float)
    start = point + quantity
    points = [np.array([[float(point)]])] * len(demand)
    periods = list(
        replay(asked, points, np.array([[float(start)]]), _lot(quantity, moq, pack), lead_time)
    )
    ordered = [int(p.ordered[0, 0]) for p in periods]
    for t, period in enumerate(periods):
        arrived = sum(ordered[: max(0, t - lead_time)])
        left = int(period.on_hand[0, 0] - period.owed[0, 0])
        assert left == start + arrived - sum(demand[: t + 1])
        assert ordered[t] % pack == 0
        assert ordered[t] == 0 or ordered[t] >= moq
        assert period.position[0, 0] + ordered[t] > point


def test_more_stock_never_serves_less() -> None:
    demand = np.random.default_rng(3).poisson(2, (20, 60)).astype(float)
    levels = np.arange(0, 16, dtype=float)
    points = [np.tile(levels, (20, 1))] * 60
    lot = Lot(quantity=np.full(20, 4.0), moq=np.ones(20), pack=np.ones(20))
    curve = tally(demand, replay(demand, points, points[0] + 4, lot, 2)).curve(np.ones(20))
    assert (np.diff(curve.value_fill) >= 0).all()
    assert (np.diff(curve.stock) > 0).all()
    assert curve.line_fill[-1] == 1


def test_where_nothing_was_asked_for_all_was_served() -> None:
    demand = np.zeros((2, 3))
    points = [np.ones((2, 1))] * 3
    lot = Lot(quantity=np.ones(2), moq=np.ones(2), pack=np.ones(2))
    curve = tally(demand, replay(demand, points, points[0], lot, 1)).curve(np.ones(2))
    assert (curve.value_fill[0], curve.line_fill[0], curve.stock[0]) == (1, 1, 0)


def test_a_curve_is_read_between_its_points_and_not_beyond() -> None:
    stock, service = np.array([4.0, 1.0, 2.0]), np.array([0.9, 0.5, 0.7])
    assert stock_at(stock, service, 0.8) == pytest.approx(3)
    assert np.isnan(stock_at(stock, service, 0.95))
    assert np.isnan(stock_at(stock, service, 0.4))
    assert alternative_at(np.array([0.0, 1.0]), np.array([0.5, 0.9]), 0.7) == pytest.approx(0.5)
    assert alternative_at(np.array([0.0, 1.0]), np.array([0.5, 0.9]), 0.99) == 1
