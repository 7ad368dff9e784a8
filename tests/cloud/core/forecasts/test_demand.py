"""Only what was taken is demand, and what could not be seen is not none."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud.core.forecasts.demand import Blind, Cause, Change, demand_per_period

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def _demand(
    changes: list[tuple[float, int, Cause]],
    blind: list[tuple[float, float]] = [],  # noqa: B006
) -> list[int | None]:
    return demand_per_period(
        [Change(at=MONDAY + d * DAY, pieces=n, cause=c) for d, n, c in changes],
        [Blind(since=MONDAY + a * DAY, until=MONDAY + b * DAY) for a, b in blind],
        first=MONDAY,
        period=DAY,
        periods=4,
    )


def test_refills_and_corrections_teach_nothing() -> None:
    found = _demand(
        [
            (0.5, 3, Cause.TAKEN),
            (0.6, 100, Cause.REFILLED),
            (1.2, -4, Cause.CORRECTED),
            (2.5, 5, Cause.TAKEN),
            (2.9, 2, Cause.PUT_BACK),
        ]
    )
    assert found == [3, 0, 3, 0]


def test_what_was_put_back_a_day_later_makes_no_negative_demand() -> None:
    assert _demand([(0.9, 5, Cause.TAKEN), (1.1, 2, Cause.PUT_BACK)]) == [5, 0, 0, 0]


def test_what_lies_outside_does_not_count() -> None:
    assert _demand([(-0.1, 5, Cause.TAKEN), (4.0, 5, Cause.TAKEN)]) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("blind", "expected"),
    [
        ([(0.0, 0.2)], [1, 0, 0, 0]),
        ([(0.0, 0.3)], [None, 0, 0, 0]),
        ([(0.9, 2.5)], [1, None, None, 0]),
        ([(-5, 0.5), (3.7, 9)], [None, 0, 0, None]),
        ([(0.0, 0.2), (0.5, 0.6)], [None, 0, 0, 0]),
    ],
)
def test_a_period_that_was_largely_dark_is_masked(
    blind: list[tuple[float, float]], expected: list[int | None]
) -> None:
    assert _demand([(0.95, 1, Cause.TAKEN)], blind) == expected
