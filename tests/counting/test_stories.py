"""A few of the stories, on every run; all of them are in `test_all_stories.py`."""

import random

import pytest

from cloud.core.movements import follow
from tests.counting import observers
from tests.counting.judge import compare, judge
from tests.counting.stories import STORIES, Teller, usage_small
from tests.counting.tables import untouched


@pytest.mark.parametrize("observed", ["raw", "gateway"])
@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
def test_what_happened_is_what_is_found(tell: Teller, observed: str) -> None:
    for seed in range(2):
        assert judge(tell, seed, raw=observed == "raw").wrong == ""


def test_a_story_that_is_observed_wrongly_is_judged_wrong() -> None:
    story = usage_small(random.Random(1))
    seen = observers.raw(story, random.Random(2))
    step = follow(None, seen, observers.rules_of(story, raw=True))
    assert compare(story, step, raw=True).right
    story.expected[0] = ("usage", story.expected[0][1] - 1)
    assert not compare(story, step, raw=True).right


def test_a_bin_that_nobody_touched_for_three_days_did_not_move() -> None:
    movements = untouched(
        1, unit_mg=2_100, noise_mg=100, swing_mg=3_000, walk_mg=1_500, settled=True, days=3
    )
    assert [str(one.kind) for one in movements] == ["opening"]
