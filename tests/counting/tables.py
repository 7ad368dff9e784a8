"""The tables that `python -m tests.counting` prints."""

from collections.abc import Sequence

from tests.counting.judge import judge
from tests.counting.stories import STORIES


def main(words: Sequence[str]) -> None:
    seeds = int(words[1]) if len(words) > 1 else 40
    scenarios(seeds)


def scenarios(seeds: int) -> None:
    print(f"{'scenario':20} {'observed':8} {'seeds':>5} {'right':>5} {'wrong':>5}")
    for tell in STORIES:
        for name, raw in (("raw", True), ("gateway", False)):
            verdicts = [judge(tell, seed, raw=raw) for seed in range(seeds)]
            wrong = [verdict.wrong for verdict in verdicts if not verdict.right]
            first = f"   {wrong[0]}" if wrong else ""
            print(
                f"{tell.__name__:20} {name:8} {seeds:5} {seeds - len(wrong):5} {len(wrong):5}{first}",
                flush=True,
            )
