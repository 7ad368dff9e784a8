from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.periods import Period, Stretch, monday_of, next_month, stretches

DAY = timedelta(days=1)
SOON = st.dates(date(2026, 1, 1), date(2027, 12, 31))


def test_a_quarter_is_its_months() -> None:
    first, last = date(2026, 10, 1), date(2026, 12, 31)
    assert stretches(first, last) == [Stretch(period=Period.MONTH, first=first, last=last)]


def test_what_is_left_of_a_month_is_weeks_and_then_days() -> None:
    told = stretches(date(2026, 9, 20), date(2026, 11, 10))
    assert [(one.period, one.first, one.last) for one in told] == [
        ("day", date(2026, 9, 20), date(2026, 9, 20)),
        ("week", date(2026, 9, 21), date(2026, 9, 27)),
        ("day", date(2026, 9, 28), date(2026, 9, 30)),
        ("month", date(2026, 10, 1), date(2026, 10, 31)),
        ("day", date(2026, 11, 1), date(2026, 11, 1)),
        ("week", date(2026, 11, 2), date(2026, 11, 8)),
        ("day", date(2026, 11, 9), date(2026, 11, 10)),
    ]


@given(first=SOON, days=st.integers(1, 400), longest=st.sampled_from([Period.WEEK, Period.MONTH]))
def test_stretches_are_all_of_the_time_once_and_only_whole_periods(
    first: date, days: int, longest: Period
) -> None:
    last = first + (days - 1) * DAY
    told = stretches(first, last, longest)
    at = first
    for one in told:
        assert one.first == at
        assert one.first <= one.last
        if one.period is Period.WEEK:
            assert (one.first.weekday(), one.last.weekday()) == (0, 6)
        if one.period is Period.MONTH:
            assert (one.first.day, (one.last + DAY).day) == (1, 1)
        if one.period is not Period.MONTH and longest is Period.MONTH:
            assert next_month(one.first) == next_month(one.last)
        at = one.last + DAY
    assert at == last + DAY
    by_days = sum((one.last - one.first).days + 1 for one in told if one.period is Period.DAY)
    assert by_days <= (24 if longest is Period.MONTH else 12)


@pytest.mark.parametrize(
    ("day", "monday"),
    [
        (date(2026, 11, 30), date(2026, 11, 30)),
        (date(2026, 12, 6), date(2026, 11, 30)),
    ],
)
def test_a_week_begins_on_monday(day: date, monday: date) -> None:
    assert monday_of(day) == monday


def test_the_next_month_begins_on_its_first() -> None:
    assert next_month(date(2026, 1, 31)) == date(2026, 2, 1)
    assert next_month(date(2026, 12, 1)) == date(2027, 1, 1)
