from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.count import Counted, CounterState, counted


def steps(*values: int, width: int = 16, step_max: int | None = None) -> list[Counted]:
    state, taken = None, []
    for value in values:
        taken.append(counted(state, value, width=width, step_max=step_max))
        state = taken[-1].state
    return taken


def told(*values: int, width: int = 16, step_max: int | None = None) -> list[tuple[str, int]]:
    return [(one.step, one.pieces) for one in steps(*values, width=width, step_max=step_max)]


def test_the_first_value_is_where_counting_begins_and_counts_nothing() -> None:
    assert told(700) == [("first", 0)]


def test_the_difference_is_what_was_counted() -> None:
    assert told(700, 700, 705)[1:] == [("still", 0), ("counted", 5)]


def test_a_counter_goes_on_through_zero() -> None:
    assert told(65_530, 5)[1:] == [("wrapped", 11)]
    assert told(2**32 - 2, 3, width=32)[1:] == [("wrapped", 5)]


def test_a_restart_invents_no_pieces_and_loses_none_that_were_counted() -> None:
    *_, restarted, further = steps(0, 40_000, 300, 310)
    assert (restarted.step, restarted.pieces, restarted.state.total) == ("restarted", 0, 40_000)
    assert (further.step, further.state.total) == ("counted", 40_010)


def test_more_than_one_interval_can_bring_is_a_restart_or_another_device() -> None:
    assert told(100, 5_000, step_max=1_000)[1:] == [("restarted", 0)]
    assert told(65_000, 500, step_max=1_000)[1:] == [("restarted", 0)]
    assert told(65_000, 400, step_max=1_000)[1:] == [("wrapped", 936)]


def test_counting_goes_on_from_what_was_kept() -> None:
    kept = CounterState(value=65_530, total=12)
    assert counted(kept, 3, width=16).state == CounterState(value=3, total=21)


def test_a_value_that_its_width_cannot_hold_is_a_defect_of_ours() -> None:
    with pytest.raises(AssertionError):
        counted(None, 65_536, width=16)


WIDTHS = st.sampled_from([8, 16, 32])


@given(width=WIDTHS, draw=st.data())
def test_the_total_never_falls_and_grows_by_just_what_is_said(
    width: int, draw: st.DataObject
) -> None:
    values = draw.draw(st.lists(st.integers(0, 2**width - 1), min_size=2, max_size=20))
    taken = steps(*values, width=width)
    for before, after in pairwise(taken):
        assert after.state.total == before.state.total + after.pieces
        assert 0 <= after.pieces < 2**width
    assert [one.state.value for one in taken] == values


@given(width=WIDTHS, start=st.integers(0, 2**32), draw=st.data())
def test_small_steps_are_counted_exactly_however_often_the_counter_wraps(
    width: int, start: int, draw: st.DataObject
) -> None:
    moved = draw.draw(st.lists(st.integers(0, 2**width // 8), max_size=40))
    shown = [start % 2**width]
    for step in moved:
        shown.append((shown[-1] + step) % 2**width)
    assert steps(*shown, width=width)[-1].state.total == sum(moved)


@given(width=WIDTHS, step_max=st.integers(1, 30), draw=st.data())
def test_no_step_is_larger_than_allowed(width: int, step_max: int, draw: st.DataObject) -> None:
    values = draw.draw(st.lists(st.integers(0, 2**width - 1), min_size=1, max_size=20))
    assert all(one.pieces <= step_max for one in steps(*values, width=width, step_max=step_max))
