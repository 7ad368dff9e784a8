"""Several scales under one bin: together they show its weight, once each of them was heard lately.

Of several one that is silent has no weight: the sum would be of two times.
"""

from typing import Any

from cloud.core.followed import Followed, Rules

SILENT_INTERVALS = 3  # as for trust: one report may be late, two may be unlucky


class Scales:
    """The mutable twin of that part of `Followed`."""

    __slots__ = ("_lately_us", "_weights", "count")

    def __init__(self, state: Followed, rules: Rules) -> None:
        self.count = len(rules.sensors)
        self._lately_us = SILENT_INTERVALS * rules.interval_s * 1_000_000
        self._weights = {sensor: (weight, at) for sensor, weight, at in state.weights}

    def remembered(self) -> dict[str, Any]:
        return {"weights": tuple(sorted((sensor, *said) for sensor, said in self._weights.items()))}

    @property
    def unread(self) -> int:
        """How many show nothing now."""
        return max(0, self.count - len(self._weights))

    @property
    def together_mg(self) -> int | None:
        """None: not all of them are read."""
        if self.unread:
            return None
        return sum(weight for weight, _ in self._weights.values())

    def hear(self, sensor_id: int, weight_mg: int, at_us: int) -> bool:
        """Whether one was silent for too long by then, and is forgotten."""
        self._weights[sensor_id] = (weight_mg, at_us)
        oldest_us = at_us - self._lately_us
        heard = {sensor: said for sensor, said in self._weights.items() if said[1] >= oldest_us}
        if len(heard) == len(self._weights):
            return False
        self._weights = heard
        return True

    def forget(self, sensor_id: int) -> None:
        self._weights.pop(sensor_id, None)
