"""What a transaction brought, for whoever computes something of readings: where, and from when."""

from collections.abc import Iterable
from typing import NamedTuple, Self

HOUR_MS = 3_600_000


class Touched(NamedTuple):
    """By the time that is known best: a corrected reading counts where it belongs."""

    hours: set[tuple[int, int]]  # sensors, and hours counted from 1970
    earliest_ms: dict[int, int]  # of each sensor, the first time of measuring of what is new

    @classmethod
    def of(cls, news: Iterable[tuple[int, int]]) -> Self:
        """From sensors, and times of measuring."""
        hours: set[tuple[int, int]] = set()
        earliest: dict[int, int] = {}
        for sensor_id, at_ms in news:
            hours.add((sensor_id, at_ms // HOUR_MS))
            if at_ms < earliest.get(sensor_id, at_ms + 1):
                earliest[sensor_id] = at_ms
        return cls(hours, earliest)

    def plus(self, other: "Touched") -> "Touched":
        earliest = dict(self.earliest_ms)
        for sensor_id, at_ms in other.earliest_ms.items():
            earliest[sensor_id] = min(at_ms, earliest.get(sensor_id, at_ms))
        return Touched(self.hours | other.hours, earliest)
