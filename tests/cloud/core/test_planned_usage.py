"""Usage that is known beforehand is laid on its days, and no piece of it is lost or added."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.planned_usage import Planned, ahead, entries, read

# Half past midnight in Berlin: a day of the site, not of UTC.
NOW = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)
TODAY = date(2026, 11, 20)
DAY = timedelta(days=1)


def planned(first: int, last: int, pieces: int) -> Planned:
    return Planned(
        from_day=TODAY + first * DAY,
        to_day=TODAY + last * DAY,
        pieces=pieces,
        zone="Europe/Berlin",
    )


def test_it_is_laid_evenly_on_the_days_of_the_site() -> None:
    found = entries([planned(1, 3, 10)], NOW)
    assert [use.pieces for use in found] == [3, 3, 4]
    assert found[0].at == datetime(2026, 11, 20, 23, tzinfo=UTC)  # midnight in Berlin


def test_today_counts_until_it_is_over_and_yesterday_no_longer() -> None:
    found = entries([planned(-2, 1, 8)], NOW)
    assert [(use.at, use.pieces) for use in found] == [
        (NOW, 2),
        (datetime(2026, 11, 20, 23, tzinfo=UTC), 2),
    ]
    assert entries([planned(-3, -1, 8)], NOW) == ()
    assert ahead([planned(-3, -1, 8), planned(0, 0, 1)], NOW) == (planned(0, 0, 1),)


@given(first=st.integers(0, 40), days=st.integers(0, 365), pieces=st.integers(1, 10**6))
def test_what_is_ahead_adds_up_to_what_was_planned(first: int, days: int, pieces: int) -> None:
    found = entries([planned(first, first + days, pieces)], NOW)
    assert sum(use.pieces for use in found) == pieces
    most, least = (f(use.pieces for use in found) for f in (max, min))
    assert most - least <= max(1, pieces // (days + 1) + 1)
    assert all(use.at >= NOW for use in found)


GOOD = {"from_day": "2026-12-01", "to_day": "2026-12-04", "pieces": 800, "because": " batch 4711 "}


def test_what_is_planned_is_read_as_it_was_said() -> None:
    found = read(GOOD, "Europe/Berlin", NOW)
    assert found.mistakes == ()
    assert found.planned is not None
    assert (found.planned.to_day, found.planned.pieces) == (date(2026, 12, 4), 800)
    assert found.because == "batch 4711"
    one_day = read({**GOOD, "to_day": ""}, "Europe/Berlin", NOW).planned
    assert one_day is not None
    assert one_day.from_day == one_day.to_day


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"pieces": 0}, "pieces"),
        ({"pieces": True}, "pieces"),
        ({"pieces": "12"}, "pieces"),
        ({"from_day": "tomorrow"}, "from_day"),
        ({"from_day": "2026-11-01", "to_day": "2026-11-19"}, "to_day"),  # over
        ({"to_day": "2026-11-30"}, "to_day"),  # before it begins
        ({"to_day": "2028-01-01"}, "to_day"),
        ({"from_day": "2999-01-01", "to_day": ""}, "to_day"),
        ({"because": "  "}, "because"),
        ({"because": "x" * 501}, "because"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_planned_is_told_with_what_can(wrong: dict[str, Any], field: str) -> None:
    found = read({**GOOD, **wrong}, "Europe/Berlin", NOW)
    assert found.planned is None
    assert [one.field for one in found.mistakes] == [field]
    assert found.mistakes[0].allowed


def test_every_mistake_is_told_at_once() -> None:
    assert {one.field for one in read({}, "UTC", NOW).mistakes} == {"from_day", "pieces", "because"}
