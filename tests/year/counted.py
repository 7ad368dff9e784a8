"""One bin whose scale sleeps, falls silent and lives, and people who count it: the core alone.

The shelf and its mishaps are those of the year in the database; here hundreds of them take seconds,
so that what a count and a weight come to beside each other is met in all its orders.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from cloud.core.followed import Followed, Rules, Seen
from cloud.core.following import Counted, catch_up
from cloud.core.levels import Calibration
from tests.year.shelves import (
    LOOK,
    LOOKS_PER_DAY,
    MINUTES,
    PIECE_MG,
    TARE_MG,
    UNIT_SURE_UG,
    Demand,
    Said,
    Shelf,
    counted_today,
    moment,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud.core.followed import Movement

LEAD_DAYS = 6
LEAD_LOOKS = (6, 20)
RULES = Rules(
    calibration=Calibration(
        tare_mg=TARE_MG,
        unit_weight_ug=PIECE_MG * 1_000,
        unit_sd_ug=UNIT_SURE_UG[0],
        unit_error_ug=UNIT_SURE_UG[1],
    ),
    interval_s=int(LOOK.total_seconds()),
    refill_pieces=1,
)


@dataclass
class CountedBin:
    """`counted_every`: days, and half of it wrongly; what was counted wrongly is found later."""

    seed: int
    days: int
    counted_every: int
    shelf: Shelf = field(init=False)
    state: Followed = field(init=False, default_factory=Followed)
    movements: list[Movement] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        demand = Demand(self.seed, self.days)
        self._minimum, self._up_to, capacity = demand.limits(LEAD_DAYS)
        self.shelf = Shelf(demand, capacity, self._up_to)
        self._people = Random(f"counts {self.seed}")
        self._truck: int | None = None
        self._seq = 0

    @property
    def is_wrong(self) -> bool:
        """Off, and nobody could know: neither is the last count wrong nor the number doubted."""
        known = self.state.pieces == self.shelf.pieces or self.state.doubts
        return not (known or self.shelf.miscounted or self.shelf.foreign_mg)

    def run(self) -> None:
        for look in range(self.days * LOOKS_PER_DAY):
            self.shelf.use(look)
            before = self.shelf.said(look)
            self._fill(look)
            self.shelf.mishap(look)
            after = [self.shelf.said(look, arm=False)] * 2
            seen = self._seen(look, [before, *after])
            found = catch_up(self.state, seen, self._counts(look), RULES)
            self.state = found.state
            self.movements += found.movements

    def _fill(self, look: int) -> None:
        shelf, pack = self.shelf, self.shelf.demand.pack
        if self._truck is not None and self._truck <= look:
            shelf.pieces += max(0, -(-(self._up_to - shelf.pieces) // pack) * pack)
            self._truck = None
        if self._truck is None and shelf.pieces <= self._minimum:
            self._truck = look + self._people.randint(*LEAD_LOOKS)

    def _seen(self, look: int, said: Sequence[Said]) -> list[Seen]:
        seen = []
        for number, minute in enumerate(MINUTES):
            what = said[number]
            if what is None or (number == len(MINUTES) - 1 and what == said[0]):
                continue
            self._seq += 1
            weight_mg = what if isinstance(what, int) else None
            condition = what if isinstance(what, str) else None
            at = moment(look) + timedelta(minutes=minute)
            seen.append(Seen(at, 1, self._seq, weight_mg, condition, 0, 0, clock_trusted=True))
        return seen

    def _counts(self, look: int) -> list[Counted]:
        if look % LOOKS_PER_DAY:
            return []
        pieces = counted_today(self.shelf, self._people, look, self.counted_every)
        if pieces is None:
            return []
        self.shelf.miscounted = pieces != self.shelf.pieces
        at = moment(look) + timedelta(minutes=MINUTES[-1], seconds=20)
        return [Counted(at, pieces, "a round")]
