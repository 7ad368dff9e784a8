"""What a line of weights without a check may be believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.drivers.widths import ALIKE_MIN, Widths


def believed(*weights: tuple[int, str]) -> list[bool]:
    widths = Widths()
    return [not widths.doubt(length, width) for length, width in weights]


def test_the_known_width_is_believed_at_once() -> None:
    assert believed((16, "known")) == [True]


def test_a_possible_width_is_believed_when_it_goes_on_like_that() -> None:
    assert believed(*[(14, "possible")] * 4) == [False, False, True, True]


def test_what_comes_between_starts_the_count_anew() -> None:
    mixed = [(14, "possible"), (14, "possible"), (13, "possible"), (14, "possible")]
    assert believed(*mixed) == [False] * 4


def test_a_lost_byte_costs_its_own_answer_and_no_other() -> None:
    assert believed((16, "known"), (15, "possible"), (16, "known")) == [True, False, True]


def test_a_line_that_was_proven_is_believed_nothing_less_however_often() -> None:
    after = believed(*[(16, "known")] * (ALIKE_MIN + 1), *[(14, "possible")] * 100, (16, "known"))
    assert after == [True] * (ALIKE_MIN + 1) + [False] * 100 + [True]


def test_one_that_only_looked_known_does_not_stand_in_the_way() -> None:
    assert believed((16, "known"), *[(14, "possible")] * 3) == [True, False, False, True]


def test_another_unit_is_another_length_and_is_believed_after_a_few() -> None:
    assert believed(*[(16, "known")] * 9, *[(17, "known")] * 3)[-3:] == [False, False, True]


@pytest.mark.parametrize("before", [[], [(16, "known")] * 9, [(15, "possible")] * 9])
def test_a_wrong_width_is_never_believed(before: list[tuple[int, str]]) -> None:
    assert believed(*before, *[(15, "wrong")] * 100)[-100:] == [False] * 100


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["known", "possible", "wrong"]))))
def test_nothing_is_doubted_without_a_reason(weights: list[tuple[int, str]]) -> None:
    widths = Widths()
    for length, width in weights:
        because = widths.doubt(length, width)
        assert because or width != "wrong"
