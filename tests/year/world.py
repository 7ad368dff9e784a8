"""What is true in a simulated year: use, trucks, scales that die, and people who err.

It knows nothing of the rules. All chance is drawn from streams of their own, seeded by bin, so that
two ways of ordering see the same demand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

LOOKS_PER_DAY = 2


@dataclass
class Truck:
    """So many pieces that reach the bin at a look, or the wrong one."""

    at_look: int
    pieces: int
    order: int
    shipment: str
    wrong_slot: bool = False


@dataclass
class Answer:
    """What the supplier will do with an order."""

    refuses: bool
    acknowledges: bool
    ships: bool
    late_days: int
    parts: int
    twice: bool  # the same goods come a second time
    wrong_slot: bool


def answer(luck: Random) -> Answer:
    return Answer(
        refuses=luck.random() < 0.01,
        acknowledges=luck.random() < 0.95,
        ships=luck.random() < 0.99,
        late_days=0 if luck.random() < 0.75 else luck.randint(1, 6),
        parts=2 if luck.random() < 0.05 else 1,
        twice=luck.random() < 0.005,
        wrong_slot=luck.random() < 0.01,
    )


@dataclass
class World:
    """One bin and what happens to it."""

    seed: int
    days: int
    rate: float = field(init=False)  # pieces a day
    changes_at: int = field(init=False)  # the day from which more or less is used
    factor: float = field(init=False)
    takes: int = field(init=False)  # pieces at a time
    pieces: int = field(init=False)
    trucks: list[Truck] = field(default_factory=list)
    dead_until: int = -1
    unasked: int = 0  # pieces that came twice, or for an order that was given up before
    demanded: int = 0
    served: int = 0
    stock_looks: int = 0
    looks: int = 0
    stock_outs: int = 0

    def __post_init__(self) -> None:
        self._use, self._scale = Random(f"use {self.seed}"), Random(f"scale {self.seed}")
        self.luck = Random(f"supplier {self.seed}")
        self.people = Random(f"people {self.seed}")
        self.rate = math.exp(self._use.uniform(math.log(2), math.log(60)))
        self.takes = self._use.choice((1, 1, 2, 5, 10))
        self.changes_at = self._use.randint(60, self.days) if self._use.random() < 0.5 else 10**6
        self.factor = self._use.choice((0.3, 0.5, 1.6))
        self.pieces = round(self.rate * 15)

    def step(self, look: int) -> list[Truck]:
        """What is taken, then what comes. Gives what came, for the scale to see or not."""
        day = look // LOOKS_PER_DAY
        rate = self.rate * (self.factor if day >= self.changes_at else 1.0)
        wanted = self.takes * _poisson(rate / LOOKS_PER_DAY / self.takes, self._use)
        before, taken = self.pieces, min(wanted, self.pieces)
        self.pieces -= taken
        self.demanded += wanted
        self.served += taken
        self.stock_outs += before > 0 and self.pieces == 0
        here = [truck for truck in self.trucks if truck.at_look <= look]
        self.trucks = [truck for truck in self.trucks if truck.at_look > look]
        self.pieces += sum(truck.pieces for truck in here if not truck.wrong_slot)
        self.looks += 1
        self.stock_looks += self.pieces
        if look > self.dead_until and self._scale.random() < 1 / (150 * LOOKS_PER_DAY):
            self.dead_until = look + self._scale.randint(1, 10 * LOOKS_PER_DAY)
        return here

    def is_dead(self, look: int) -> bool:
        return look <= self.dead_until

    def arm_on_the_bin(self) -> int:
        """What a scale shows too much while somebody leans on the bin."""
        return self._scale.randint(5, 200) if self._scale.random() < 0.02 else 0

    def repeats(self) -> int:
        """How often a message comes."""
        return 1 if self._scale.random() < 0.9 else self._scale.randint(2, 3)


def _poisson(mean: float, luck: Random) -> int:
    limit, count, product = math.exp(-mean), 0, luck.random()
    while product > limit:
        count += 1
        product *= luck.random()
    return count
