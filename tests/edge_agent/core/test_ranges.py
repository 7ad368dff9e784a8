import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.ranges import Range, between, joined, within, without

some_ranges = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair)))
)


def numbers(ranges: list[Range]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


def test_ranges_are_joined_where_they_touch() -> None:
    assert joined([(5, 6), (1, 2), (3, 3), (9, 9)]) == [(1, 3), (5, 6), (9, 9)]
    assert between([(5, 6), (1, 2), (3, 3), (9, 9)]) == [(4, 4), (7, 8)]
    assert between([]) == []


@pytest.mark.parametrize(
    ("asked", "held", "left"),
    [
        ([(1, 9)], [], [(1, 9)]),
        ([(1, 9)], [(1, 9)], []),
        ([(1, 9)], [(3, 4), (4, 6)], [(1, 2), (7, 9)]),
        ([(5, 9)], [(1, 5), (9, 12)], [(6, 8)]),
        ([(1, 2), (2, 4), (8, 8)], [(20, 30)], [(1, 4), (8, 8)]),
    ],
)
def test_what_is_asked_for_and_not_held_is_left_out(
    asked: list[Range], held: list[Range], left: list[Range]
) -> None:
    assert without(asked, held) == left


@given(some_ranges, some_ranges)
def test_ranges_are_sets_of_numbers_in_few_words(one: list[Range], other: list[Range]) -> None:
    for found, said in (
        (joined(one), numbers(one)),
        (within(one, other), numbers(one) & numbers(other)),
        (without(one, other), numbers(one) - numbers(other)),
        (joined([*joined(one), *between(one)]), numbers([(min(numbers(one)), max(numbers(one)))]))
        if one
        else ([], set()),
    ):
        assert numbers(found) == said
        assert found == sorted(found)
        assert all(first <= last for first, last in found)
