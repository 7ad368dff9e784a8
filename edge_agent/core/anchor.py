"""Two clocks made one: the wall clock says when, the monotonic clock says how far apart.

    stamp    on this start's own line: the wall clock at the start, and monotonic time since
    time     the stamp, moved by all that has been learnt of the wall clock since

Readings are stamped when they are taken and moved when they are kept, so between two steps their
times differ by what the monotonic clock said, whatever was done to the wall clock meanwhile.

Pure: what both clocks show is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.core.reading import Reading
from edge_agent.wire.messages import EPOCH_MS_MAX

STEP_MS_MIN = 1_000

# A wall clock that is trusted and drifts away from ours is followed, at most this fast: time goes
# on, a thousandth slower at worst, and never back.
SLEW_PART = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The clock was set. `step_ms` is what earlier readings, unsure of the time, were off by."""

    step_ms: int
    because: str


class Anchor:
    """Once the wall clock was trusted it stays so: from then on the monotonic clock carries it.

    A crystal loses seconds a day; the kernel withdraws its word after some hours without a
    network, long before that matters on a scale.
    """

    def __init__(self, *, wall_ms: int, monotonic_ms: int, trusted: bool) -> None:
        self._start_ms = wall_ms - monotonic_ms
        self._looked_ms = monotonic_ms
        self.offset_ms = 0
        self.trusted = trusted

    def stamp(self, monotonic_ms: int) -> int:
        return self._start_ms + monotonic_ms

    def look(self, *, wall_ms: int, monotonic_ms: int, trusted: bool) -> Step | None:
        """Compare the clocks, as often as you like; what is to be said of it, if anything."""
        if not 0 <= wall_ms <= EPOCH_MS_MAX // 2:
            return None  # a time that nobody means, and the wire could not carry
        since_ms = monotonic_ms - self._looked_ms
        self._looked_ms = monotonic_ms
        off_ms = wall_ms - self.stamp(monotonic_ms) - self.offset_ms
        if trusted and not self.trusted:
            self.trusted = True
            self.offset_ms += off_ms
            return Step(step_ms=off_ms, because="the clock was set by a time service")
        if abs(off_ms) > STEP_MS_MIN:
            self.offset_ms += off_ms
            if not self.trusted:
                return Step(step_ms=off_ms, because="the clock was set, nobody knows by whom")
            # Nothing before it was unsure and uncorrected, so nothing is to be moved.
            return Step(step_ms=0, because=f"a trusted clock was moved by {off_ms} ms")
        if self.trusted:
            most_ms = max(0, since_ms // SLEW_PART)
            self.offset_ms += max(-most_ms, min(off_ms, most_ms))
        return None


def in_time(readings: Sequence[Reading], offset_ms: int, *, trusted: bool) -> Sequence[Reading]:
    """Stamped when they were taken; with the time of that moment as it is known now."""
    if not offset_ms and all(reading.clock_trusted is trusted for reading in readings):
        return readings
    return [
        Reading(
            sensor=reading.sensor,
            measured_ms=max(0, reading.measured_ms + offset_ms),
            clock_trusted=trusted,
            outcome=reading.outcome,
            identity=reading.identity,
        )
        for reading in readings
    ]
