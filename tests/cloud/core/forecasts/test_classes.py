"""How often and how unevenly: the four kinds, and none."""

import pytest

from cloud.core.forecasts.classes import DemandClass, classify


def _series(periods: int, taken: dict[int, int]) -> list[int]:
    return [taken.get(t, 0) for t in range(periods)]


@pytest.mark.parametrize(
    ("series", "interval", "variation", "kind"),
    [
        (_series(18, {2: 3, 6: 5, 9: 1, 12: 4, 16: 2}), 3.6, 0.22222222222222227, "intermittent"),
        (_series(104, {31: 300, 38: 20, 43: 10}), 34.666666666666664, 1.4931129476584026, "lumpy"),
        (
            _series(104, {35: 10, 39: 10, 68: 25, 72: 10, 76: 25, 81: 50, 84: 50, 92: 25}),
            13.0,
            0.36585365853658536,
            "intermittent",
        ),
        (
            _series(104, {38: 1000, 39: 1000, 66: 100, 87: 500}),
            26.0,
            0.3372781065088758,
            "intermittent",
        ),
    ],
)
def test_kinds_of_demand(series: list[int], interval: float, variation: float, kind: str) -> None:
    found = classify(series)
    assert found.demand_class == kind
    assert found.interval == pytest.approx(interval, abs=1e-9)
    assert found.variation == pytest.approx(variation, abs=1e-9)


def test_often_is_smooth_or_erratic() -> None:
    assert classify([4, 5, 4, 6]).demand_class is DemandClass.SMOOTH
    assert classify([1, 1, 1, 40]).demand_class is DemandClass.ERRATIC


def test_what_was_never_taken_has_no_kind() -> None:
    assert classify([0, None, 0]).demand_class is DemandClass.NONE
