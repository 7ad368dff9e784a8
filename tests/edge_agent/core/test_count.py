from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.count import UNSAID_PACE, WRAP_SHARE, Counted, CounterState, Pace, counted

LOOK_MS = 500


def steps(
    *values: int, width: int = 16, step_max: int | None = None, elapsed_ms: int | None = LOOK_MS
) -> list[Counted]:
    """What each of `values` brought, one look after the other."""
    state, taken = None, []
    pace = Pace(step_max=step_max, interval_ms=LOOK_MS) if step_max is not None else None
    for value in values:
        taken.append(counted(state, value, width=width, elapsed_ms=elapsed_ms, pace=pace))
        state = taken[-1].state
    return taken


def told(
    *values: int, width: int = 16, step_max: int | None = None, elapsed_ms: int | None = LOOK_MS
) -> list[tuple[str, int]]:
    taken = steps(*values, width=width, step_max=step_max, elapsed_ms=elapsed_ms)
    return [(one.step, one.pieces) for one in taken]


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


@pytest.mark.parametrize("value", [50, 300, 5_000])
def test_a_counter_that_restarts_near_its_top_invents_no_pieces(value: int) -> None:
    """Nobody has said a `step_max`: what can have come in half a second is little."""
    assert told(65_400, value)[1:] == [("restarted", 0)]


def test_a_wrap_is_believed_when_so_many_pieces_can_have_come_since_the_last_look() -> None:
    minute_ms = 60_000
    assert told(65_400, 300)[1:] == [("restarted", 0)]
    assert told(65_400, 300, elapsed_ms=minute_ms)[1:] == [("wrapped", 436)]
    assert told(65_000, 300, elapsed_ms=minute_ms)[1:] == [("restarted", 0)]


def test_however_long_nobody_looked_a_wrap_is_a_small_part_of_the_range() -> None:
    most = 2**16 // WRAP_SHARE
    for step_max in (None, 50):
        day = {"elapsed_ms": 86_400_000, "step_max": step_max}
        assert told(65_535, most - 1, **day)[1:] == [("wrapped", most)]
        assert told(65_535, most, **day)[1:] == [("restarted", 0)]


def test_what_can_come_grows_with_the_time_nobody_could_look() -> None:
    assert told(100, 700, step_max=50)[1:] == [("restarted", 0)]
    assert told(100, 700, step_max=50, elapsed_ms=5_000)[1:] == [("restarted", 0)]
    assert told(100, 700, step_max=50, elapsed_ms=6_000)[1:] == [("counted", 600)]
    assert told(65_500, 500, step_max=50, elapsed_ms=6_000)[1:] == [("wrapped", 536)]


def test_a_look_that_comes_early_may_bring_as_much_as_one_in_time() -> None:
    assert told(100, 150, step_max=50, elapsed_ms=1)[1:] == [("counted", 50)]


def test_of_a_look_in_an_earlier_life_all_that_came_is_counted_and_little_through_zero() -> None:
    """Whoever cut the gateway's power cut the counter's."""
    before = {"elapsed_ms": None}
    assert told(100, 9_000, step_max=50, **before)[1:] == [("counted", 8_900)]
    assert told(65_500, 20, **before)[1:] == [("wrapped", 56)]
    assert told(65_500, 20, step_max=50, **before)[1:] == [("restarted", 0)]
    assert told(65_400, 20, **before)[1:] == [("restarted", 0)]


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
    most = min(UNSAID_PACE.step_max, 2**width // WRAP_SHARE)
    moved = draw.draw(st.lists(st.integers(0, most), max_size=40))
    shown = [start % 2**width]
    for step in moved:
        shown.append((shown[-1] + step) % 2**width)
    assert steps(*shown, width=width)[-1].state.total == sum(moved)


@given(width=WIDTHS, step_max=st.integers(1, 30), draw=st.data())
def test_no_step_is_larger_than_allowed(width: int, step_max: int, draw: st.DataObject) -> None:
    values = draw.draw(st.lists(st.integers(0, 2**width - 1), min_size=1, max_size=20))
    assert all(one.pieces <= step_max for one in steps(*values, width=width, step_max=step_max))
