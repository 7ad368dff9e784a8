"""Hundreds of bins, counted beside scales that sleep: the level ends as what lies there."""

from __future__ import annotations

from collections import Counter

from cloud.core.followed import MovementKind
from tests.year.counted import CountedBin

BINS, DAYS, COUNTED_EVERY = range(160), 60, 12


def test_however_a_bin_is_counted_its_level_ends_as_what_lies_in_it() -> None:
    met: Counter[str] = Counter()
    wrong = []
    for seed in BINS:
        one = CountedBin(seed, DAYS, COUNTED_EVERY)
        one.run()
        met.update(what for what, _, _ in one.shelf.troubles)
        met.update("counted blind" for moved in one.movements if moved.before_mg is None)
        met.update(str(moved.kind) for moved in one.movements)
        if one.is_wrong:
            wrong.append((seed, one.state.pieces, one.shelf.pieces, one.shelf.troubles))
    assert wrong == []
    assert met["stuck"] > 10
    assert met["dead"] > 10
    assert met["counted blind"] > len(BINS) + 20, "beside the openings"
    assert met[MovementKind.CORRECTION] > 100
