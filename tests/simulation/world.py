"""Time, chance and what happened: everything that happens in a simulated run goes through here.

One thread, one heap of things to happen. The same seed makes the same run, to the last byte.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

TRUE_START_MS = 1_790_000_000_000  # a day in September 2026


@dataclass
class World:
    seed: int
    now_ms: int = 0
    trace: list[str] = field(default_factory=list)
    faults: int = 0  # going on now, or sure to come
    calm_since_ms: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    @property
    def true_ms(self) -> int:
        """What a clock on the wall of the world shows."""
        return TRUE_START_MS + self.now_ms

    def after(self, delay_ms: float, happen: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now_ms + max(0, round(delay_ms)), self._count, happen))

    def run_until(self, end_ms: int) -> None:
        while self._heap and self._heap[0][0] <= end_ms:
            self.now_ms, _, happen = heapq.heappop(self._heap)
            happen()
        self.now_ms = end_ms

    def say(self, what: str) -> None:
        self.trace.append(f"{self.now_ms / 1000:9.3f}  {what}")

    def disturb(self) -> None:
        """Something happened that all have to recover from."""
        self.calm_since_ms = self.now_ms

    def begin_fault(self, what: str, seconds: float, heal: Callable[[], None]) -> None:
        self.faults += 1
        self.say(f"fault: {what} for {seconds:.1f} s")
        self.disturb()

        def end() -> None:
            heal()
            self.faults -= 1
            self.disturb()
            self.say(f"healed: {what}")

        self.after(seconds * 1000, end)

    def foresee(self, seconds: float, happen: Callable[[], None]) -> None:
        """Something that will be, and counts as trouble until it was."""
        self.faults += 1

        def come() -> None:
            self.faults -= 1
            self.disturb()
            happen()

        self.after(seconds * 1000, come)

    def is_calm_for(self, ms: int) -> bool:
        return self.faults == 0 and self.now_ms - self.calm_since_ms >= ms
