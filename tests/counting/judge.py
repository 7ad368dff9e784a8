"""Whether what was found of a story is what happened in it."""

import random
from dataclasses import dataclass

from cloud.core.movements import Step, follow
from tests.counting import observers
from tests.counting.stories import Story, Teller


@dataclass(frozen=True)
class Verdict:
    wrong: str  # empty: all of it is right

    @property
    def right(self) -> bool:
        return not self.wrong


def judge(tell: Teller, seed: int, *, raw: bool) -> Verdict:
    story = tell(random.Random(seed))
    noise = random.Random(seed + 1_000_000)
    seen = (observers.raw if raw else observers.gateway)(story, noise)
    return compare(story, follow(None, seen, observers.rules_of(story, raw=raw)), raw=raw)


def compare(story: Story, step: Step, *, raw: bool) -> Verdict:
    found = [(str(one.kind), one.pieces) for one in step.movements]
    wanted = [("opening", story.start), *story.expected]
    if found != wanted:
        return Verdict(f"unit {story.unit_mg}: found {found}, there was {wanted}")
    if step.state.pieces != story.final:
        return Verdict(f"{step.state.pieces} left, {story.final} are there")
    if story.flag == "stuck" and not raw:
        story.flag = None  # among settled readings that takes a week
    flags = [str(doubt.kind) for doubt in step.state.doubts]
    if story.flag is None and flags:
        return Verdict(f"doubted without reason: {flags}")
    if story.flag is not None and story.flag not in flags:
        return Verdict(f"not {story.flag}: {flags}")
    return Verdict("")
