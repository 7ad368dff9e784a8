"""Thousands of small disasters, each from a seed: nothing is lost, nothing is there twice.

A seed that fails prints its story and how to hear it again. Defects planted on purpose are found.
"""

import logging
import os
from collections.abc import Iterator

import pytest

from tests.simulation import story
from tests.simulation.mutants import MUTANTS
from tests.simulation.seeds import FOUND

SEEDS = int(os.environ.get("BINLINE_SEEDS", "2000"))
FIRST = int(os.environ.get("BINLINE_FIRST_SEED", "1"))
PART = 50

# Of a planted defect, so many stories may go by unnoticed.
MUTANT_SEEDS_MAX = 300


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the agent says goes into the story; thousands of them would drown the rest."""
    agent = logging.getLogger("edge_agent")
    agent.propagate = False
    yield
    agent.propagate = True


def must_hold(seed: int) -> story.Outcome:
    outcome = story.run(seed)
    if outcome.violation is not None:
        told = "\n".join(outcome.trace)
        pytest.fail(f"python -m tests.simulation --seed {seed}\n{told}", pytrace=False)
    return outcome


@pytest.mark.parametrize("seed", FOUND)
def test_what_a_seed_has_found_stays_mended(seed: int) -> None:
    must_hold(seed)


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, PART))
def test_whatever_breaks_nothing_is_lost_and_nothing_is_there_twice(first: int) -> None:
    outcomes = [must_hold(seed) for seed in range(first, first + PART)]
    assert sum(outcome.readings for outcome in outcomes) > 100 * PART
    assert sum(outcome.lives for outcome in outcomes) > PART


def test_a_seed_tells_the_same_story_every_time() -> None:
    for seed in (3, 7, 18, 176):
        assert story.run(seed) == story.run(seed)


@pytest.mark.parametrize("defect", MUTANTS)
def test_a_planted_defect_is_found(defect: str) -> None:
    with MUTANTS[defect]() as mutation:
        for seed in range(1, MUTANT_SEEDS_MAX):
            if story.run(seed, mutation).violation is not None:
                return
    pytest.fail(f"{MUTANT_SEEDS_MAX} stories, and nobody noticed that it {defect}")
