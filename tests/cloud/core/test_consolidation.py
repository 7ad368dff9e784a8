"""Who comes along with an order that goes, and how late it leaves."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.calendars import Calendar, chance_at
from cloud.core.consolidation import (
    AHEAD,
    Begun,
    Candidate,
    Destination,
    first_due,
    joining,
    leaves_at,
    left_because,
    withdrawn_because,
    within,
)
from cloud.core.policies.base import Place, Wait

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
HERE = Destination(supplier_id=1, site_id=1)
PLACE = Place(quantity=70, packs=70, cycle=1, ordinal=1, rush=False, because="joins at 30")
BEGUN = Begun(destination=HERE, value=None, limit=None)


def bin_(bin_id: int, value: int | None = None, to: Destination = HERE) -> Candidate:
    return Candidate(
        bin_id=bin_id, destination=to, low=False, ordered=False, decision=PLACE, value=value
    )


def joined(begun: Begun, *bins: Candidate) -> list[int]:
    return [one.bin_id for one in joining(begun, bins)]


def test_what_is_nearly_low_comes_along_as_it_is_given() -> None:
    assert joined(BEGUN, bin_(2), bin_(1)) == [2, 1]


@pytest.mark.parametrize(
    "unlike",
    [
        replace(bin_(2), destination=Destination(supplier_id=2, site_id=1)),
        replace(bin_(2), destination=Destination(supplier_id=1, site_id=2)),
        replace(bin_(2), destination=Destination(supplier_id=1, site_id=1, consigned=True)),
        replace(bin_(2), low=True),
        replace(bin_(2), ordered=True),
        replace(bin_(2), decision=Wait(because="25 on hand; ordered from 10 on.")),
    ],
)
def test_who_goes_elsewhere_is_low_has_its_order_or_needs_nothing_does_not(
    unlike: Candidate,
) -> None:
    assert joined(BEGUN, bin_(1), unlike) == [1]


def test_who_would_lift_it_above_the_limit_stays_and_a_smaller_one_behind_it_comes() -> None:
    begun = Begun(destination=HERE, value=100, limit=150)
    assert joined(begun, bin_(1, 30), bin_(2, 21), bin_(3, None), bin_(4, 20)) == [1, 4]
    assert joined(replace(begun, value=None), bin_(1, 1)) == []


@given(st.integers(0, 1_000), st.integers(0, 1_000), st.lists(st.integers(0, 300) | st.none()))
def test_the_whole_order_never_needs_a_person_because_of_who_came_along(
    value: int, more: int, values: list[int | None]
) -> None:
    begun = Begun(destination=HERE, value=value, limit=value + more)
    come = joining(begun, [bin_(number, one) for number, one in enumerate(values)])
    assert value + sum(one.value or 0 for one in come) <= value + more
    assert all(one.value is not None for one in come)


def test_a_value_that_nobody_knows_may_go_unasked_only_without_a_limit() -> None:
    assert within(None, None)
    assert not within(10, None)
    assert within(10, 10)
    assert not within(10, 11)


def test_an_order_waits_for_others_until_shortly_before_the_cut_off() -> None:
    calendar = Calendar(zone="UTC", cut_off=time(14))
    at = NOW.replace(hour=14) - AHEAD
    assert leaves_at(chance_at(calendar, NOW), NOW) == at
    for late in (at, at + timedelta(minutes=1)):
        assert leaves_at(chance_at(calendar, late), late) is None


def test_an_order_is_due_when_the_first_of_its_lines_is() -> None:
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert first_due([noon + timedelta(days=2), None, noon]) == noon
    assert first_due([None]) is None


@pytest.mark.parametrize(
    ("filled", "low", "because"),
    [
        (["A-1"], [], "A-1 is low no longer, and what else is on it only came along."),
        (["A-1"], ["B-2"], "A-1 is low no longer. B-2 is still low, and is ordered for anew."),
        (
            ["A-1", "A-2", "A-3", "A-4"],
            [],
            "A-1, A-2, A-3 and 1 more are low no longer, and what else is on it only came along.",
        ),
    ],
)
def test_what_is_withdrawn_says_who_was_filled_and_who_is_still_low(
    filled: list[str], low: list[str], because: str
) -> None:
    assert withdrawn_because(filled, low) == because


def test_a_line_that_leaves_says_which_and_what_its_policy_says_now() -> None:
    assert left_because(2, "A-7", "1,900 on hand; ordered from 900 on.") == (
        "line 2: A-7 would not come along any more: 1,900 on hand; ordered from 900 on."
    )
