"""Between the thread that talks to the broker and the one that talks to the database.

The first must never wait: a callback that blocks gets its client thrown out by the broker, for
ever again. So what does not fit is refused here and, being unacknowledged, comes again later.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

MESSAGES_MAX = 2_000
BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One message, and the connection it came by: only there can it be acknowledged."""

    connection: Any  # compared by identity only
    mid: int
    qos: int
    topic: str
    payload: bytes
    kept: bool


class HandOver:
    def __init__(self, *, messages_max: int = MESSAGES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._waiting: deque[Delivery] = deque()
        self._changed = threading.Condition()

    def put(self, delivery: Delivery) -> bool:
        """False: there is no room."""
        with self._changed:
            full = len(self._waiting) >= self._messages_max or self._bytes >= self._bytes_max
            if not full:
                self._waiting.append(delivery)
                self._bytes += len(delivery.payload)
                self._changed.notify()
            return not full

    def take(
        self, *, messages_max: int, bytes_max: int, wait_s: float, gather_s: float
    ) -> list[Delivery]:
        """What has come: waits up to `wait_s` for the first, then `gather_s` for company."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._waiting), wait_s):
                return []
            until = time.monotonic() + gather_s
            while len(self._waiting) < messages_max and self._bytes < bytes_max:
                left_s = until - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            return self._pop(messages_max, bytes_max)

    def clear(self) -> None:
        with self._changed:
            self._waiting.clear()
            self._bytes = 0

    @property
    def empty(self) -> bool:
        return not self._waiting

    def _pop(self, messages_max: int, bytes_max: int) -> list[Delivery]:
        taken: list[Delivery] = []
        size = 0
        while self._waiting and len(taken) < messages_max and size < bytes_max:
            delivery = self._waiting.popleft()
            size += len(delivery.payload)
            taken.append(delivery)
        self._bytes -= size
        return taken
