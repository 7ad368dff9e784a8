"""What a bin runs on, for a service that was agreed; and that it says why."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.forecasts.parameters import (
    Contract,
    Method,
    Parameters,
    Service,
    Target,
    parameters,
)

FILL = Target(service=Service.FILL, share=0.95)
CYCLE = Target(service=Service.CYCLE, share=0.95)


def _contract(**changed: Any) -> Contract:
    agreed = {"minimum": 20, "order_up_to": 60, "lead_time_days": 7, "review_days": 7}
    return Contract(**{**agreed, **changed})


def _histories(items: int = 40, weeks: int = 80, seed: int = 1) -> list[list[int | None]]:
    rng = np.random.default_rng(seed)
    share, size = rng.uniform(0.1, 1, items), rng.uniform(1, 30, items)
    taken = (rng.random((items, weeks)) < share[:, None]) * rng.poisson(
        size[:, None], (items, weeks)
    )
    return [[int(x) for x in row] for row in taken]


def _found(
    histories: list[list[int | None]], target: Target = FILL, **changed: Any
) -> list[Parameters]:
    contracts = [_contract(**changed)] * len(histories)
    return parameters(histories, contracts, period_days=7, target=target)


@pytest.mark.parametrize(
    "history", [[], [None] * 30, [5] * 5, [0] * 40, [0] * 39 + [9]], ids=lambda h: str(len(h))
)
def test_a_new_item_stays_on_its_contract_and_says_learning(history: list[int | None]) -> None:
    found = _found([*_histories(), history])[-1]
    assert (found.reorder_point, found.order_up_to) == (20, 60)
    assert found.learning
    assert found.method is Method.CONTRACT
    assert found.because.startswith("learning: ")


def test_alone_and_without_any_history_it_is_learning_too() -> None:
    assert _found([[]])[0].learning
    assert parameters([], [], period_days=7, target=FILL) == []


def test_with_history_it_runs_on_that_and_says_on_what() -> None:
    found = _found(_histories())
    assert all(not item.learning and item.method is Method.HISTORY for item in found)
    assert all(item.order_up_to - item.reorder_point == 40 for item in found)
    assert "of a spread" not in found[0].because
    assert "95.0% fill" in found[0].because


@pytest.mark.parametrize("service", Service)
def test_more_service_never_asks_for_less(service: Service) -> None:
    low, high = (
        _found(_histories(), Target(service=service, share=share)) for share in (0.85, 0.98)
    )
    assert all(a.reorder_point <= b.reorder_point for a, b in zip(low, high, strict=True))


def test_the_longer_the_wait_the_more_has_to_lie_there() -> None:
    histories = _histories()
    waits = [3, 7, 14, 28]
    points = []
    for days in waits:
        found = _found(histories, CYCLE, lead_time_days=days)
        points.append(sum(item.reorder_point for item in found))
    assert points == sorted(points)


def test_the_bin_bounds_it_and_that_is_said() -> None:
    found = _found(_histories(), capacity=30, pack=5)
    assert all(item.order_up_to <= 30 for item in found)
    assert all(item.reorder_point <= 25 for item in found)
    assert any("holds 30" in item.because for item in found)


def test_days_are_understood_as_weeks() -> None:
    weekly = _histories()
    daily = [[part for week in h for part in (week, 0, 0, 0, 0, 0, 0)] for h in weekly]
    contracts = [_contract()] * len(weekly)
    by_day = parameters(daily, contracts, period_days=1, target=FILL)
    assert by_day == parameters(weekly, contracts, period_days=7, target=FILL)


def test_a_stock_out_teaches_nothing() -> None:
    steady: list[int | None] = [10, 11, 9, 10, 12, 8] * 10
    masked = [None if 20 <= t < 30 else v for t, v in enumerate(steady)]
    zeros = [0 if v is None else v for v in masked]
    _, seen, unseen, wrong = (
        item.mean_per_period
        for item in _found([*_histories()[:20], [1] * 60, steady, masked, zeros], CYCLE)[-4:]
    )
    assert unseen == pytest.approx(seen, rel=0.05)
    assert wrong < seen


@settings(max_examples=30)
@given(
    histories=st.lists(
        st.lists(st.none() | st.integers(0, 10**6), max_size=30), min_size=1, max_size=12
    ),
    target=st.sampled_from([FILL, CYCLE]),
    days=st.integers(0, 60),
    period_days=st.sampled_from([1, 7]),
)
def test_whatever_the_history_there_is_a_sane_answer(
    histories: list[list[int | None]], target: Target, days: int, period_days: int
) -> None:
    contracts = [_contract(lead_time_days=days, review_days=0)] * len(histories)
    for item in parameters(histories, contracts, period_days=period_days, target=target):
        assert 0 <= item.reorder_point < item.order_up_to
        assert math.isfinite(item.mean_per_period)
        assert math.isfinite(item.spread)


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="service"):
        Target(service=Service.FILL, share=1.0)
    with pytest.raises(ValueError, match="one contract"):
        parameters([[1]], [], period_days=7, target=FILL)
