from datetime import date

import pytest

from cloud.core.quarters import Quarter, quarter_from, quarter_of
from cloud.core.refusals import SpanImpossible


def test_a_quarter_has_three_months_and_neighbours() -> None:
    fourth = Quarter(2026, 4)
    assert fourth.months == (date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1))
    assert (fourth.before, fourth.next) == (Quarter(2026, 3), Quarter(2027, 1))
    assert Quarter(2026, 1).before == Quarter(2025, 4)
    assert (fourth.label, fourth.first) == ("2026Q4", date(2026, 10, 1))


def test_every_day_is_of_the_quarter_that_its_month_is_of() -> None:
    for month in range(1, 13):
        day = date(2026, month, 28)
        assert day.replace(day=1) in quarter_of(day).months


@pytest.mark.parametrize("text", ["2026Q4", "2026-q4", " 2026Q4 "])
def test_a_quarter_is_read_as_people_write_it(text: str) -> None:
    assert quarter_from(text) == Quarter(2026, 4)


@pytest.mark.parametrize("text", ["", "2026", "2026Q5", "Q4", "1999Q1", "2026Q44"])
def test_what_is_no_quarter_is_refused(text: str) -> None:
    with pytest.raises(SpanImpossible):
        quarter_from(text)
