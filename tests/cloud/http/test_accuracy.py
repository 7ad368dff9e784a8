"""How accurate the stock is, as it is told."""

from fractions import Fraction

from cloud.http import accuracy


def test_nothing_counted_is_no_accuracy() -> None:
    assert accuracy.of([]) is None


def test_a_hit_is_within_two_in_a_hundred_unless_said_otherwise() -> None:
    compared = [(1000, 1020), (1000, 979), (100, 100)]
    found = accuracy.of(compared)
    assert found is not None
    assert (found.counts, found.hit_rate) == (3, 2 / 3)
    strict = accuracy.of(compared, Fraction(0))
    assert strict is not None
    assert strict.hit_rate == 1 / 3
    assert found.net > found.gross, "what cancels out is hidden in the net"
