"""Every story with forty seeds, and a month of rest: minutes."""

import pytest

from tests.counting.judge import judge
from tests.counting.stories import STORIES, Teller
from tests.counting.tables import untouched

SEEDS = 40


@pytest.mark.parametrize("observed", ["raw", "gateway"])
@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
def test_what_happened_is_what_is_found(tell: Teller, observed: str) -> None:
    verdicts = [judge(tell, seed, raw=observed == "raw") for seed in range(SEEDS)]
    wrong = [verdict.wrong for verdict in verdicts if not verdict.right]
    assert wrong == []


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("unit_mg", [2_100, 7_300, 31_000])
def test_a_bin_that_nobody_touched_for_a_month_did_not_move(unit_mg: int, *, settled: bool) -> None:
    for seed in (2, 4, 11):  # of an older rule three moved: the lightest part on a raw scale
        movements = untouched(
            seed,
            unit_mg=unit_mg,
            noise_mg=100 if settled else 600,
            swing_mg=1.5 * unit_mg,
            walk_mg=0.7 * unit_mg,
            settled=settled,
            days=30,
        )
        assert [str(one.kind) for one in movements] == ["opening"]
