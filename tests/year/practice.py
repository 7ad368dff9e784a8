"""The same shelves as most are run today: somebody walks by once a week, and orders what is low.

The same demand, the same suppliers' days and moods, the same rule of thumb. Only what has to be
covered differs: who looks once a week has to hold a week more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from tests.year.lived import LEAD_DAYS, lead_calendar_days
from tests.year.shelves import LOOKS_PER_DAY, START, Demand, Shelf, warm_up_days
from tests.year.world import answer

WALK_WEEKDAY = 0
REVIEW_DAYS = 7
DESK_DAYS = 1  # from the note on the walk to the order


@dataclass
class Practice:
    demanded: int = 0
    served: int = 0
    stock_days: float = 0.0
    stock_outs: int = 0
    orders: int = 0


def practise(bins_count: int, days: int, seed: int = 0, lean: float = 1.0) -> Practice:
    total = Practice()
    for number in range(bins_count):
        _one_bin(Demand(seed + number, days), number % len(LEAD_DAYS), lean, total)
    return total


def as_lean_as(stock_days: float, bins_count: int, days: int, seed: int = 0) -> Practice:
    """The same walk where people hold less, until they hold as much as is held elsewhere."""
    least, most = 0.05, 1.0
    for _ in range(12):
        lean = (least + most) / 2
        if practise(bins_count, days, seed, lean).stock_days > stock_days:
            most = lean
        else:
            least = lean
    return practise(bins_count, days, seed, least)


def _one_bin(demand: Demand, supplier: int, lean: float, total: Practice) -> None:
    lead = lead_calendar_days(supplier)
    minimum, up_to, capacity = demand.limits(lead + REVIEW_DAYS + DESK_DAYS, lean)
    shelf = Shelf(demand, capacity, up_to)
    luck = Random(f"supplier {demand.seed}")
    trucks: list[tuple[int, int]] = []
    open_until = -1  # what was ordered is waited for, and given up two weeks after it was due
    for look in range(demand.days * LOOKS_PER_DAY):
        if look == warm_up_days(demand.days) * LOOKS_PER_DAY:
            shelf.forget_what_was_counted()
        shelf.use(look)
        came = sum(pieces for at, pieces in trucks if at == look)
        if came:
            shelf.pieces += came
            open_until = -1
        day, part = divmod(look, LOOKS_PER_DAY)
        walks = part == 1 and (START.weekday() + day) % 7 == WALK_WEEKDAY
        if not walks or shelf.pieces > minimum or look <= open_until:
            continue
        packs = math.ceil((up_to - shelf.pieces) / demand.pack)
        due = look + round((DESK_DAYS + lead) * LOOKS_PER_DAY)
        open_until = due + 14 * LOOKS_PER_DAY
        total.orders += 1
        will = answer(luck)
        if will.ships and not will.refuses and not will.wrong_slot:
            trucks.append((due + will.late_days * LOOKS_PER_DAY, packs * demand.pack))
    total.demanded += shelf.demanded
    total.served += shelf.served
    total.stock_outs += shelf.stock_outs
    total.stock_days += shelf.stock_looks / shelf.looks / demand.rate
