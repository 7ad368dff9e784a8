"""What time it is, and whether that may be believed.

Gateways without a battery clock boot into the past, sometimes by months, until the network tells
them better. A reading from that time says so, and nothing is ordered on it.
"""

import ctypes
import time
from collections.abc import Callable

TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
TIMEX_BYTES = 512  # more than struct timex takes on any Linux

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
