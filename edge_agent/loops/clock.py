"""What time it is, and whether that may be believed.

Gateways without a battery clock boot into the past, sometimes by months, until the network tells
them better. A reading from that time says so, and nothing is ordered on it.
"""

import ctypes
import time
from collections.abc import Callable

from edge_agent.core.anchor import Anchor, Step

TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
TIMEX_BYTES = 512  # more than struct timex takes on any Linux

LOOK_MS = 1_000

# Between two questions the process may have been held up; what they say is then no pair.
PAIR_MS_MAX = 20

try:
    _adjtimex: Callable[[ctypes.Array[ctypes.c_char]], int] | None = ctypes.CDLL(None).adjtimex
except (AttributeError, OSError):  # not a Linux: nobody can say
    _adjtimex = None


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def kernel_trusts_it() -> bool:
    """Whether the kernel knows its clock to be set by a time service."""
    if _adjtimex is None:
        return False
    state = _adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))  # all zero: only asks
    return 0 <= state < TIME_ERROR


class Timekeeper:
    """The anchor between both clocks. Any thread may stamp; one thread looks."""

    def __init__(
        self,
        *,
        trusts: Callable[[], bool] = kernel_trusts_it,
        wall_ms: Callable[[], int] = wall_ms,
        monotonic_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        self._trusts = trusts
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms
        self._anchor = Anchor(wall_ms=wall_ms(), monotonic_ms=monotonic_ms(), trusted=trusts())
        self._look_at_ms = monotonic_ms()

    @property
    def trusted(self) -> bool:
        return self._anchor.trusted

    @property
    def offset_ms(self) -> int:
        """What is to be added to a stamp, to have the time as it is known now."""
        return self._anchor.offset_ms

    def stamp_ms(self) -> int:
        """Of now; what is stamped later has a greater one, whatever is done to the wall clock."""
        return self._anchor.stamp(self._monotonic_ms())

    def now_ms(self) -> int:
        return self.stamp_ms() + self._anchor.offset_ms

    def look(self) -> Step | None:
        """Once a second, however often it is asked."""
        before_ms = self._monotonic_ms()
        if before_ms < self._look_at_ms:
            return None
        now_wall_ms = self._wall_ms()
        if self._monotonic_ms() - before_ms > PAIR_MS_MAX:
            return None
        self._look_at_ms = before_ms + LOOK_MS
        return self._anchor.look(
            wall_ms=now_wall_ms, monotonic_ms=before_ms, trusted=self._trusts()
        )
