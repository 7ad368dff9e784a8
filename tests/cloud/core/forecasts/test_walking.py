import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.forecasts.walking import walk

WEEKS = st.lists(st.none() | st.integers(0, 50), min_size=9, max_size=30)


def test_nothing_is_said_before_eight_periods_were_seen() -> None:
    (told,) = walk([[None, *([5] * 10)]])
    assert [ahead is not None for ahead in told] == [False] * 9 + [True] * 2
    assert told[-1] is not None
    assert told[-1].mean == pytest.approx(5)
    assert told[-1].square is None  # it never changed: there is no scale


def test_the_scale_is_the_mean_squared_step_between_neighbours_that_were_seen() -> None:
    history = [3, 0, 2, 0, 0, 4, 1, 0, 9]
    (told,) = walk([history])
    assert told[-1] is not None
    assert told[-1].square == pytest.approx(43 / 7)
    (masked,) = walk([[3, None, 0, 2, 0, 0, 4, 1, 0, 9]])
    assert masked[-1] is not None
    assert masked[-1].square == pytest.approx(34 / 6)


@given(WEEKS, st.integers(0, 50), st.integers(0, 50))
def test_what_is_said_of_a_week_does_not_know_the_week(
    history: list[int | None], one: int, other: int
) -> None:
    first, second = walk([[*history, one], [*history, other]])
    assert first == second


@given(st.lists(WEEKS, min_size=1, max_size=4))
def test_each_history_is_walked_as_if_it_were_alone(histories: list[list[int | None]]) -> None:
    for history, told in zip(histories, walk(histories), strict=True):
        (alone,) = walk([history])
        assert len(told) == len(history)
        for ahead, by_itself in zip(told, alone, strict=True):
            assert (ahead is None) == (by_itself is None)
            if ahead is not None and by_itself is not None:
                assert ahead.mean == pytest.approx(by_itself.mean)


def test_of_nothing_nothing_is_said() -> None:
    assert walk([]) == []
    assert walk([[]]) == [[]]
