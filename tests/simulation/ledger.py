"""What was measured, what was kept, what arrived: and what must be true of the three.

measured    every reading has a weight that no other has, and the true time it was taken
kept        what the gateway's disk had committed, by stream and number
arrived     what the cloud holds, by stream and number; and the gaps it was told of
"""

from collections import defaultdict
from dataclasses import dataclass, field

FRESH_MS = 60_000

Key = tuple[str, int]


class ViolationError(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True, slots=True)
class Row:
    """A reading as the cloud holds it."""

    weight: int
    at_ms: int
    trusted: bool
    life: int


@dataclass
class Ledger:
    measured_ms: dict[int, int] = field(default_factory=dict)  # true time, by weight
    kept: dict[Key, int] = field(default_factory=dict)  # weight; 0 for a step of the clock
    unsure: dict[Key, int] = field(default_factory=dict)  # the commit neither succeeded nor failed
    excused: set[Key] = field(default_factory=set)  # on a card that was taken out of the machine
    lives: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)  # streams, as they began
    clock_was_set: set[str] = field(default_factory=set)  # streams
    card_was_changed: bool = False

    def measure(self, true_ms: int) -> int:
        weight = len(self.measured_ms) + 1
        self.measured_ms[weight] = true_ms
        return weight

    def begin(self, stream: str, life: int) -> None:
        if stream in self.lives:
            raise ViolationError(f"stream {stream} was used by an earlier life")
        self.lives[stream] = life
        self.order.append(stream)

    def keep(self, stream: str, first_seq: int, weights: list[int], *, sure: bool = True) -> None:
        for seq, weight in enumerate(weights, first_seq):
            if (stream, seq) in self.kept:
                raise ViolationError(f"number {seq} of stream {stream} was used twice")
            (self.kept if sure else self.unsure)[stream, seq] = weight

    def check_row(self, key: Key, row: Row) -> None:
        """Whenever the cloud commits one."""
        said = self.kept.get(key, self.unsure.get(key))
        if said is None:
            raise ViolationError(f"the cloud holds {key}, which no gateway ever kept")
        if said != row.weight:
            raise ViolationError(f"{key} was {said} and arrived as {row.weight}")

    def check_end(
        self,
        rows: dict[Key, Row],
        steps: dict[Key, int],
        gaps: dict[str, list[tuple[int, int]]],
        *,
        may_give_up: bool,
    ) -> None:
        lost = [
            key
            for key, weight in self.kept.items()
            if key not in self.excused
            and key not in (rows if weight else steps)
            and not (may_give_up and _is_covered(key, gaps))
        ]
        if lost:
            raise ViolationError(f"{len(lost)} readings are lost, the first {lost[0]}")
        weights = [row.weight for row in rows.values()]
        if len(weights) != len(set(weights)):
            raise ViolationError("a reading is there twice")
        if not self.card_was_changed:
            self._check_order(rows)
            self._check_times(rows, steps)

    def _check_order(self, rows: dict[Key, Row]) -> None:
        lives = [self.lives[stream] for stream in self.order]
        if lives != sorted(set(lives)):
            raise ViolationError(f"the lives of the gateway are not in order: {lives}")
        ordered = sorted((row.life, seq, row.weight) for (_, seq), row in rows.items())
        weights = [weight for _, _, weight in ordered]
        if weights != sorted(weights):
            raise ViolationError(
                "by life and number, readings are not in the order they were taken"
            )

    def _check_times(self, rows: dict[Key, Row], steps: dict[Key, int]) -> None:
        """Where the clock was set at last, every time is right, of before and after."""
        steps_of: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for (stream, seq), step_ms in steps.items():
            steps_of[stream].append((seq, step_ms))
        told = {stream for stream, seq in self.kept if not self.kept[stream, seq]}
        given_up = told - steps_of.keys()  # with the tail that was to bring it again
        for (stream, seq), row in rows.items():
            unsure = stream not in self.clock_was_set or stream in given_up
            if unsure and not row.trusted:
                continue
            later = sum(ms for at, ms in steps_of[stream] if at > seq and not row.trusted)
            off_ms = row.at_ms + later - self.measured_ms[row.weight]
            if abs(off_ms) > 3_000:
                raise ViolationError(f"reading {row.weight} at {(stream, seq)} is {off_ms} ms off")


def _is_covered(key: Key, gaps: dict[str, list[tuple[int, int]]]) -> bool:
    stream, seq = key
    return any(first <= seq <= last for first, last in gaps.get(stream, ()))
