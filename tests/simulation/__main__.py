"""Run seeds by hand: `python -m tests.simulation --seed 17`, or `--first 1 --count 2000`."""

import argparse
import logging
import sys
import time
from contextlib import nullcontext

from tests.simulation import story
from tests.simulation.mutants import MUTANTS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="this one, with all that happened")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--mutant", choices=MUTANTS)
    asked = parser.parse_args()
    logging.getLogger("edge_agent").propagate = False
    mutant = MUTANTS[asked.mutant] if asked.mutant else nullcontext
    with mutant() as mutation:
        return _run(asked, mutation)


def _run(asked: argparse.Namespace, mutation: story.Mutation | None) -> int:
    if asked.seed is not None:
        outcome = story.run(asked.seed, mutation)
        sys.stdout.write("\n".join(outcome.trace) + "\n")
        return 1 if outcome.violation else 0
    started, failed, readings, lives, gaps = time.process_time(), 0, 0, 0, 0
    for seed in range(asked.first, asked.first + asked.count):
        outcome = story.run(seed, mutation)
        readings, lives = readings + outcome.readings, lives + outcome.lives
        gaps += outcome.gaps
        if outcome.violation:
            failed += 1
            sys.stdout.write(f"seed {seed}: {outcome.violation}\n")
    took = time.process_time() - started
    sys.stdout.write(
        f"{asked.count} seeds in {took:.1f} s of one core "
        f"({took / asked.count * 1000:.0f} ms each): {failed} failed; "
        f"{readings} readings in {lives} lives, {gaps} gaps\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
