"""What lies on a simulated scale, and how it moves in time. Seeded: a seed replays its site.

What happens to the bin and how the weight sways come from two separate sources of chance, so that
asking more often changes the noise but not the history.
"""

import math
import random
from dataclasses import dataclass
from typing import Protocol

from edge_agent.simulated.site import BinScale, Command, CountingScale

SWAY_MG = 3_000  # a hand in the bin is worth some grams, up or down


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    weight_mg: int
    stable: bool


class Load(Protocol):
    def show(self, now_s: float) -> Shown: ...

    def command(self, command: Command, now_s: float) -> None: ...


class CountingLoad:
    """Its n-th answer is base + n x step, for ever: what was asked is what was shown."""

    def __init__(self, plan: CountingScale) -> None:
        self._plan = plan
        self._answers = 0

    def show(self, now_s: float) -> Shown:  # noqa: ARG002 - time does not matter to it
        self._answers += 1
        weight_mg = self._plan.base_mg + self._answers * self._plan.step_mg
        return Shown(weight_mg=weight_mg, stable=True)

    def command(self, command: Command, now_s: float) -> None:
        """There are no pieces on it to take or to set."""


class BinLoad:
    def __init__(self, plan: BinScale, seed: str) -> None:
        self._plan = plan
        self._history = random.Random(f"{seed}/history")  # noqa: S311 - a replay, not a secret
        self._noise = random.Random(f"{seed}/noise")  # noqa: S311 - a replay, not a secret
        self._usage_per_minute = plan.usage_per_minute
        self.pieces = plan.pieces
        self._moving_until_s = 0.0
        self._take_at_s = self._next_take(0.0)
        self._refill_at_s = math.inf
        self._plan_delivery(0.0)

    def show(self, now_s: float) -> Shown:
        self._advance(now_s)
        stable = now_s >= self._moving_until_s
        weight_ug = self._plan.tare_mg * 1000 + self.pieces * self._plan.unit_weight_ug
        sway_mg = self._plan.noise_mg if stable else SWAY_MG
        weight_ug += self._noise.randint(-sway_mg * 1000, sway_mg * 1000)
        step_ug = self._plan.resolution_mg * 1000
        steps = (2 * weight_ug + step_ug) // (2 * step_ug)
        return Shown(weight_mg=steps * self._plan.resolution_mg, stable=stable)

    def command(self, command: Command, now_s: float) -> None:
        self._advance(now_s)
        match command.do:
            case "set":
                self._put(command.pieces, now_s)
            case "take":
                self._put(self.pieces - command.pieces, now_s)
            case "refill":
                self._put(command.pieces or self._full, now_s)
            case "usage":
                self._usage_per_minute = command.per_minute
                self._take_at_s = self._next_take(now_s)
            case _:
                pass  # the others concern the scale, not what lies on it

    @property
    def _full(self) -> int:
        return self._plan.capacity if self._plan.refill_to is None else self._plan.refill_to

    @property
    def _delivered(self) -> int:
        if self._plan.refill_pieces is None:
            return self._full
        return min(self._plan.capacity, self.pieces + self._plan.refill_pieces)

    def _advance(self, now_s: float) -> None:
        """All that happened up to now, in its order."""
        while (at_s := min(self._take_at_s, self._refill_at_s)) <= now_s:
            if at_s == self._refill_at_s:
                self._put(max(self.pieces, self._delivered), at_s)
            else:
                self._put(self.pieces - self._history.randint(*self._plan.take_pieces), at_s)
                self._take_at_s = self._next_take(at_s)

    def _put(self, pieces: int, at_s: float) -> None:
        self.pieces = max(0, pieces)
        self._moving_until_s = at_s + self._history.uniform(*self._plan.moving_s)
        self._plan_delivery(at_s)

    def _plan_delivery(self, at_s: float) -> None:
        low = self._plan.refill_below is not None and self.pieces <= self._plan.refill_below
        if not low:
            self._refill_at_s = math.inf
        elif self._refill_at_s == math.inf:
            self._refill_at_s = at_s + self._history.uniform(*self._plan.refill_after_s)

    def _next_take(self, at_s: float) -> float:
        """Hands come at random; together they take what the plan says per minute."""
        per_take = sum(self._plan.take_pieces) / 2
        if self._usage_per_minute == 0 or per_take == 0:
            return math.inf
        return at_s + self._history.expovariate(self._usage_per_minute / per_take / 60)
