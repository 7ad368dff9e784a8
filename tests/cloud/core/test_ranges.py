from hypothesis import given
from hypothesis import strategies as st

from cloud.core.ranges import Range, contiguous, end, holes, uncovered

a_range = st.tuples(st.integers(1, 30), st.integers(0, 6)).map(lambda r: Range(r[0], r[0] + r[1]))
some_ranges = st.lists(a_range, max_size=8)


def numbers(ranges: list[Range]) -> set[int]:
    return {number for piece in ranges for number in range(piece.first, piece.last + 1)}


@given(wanted=a_range, covered=some_ranges)
def test_uncovered_is_what_no_range_covers(wanted: Range, covered: list[Range]) -> None:
    left = uncovered(wanted, covered)
    assert numbers(left) == numbers([wanted]) - numbers(covered)
    assert left == sorted(left)


@given(upto=st.integers(0, 20), there=some_ranges)
def test_holes_and_what_is_there_make_the_whole(upto: int, there: list[Range]) -> None:
    last = end(upto, there)
    missing = numbers(holes(upto, there))
    assert missing == set(range(upto + 1, last + 1)) - numbers(there)


@given(upto=st.integers(0, 20), there=some_ranges)
def test_contiguous_goes_up_to_the_first_hole(upto: int, there: list[Range]) -> None:
    reached = contiguous(upto, there)
    assert set(range(upto + 1, reached + 1)) <= numbers(there)
    assert reached + 1 not in numbers(there)


def test_ranges_overlap_when_they_share_a_number() -> None:
    assert Range(1, 5).overlaps(Range(5, 9))
    assert not Range(1, 5).overlaps(Range(6, 9))
