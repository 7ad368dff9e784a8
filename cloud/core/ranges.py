"""Ranges of sequence numbers: what is covered, what is missing, how far all is there."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Range(NamedTuple):
    """From `first` to `last`, both included."""

    first: int
    last: int

    def overlaps(self, other: "Range") -> bool:
        return self.first <= other.last and other.first <= self.last

    def holds(self, other: "Range") -> bool:
        return self.first <= other.first and other.last <= self.last


def uncovered(wanted: Range, covered: Iterable[Range]) -> list[Range]:
    """The parts of `wanted` that no range of `covered` touches, lowest first."""
    missing = []
    start = wanted.first
    for there in sorted(covered):
        if there.first > start:
            missing.append(Range(start, min(there.first - 1, wanted.last)))
        start = max(start, there.last + 1)
        if start > wanted.last:
            return missing
    return [*missing, Range(start, wanted.last)]


def contiguous(upto: int, there: Iterable[Range]) -> int:
    """How far everything is there, when all up to `upto` is and `there` as well."""
    for piece in sorted(there):
        if piece.first > upto + 1:
            break
        upto = max(upto, piece.last)
    return upto


def holes(upto: int, there: Iterable[Range]) -> list[Range]:
    """What is missing between `upto` and the end of `there`, lowest first."""
    missing = []
    for piece in sorted(there):
        if piece.first > upto + 1:
            missing.append(Range(upto + 1, piece.first - 1))
        upto = max(upto, piece.last)
    return missing


def end(upto: int, there: Sequence[Range]) -> int:
    return max((upto, *(piece.last for piece in there)))
