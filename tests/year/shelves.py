"""What is true on the shelves of the year that goes through the database: pieces, weights, mishaps.

Like `world`, but every look is a weight on a scale. It knows nothing of the rules. What people want
of a bin is drawn from a stream of its own, so that another way of ordering sees the same demand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

LOOKS_PER_DAY = 3
START = datetime(2026, 1, 5, 6, tzinfo=UTC)
LOOK = timedelta(days=1) / LOOKS_PER_DAY
TARE_MG, PIECE_MG = 350_000, 4_200
BATCH_DAYS = 10
BIN_CAPACITY_DAYS = 90
# Spread and error of the unit weight, as weighed samples have them: where nothing is said, half a
# piece more or less among forty is believed to be a wrong unit weight, and no other part.
UNIT_SURE_UG = (8_400, 420)
MINUTES = (0, 3, 6)  # of the weights of a look
MISCOUNTED_BY = 9
SAFETY = 1.75  # the usual rule of thumb: so many times the use until goods can be here


# A weight, a condition, or nothing at all.
Said = int | str | None


def warm_up_days(days: int) -> int:
    """Until everything of the beginning is over; nothing before it is counted."""
    return min(28, days // 4)


def calm_from(days: int) -> int:
    """The look from which nothing new goes wrong, and what went wrong has time to end."""
    return (days - min(45, days // 3)) * LOOKS_PER_DAY


def moment(look: int) -> datetime:
    return START + look * LOOK


@dataclass
class Demand:
    """What people want of one bin, whoever fills it."""

    seed: int
    days: int
    rate: float = field(init=False)  # pieces a day
    takes: int = field(init=False)

    def __post_init__(self) -> None:
        self._use = Random(f"use {self.seed}")
        self.rate = math.exp(self._use.uniform(math.log(2), math.log(60)))
        self.takes = self._use.choice((1, 1, 2, 5, 10))
        changes = self._use.random() < 0.5
        self._changes_at = self._use.randint(60, 400) if changes else 10**6
        self._factor = self._use.choice((0.3, 0.5, 1.4))

    def wanted(self, look: int) -> int:
        day, part = divmod(look, LOOKS_PER_DAY)
        if part == 0 or (START + timedelta(days=day)).weekday() > 4:
            return 0  # nights and week-ends
        rate = self.rate * (self._factor if day >= self._changes_at else 1.0) * 7 / 5
        return self.takes * _poisson(rate / (LOOKS_PER_DAY - 1) / self.takes, self._use)

    @property
    def pack(self) -> int:
        return self.takes

    def limits(self, days: float, lean: float = 1.0) -> tuple[int, int, int]:
        """Minimum, order-up-to level and capacity, where goods take so many days.

        `lean`: so much of what the rule of thumb says is held.
        """
        capacity = max(10, math.ceil(self.rate * BIN_CAPACITY_DAYS))
        minimum = min(math.ceil(lean * SAFETY * self.rate * days), capacity - 2)
        up_to = min(minimum + max(self.pack, math.ceil(self.rate * BATCH_DAYS)), capacity)
        return minimum, up_to, capacity


@dataclass
class Shelf:
    """One bin: what lies in it, what its scale shows, and what is wrong with either."""

    demand: Demand
    capacity: int
    pieces: int
    foreign_mg: int = 0  # another part lies in it
    away_until: int = -1
    dead_until: int = -1
    says_silent: bool = False  # the gateway tells that the scale does not answer
    stuck_until: int = -1
    stuck_mg: int = 0
    unasked: int = 0  # what came twice, or for nothing
    miscounted: bool = False
    demanded: int = 0
    served: int = 0
    stock_looks: int = 0
    looks: int = 0
    stock_outs: int = 0
    troubles: list[tuple[str, int, int]] = field(default_factory=list)  # what, from, until

    def __post_init__(self) -> None:
        self._luck = Random(f"mishaps {self.demand.seed}")
        self._calm_from = calm_from(self.demand.days)

    def use(self, look: int) -> None:
        wanted = self.demand.wanted(look)
        before, taken = self.pieces, min(wanted, self.pieces)
        self.pieces -= taken
        self.demanded += wanted
        self.served += taken
        self.stock_outs += before > 0 and self.pieces == 0
        self.looks += 1
        self.stock_looks += self.pieces

    def mishap(self, look: int) -> None:
        """At most one begins; each about so often in a year."""
        if look >= self._calm_from or look < 6 * LOOKS_PER_DAY:
            return
        if look <= max(self.dead_until, self.stuck_until, self.away_until) or self.foreign_mg:
            return
        chance = self._luck.random() * 365 * LOOKS_PER_DAY
        if chance < 2.5:
            self.dead_until = look + self._luck.randint(1, 10 * LOOKS_PER_DAY)
            self.says_silent = self._luck.random() < 0.5
            self.troubles.append(("dead", look, self.dead_until))
        elif chance < 3.5:
            self.stuck_until = look + self._luck.randint(3, 12 * LOOKS_PER_DAY)
            self.stuck_mg = self.weight_mg
            self.troubles.append(("stuck", look, self.stuck_until))
        elif chance < 5.5:
            self.away_until = look + self._luck.randint(0, 5)
            self.troubles.append(("away", look, self.away_until))
        elif chance < 6.5 and self.pieces < self.capacity // 2:
            topped = self.demand.pack * self._luck.randint(3, 9)
            self.pieces += topped
            self.unasked += topped
            self.troubles.append(("topped up", look, look))
        elif chance < 7.5:
            self.mix_up(look)

    def mix_up(self, look: int) -> None:
        """Another part is put into it: its weight is no number of pieces."""
        self.foreign_mg = PIECE_MG * self._luck.randint(8, 40) + PIECE_MG // 2
        self.troubles.append(("foreign", look, 10**6))

    def sort_out(self, look: int) -> None:
        self.foreign_mg = 0
        what, began, _ = self.troubles[-1]
        if what == "foreign":
            self.troubles[-1] = (what, began, look)

    @property
    def weight_mg(self) -> int:
        return TARE_MG + self.pieces * PIECE_MG + self.foreign_mg

    def is_blind(self, look: int) -> bool:
        """Its scale shows nothing of it, or nothing new."""
        return look <= max(self.dead_until, self.stuck_until, self.away_until)

    def said(self, look: int, *, arm: bool = True) -> Said:
        """`arm`: now and then somebody leans on the bin."""
        if look <= self.dead_until:
            return "silent" if self.says_silent else None
        if look <= self.stuck_until:
            return self.stuck_mg
        if look <= self.away_until:
            return 0
        leans = arm and self._luck.random() < 0.01
        return self.weight_mg + (PIECE_MG * self._luck.randint(5, 200) if leans else 0)

    def forget_what_was_counted(self) -> None:
        self.demanded = self.served = self.stock_looks = self.looks = self.stock_outs = 0


def counted_today(shelf: Shelf, luck: Random, look: int, every: int) -> int | None:
    """What somebody counts there, half of it wrongly; None: nobody does. `every`: so many days.

    Another part that lies there is found in time, and so is what was counted wrongly.
    """
    calm = look >= calm_from(shelf.demand.days)
    if shelf.foreign_mg and luck.random() < (0.5 if calm else 0.2):
        shelf.sort_out(look)
    chance = luck.random()
    if shelf.miscounted:
        return shelf.pieces if chance < (0.5 if calm else 0.1) else None
    if calm or chance >= 1 / every:
        return None
    wrong = luck.random() < 0.5
    return max(0, shelf.pieces + (luck.randint(-MISCOUNTED_BY, MISCOUNTED_BY) if wrong else 0))


def _poisson(mean: float, luck: Random) -> int:
    limit, count, product = math.exp(-mean), 0, luck.random()
    while product > limit:
        count += 1
        product *= luck.random()
    return count
