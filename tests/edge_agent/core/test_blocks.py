import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.blocks import Block, planned

FIELDS = st.lists(st.builds(Block, st.integers(0, 60), st.integers(1, 8)), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("fields", "requests"),
    [
        ([(0, 2), (2, 2), (4, 1)], [(0, 5)]),
        ([(4, 1), (0, 2), (2, 2)], [(0, 5)]),
        ([(0, 2), (0, 2)], [(0, 2)]),
        ([(0, 4), (1, 1)], [(0, 4)]),
        ([(0, 2), (3, 2)], [(0, 2), (3, 2)]),
        ([], []),
    ],
)
def test_neighbours_are_read_together_and_holes_are_left_alone(
    fields: list[tuple[int, int]], requests: list[tuple[int, int]]
) -> None:
    assert planned([Block(*field) for field in fields], count_max=125) == requests


def test_a_hole_is_bridged_where_the_profile_allows_so_many() -> None:
    fields = [Block(0, 2), Block(4, 2), Block(9, 1)]
    assert planned(fields, count_max=125, hole_max=2) == [(0, 6), (9, 1)]


def test_a_request_is_no_longer_than_the_device_allows() -> None:
    fields = [Block(at, 2) for at in range(0, 20, 2)]
    assert planned(fields, count_max=8) == [(0, 8), (8, 8), (16, 4)]


def test_a_field_inside_a_whole_block_is_read_with_all_of_it() -> None:
    assert planned([Block(81, 1), Block(5, 1)], [Block(80, 4), Block(8, 1)], count_max=125) == [
        (5, 1),
        (80, 4),
    ]


def test_a_field_larger_than_a_request_is_a_mistake_of_the_profile() -> None:
    with pytest.raises(AssertionError, match="more than one request"):
        planned([Block(0, 9)], count_max=8)


@given(fields=FIELDS, hole_max=st.integers(0, 4), count_max=st.integers(8, 30))
def test_every_field_is_in_one_request_and_nothing_is_read_for_nothing(
    fields: list[Block], hole_max: int, count_max: int
) -> None:
    requests = planned(fields, count_max=count_max, hole_max=hole_max)
    assert all(any(request.covers(field) for request in requests) for field in fields)
    assert all(request.count <= count_max for request in requests)
    assert len(requests) <= len(set(fields))
    wanted = {at for field in fields for at in range(field.first, field.end)}
    for request in requests:
        unwanted = 0
        for at in range(request.first, request.end):
            unwanted = 0 if at in wanted else unwanted + 1
            assert unwanted <= hole_max
        assert {request.first, request.end - 1} <= wanted


@given(fields=FIELDS, whole=FIELDS)
def test_a_whole_block_is_read_whole_or_not_at_all(fields: list[Block], whole: list[Block]) -> None:
    requests = planned(fields, whole, count_max=125)
    assert all(any(request.covers(field) for request in requests) for field in fields)
    for block in set(whole):
        if any(block.covers(field) for field in fields):
            assert block in requests
