from datetime import UTC, date, datetime, timedelta

import pytest

from cloud.core.asked import Asked, Group
from cloud.core.periods import Period

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_days_are_those_of_the_time_and_none_after_it() -> None:
    until_midnight = Asked(from_at=NOON, to_at=datetime(2026, 11, 23, tzinfo=UTC))
    assert (until_midnight.first, until_midnight.last) == (date(2026, 11, 20), date(2026, 11, 22))


@pytest.mark.parametrize(
    ("begun", "ended", "mondays"),
    [
        (date(2026, 11, 2), date(2026, 11, 16), [date(2026, 11, 2), date(2026, 11, 9)]),
        (date(2026, 11, 3), date(2026, 11, 16), [date(2026, 11, 9)]),
        (date(2026, 11, 3), date(2026, 11, 15), []),
    ],
)
def test_a_week_is_of_the_time_when_all_of_its_days_are(
    begun: date, ended: date, mondays: list[date]
) -> None:
    def at(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=UTC)

    assert Asked(from_at=at(begun), to_at=at(ended)).mondays == mondays


def test_of_a_month_or_a_week_there_is_as_much_as_is_of_the_time() -> None:
    asked = Asked(from_at=NOON, to_at=NOON + 20 * DAY)
    month = asked.within(Period.MONTH, date(2026, 11, 1))
    assert (month.from_at, month.to_at) == (NOON, datetime(2026, 12, 1, tzinfo=UTC))
    week = asked.within(Period.WEEK, date(2026, 11, 23))
    assert week.to_at - week.from_at == 7 * DAY


def test_a_group_is_a_period_or_the_whole_time() -> None:
    periods = {group: group.period for group in Group if group.period}
    assert periods == {Group.MONTH: Period.MONTH, Group.WEEK: Period.WEEK}
