"""The queue between the poll loops and the drain loop: what is in it outlives the process.

    poll loop ─answer─▶ journal, then queue ─▶ drain loop ─▶ spool

Noted and put under one lock, so that notes and commits have the same order, which is how the
journal knows what is committed.
"""

import queue
import time
from collections import deque
from collections.abc import Callable, Sequence

from edge_agent.core.reading import Reading


class Taken(queue.Queue[Reading]):
    """`note` is to be set before anything is put; without it, a kill takes what waits."""

    queue: deque[Reading]
    note: Callable[[Sequence[Reading]], None] | None = None

    def put_all(self, readings: Sequence[Reading], timeout_s: float) -> None:
        """All of them or, when there is no room in time, `queue.Full` and none.

        An answer of more readings than there is room for may go beyond the limit, once.
        """
        until_s = time.monotonic() + timeout_s
        with self.mutex:
            while self._qsize() >= self.maxsize > 0:
                rest_s = until_s - time.monotonic()
                if rest_s <= 0:
                    raise queue.Full
                self.not_full.wait(rest_s)
            if self.note is not None:
                self.note(readings)
            self.queue.extend(readings)
            self.unfinished_tasks += len(readings)
            self.not_empty.notify()

    def get_all(self, most: int) -> list[Reading]:
        """What is there: one by one, the locks would cost more than the readings."""
        with self.mutex:
            taken = [self.queue.popleft() for _ in range(min(most, len(self.queue)))]
            if taken:
                self.not_full.notify_all()
        return taken

    def _put(self, item: Reading) -> None:
        if self.note is not None:
            self.note([item])
        self.queue.append(item)
