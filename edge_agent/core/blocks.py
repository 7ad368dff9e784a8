"""Which registers to ask for together: as few requests as the map allows.

Only neighbours are merged. A hole between two fields may be an address the device refuses, and some
copies refuse the whole read for it, so holes are bridged only where the profile allows so many.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Block(NamedTuple):
    first: int
    count: int  # type: ignore[assignment]  # in Modbus' words; a pair has no use for tuple.count

    @property
    def end(self) -> int:
        return self.first + self.count

    def covers(self, other: "Block") -> bool:
        return self.first <= other.first and other.end <= self.end


def planned(
    wanted: Iterable[Block], whole: Iterable[Block] = (), *, count_max: int, hole_max: int = 0
) -> list[Block]:
    """Requests that together read every wanted field.

    `whole` are blocks the device only gives as one: a field inside is read with all of its block.
    A single field larger than `count_max` is a mistake of the profile, and asserted.
    """
    fixed = sorted(set(whole))
    used = {block for block in fixed for field in wanted if block.covers(field)}
    free = sorted({field for field in wanted if not any(block.covers(field) for block in fixed)})
    merged: list[Block] = []
    for field in free:
        assert 0 < field.count <= count_max, f"{field} is more than one request may hold"
        last = merged[-1] if merged else None
        if last is not None and field.first - last.end <= hole_max:
            joined = Block(last.first, max(last.end, field.end) - last.first)
            if joined.count <= count_max:
                merged[-1] = joined
                continue
        merged.append(field)
    return sorted([*used, *merged])
