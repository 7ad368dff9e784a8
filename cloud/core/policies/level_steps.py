"""For sensors that know steps and no pieces: full, half, empty.

A step is ordered for as the fewest pieces it may mean, rather a little early; and takes the room
of the most, so that what is ordered fits.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from cloud.core.policies.base import Decision, Terms, Wait, order_up_to, reason_to_wait, told
from cloud.core.stock import Stock


@dataclass(frozen=True, kw_only=True)
class Step:
    name: str
    fewest: int
    most: int


@dataclass(frozen=True, kw_only=True)
class LevelSteps:
    name: ClassVar[str] = "level_steps"
    version: ClassVar[int] = 1

    steps: tuple[Step, ...]
    order_at: str
    order_up_to: int

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        assert self.order_at in names, "ordered at a step that is there"
        assert len(set(names)) == len(names), "a step is there once"
        assert all(0 <= step.fewest <= step.most for step in self.steps), "a step is a range"

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:  # noqa: ARG002 - the promise
        if wait := reason_to_wait(stock, terms):
            return wait
        steps = {step.name: step for step in self.steps}
        step = steps.get(stock.step)
        if step is None:
            said = stock.step or "nothing"
            return Wait(because=f"The sensor says {said}, which is none of its steps.")
        seen = replace(
            stock, on_hand=step.fewest, at_most_more=step.most - step.fewest, quarantined=0
        )
        why = f"{step.name}: {told(seen)}"
        if seen.position > steps[self.order_at].fewest:
            return Wait(because=f"{why}; ordered from {self.order_at} on.")
        why += f", up to {self.order_up_to:,}"
        return order_up_to(self.order_up_to, seen, terms, why)
