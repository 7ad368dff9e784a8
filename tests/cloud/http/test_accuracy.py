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


def test_of_an_item_all_bins_are_told_together_and_each_alone() -> None:
    assert accuracy.of_bins({}) is None
    found = accuracy.of_bins({"A-1": [(100, 100)], "A-2": [(100, 50), (100, 100)]})
    assert found is not None
    assert (found.together.counts, found.together.hit_rate) == (3, 2 / 3)
    assert [(code, one.hit_rate) for code, one in found.bins] == [("A-1", 1.0), ("A-2", 0.5)]
