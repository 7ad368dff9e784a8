"""Arithmetic on ranges of numbers: both ends included, any order in, lowest first out. Pure."""

from collections.abc import Iterable
from itertools import pairwise

Range = tuple[int, int]
"""Numbers from the first to the last, both included."""


def joined(ranges: Iterable[Range]) -> list[Range]:
    """The same numbers in as few ranges as can be."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def between(ranges: Iterable[Range]) -> list[Range]:
    """What lies between ranges and is in none of them."""
    return [(one[1] + 1, other[0] - 1) for one, other in pairwise(joined(ranges))]


def within(ranges: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    """What of `ranges` is in `others`."""
    listed = joined(others)
    return [
        (max(first, start), min(last, end))
        for first, last in joined(ranges)
        for start, end in listed
        if first <= end and start <= last
    ]


def without(ranges: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    """What of `ranges` is in none of `others`."""
    cuts = joined(others)
    left = []
    for first, last in joined(ranges):
        start = first
        for cut_first, cut_last in cuts:
            if cut_first > last:
                break
            if cut_last >= start:
                if cut_first > start:
                    left.append((start, cut_first - 1))
                start = cut_last + 1
        if start <= last:
            left.append((start, last))
    return left
