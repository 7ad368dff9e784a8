"""Where a list goes on: back to the very place, and nothing but ours is taken."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.http import problems
from cloud.http.cursors import cursor_of, place_of

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))])


@given(st.datetimes(min_value=datetime(1970, 1, 2), timezones=ZONES), st.integers(0, 2**63 - 1))  # noqa: DTZ001
def test_a_cursor_leads_back_to_its_place(at: datetime, number: int) -> None:
    assert place_of(cursor_of(at, number)) == (at, number)


def test_without_one_a_list_begins() -> None:
    assert place_of("") is None


@given(st.text(max_size=60))
def test_whatever_else_comes_is_told_and_no_defect(text: str) -> None:
    with suppress(problems.Told):
        place_of(text)


@pytest.mark.parametrize("number", [-1, 2**63])
def test_a_number_that_the_database_does_not_know_is_none_of_ours(number: int) -> None:
    with pytest.raises(problems.Told):
        place_of(cursor_of(datetime(2026, 11, 20, tzinfo=UTC), number))
