"""The loop of `binline cloud work` that follows bins: soon after a reading, its level is known.

Any number of these may run: each takes bins that wait, and a bin is held by one at a time. What is
remembered between two rounds is only for speed; whoever finds it outdated reads it again.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
from prometheus_client import Counter, Gauge, Histogram

from cloud.actions.conclude import Outcome
from cloud.actions.follow import follow_bins
from cloud.actions.remember import Memory
from cloud.postgres import follow_due, pools
from cloud.postgres.follow_due import Due

BINS_AT_ONCE = 500  # in one transaction: long enough to be worth it, short enough to be no wait
REMEMBERED_MAX = 100_000
ASIDE_S = 60.0  # for a bin that cannot be followed: the others go on meanwhile
SETTLE_EVERY_S = 1.0
PRESENT = timedelta(minutes=1)  # what was read since is followed first

log = logging.getLogger(__name__)

_followed = Counter("binline_readings_followed", "Readings that levels were made of")
_moved = Counter("binline_movements", "Movements that were booked")
_took = Histogram(
    "binline_follow_seconds",
    "One transaction of bins that were followed",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
_aside = Gauge("binline_bins_aside", "Bins that cannot be followed at the moment: a defect")


class FollowLoop:
    """`changed` is set when bins are due to be assessed, for who waits for it in this process."""

    def __init__(
        self,
        stop: threading.Event,
        changed: threading.Event | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._stop = stop
        self._now = now
        self._changed = changed or threading.Event()
        self.remembered = Memory()  # also used by who assesses
        self._aside: dict[int, float] = {}  # bin -> until when (monotonic)
        self._settle_next = 0.0

    def round(self, conn: psycopg.Connection) -> None:
        if time.monotonic() >= self._settle_next:
            follow_due.mark_settling(conn, self._now())
            self._settle_next = time.monotonic() + SETTLE_EVERY_S
        while not self._stop.is_set():
            while follow_due.spread(conn) == follow_due.DUE_ROWS_MAX:
                pass
            if not self._some(conn, BINS_AT_ONCE):
                return

    def _some(self, conn: psycopg.Connection, limit: int) -> bool:
        """Whether there may be more that wait."""
        now = time.monotonic()
        self._aside = {bin_id: until for bin_id, until in self._aside.items() if until > now}
        _aside.set(len(self._aside))
        taken: Sequence[Due] = []
        try:
            with _took.time(), conn.transaction():
                recent = self._now() - PRESENT
                taken = follow_due.take(conn, limit, list(self._aside), recent)
                if not taken:
                    return False
                outcome = follow_bins(conn, taken, self._now(), self.remembered)
                follow_due.give_back(conn, outcome.again)
        except pools.IN_THE_WAY as error:
            log.debug("bins were in use, next round: %s", error)
            return False
        except pools.OUTAGES:
            raise
        except Exception:
            if len(taken) > 1:
                return self._one_by_one(conn, taken)
            if not taken:
                raise
            (one,) = taken
            log.exception("bin %s cannot be followed, set aside for a minute", one.bin_id)
            self._aside[one.bin_id] = time.monotonic() + ASIDE_S
            return True
        self._keep(outcome)
        if outcome.changed:
            self._changed.set()
        return len(taken) == limit or bool(outcome.again)

    def _one_by_one(self, conn: psycopg.Connection, taken: Sequence[Due]) -> bool:
        """One of these is bad: the others do not wait for it."""
        for _ in taken:
            if not self._some(conn, 1):
                break
        return True

    def _keep(self, outcome: Outcome) -> None:
        _followed.inc(outcome.readings)
        _moved.inc(outcome.movements)
        if len(self.remembered) > REMEMBERED_MAX:
            self.remembered.clear()
        self.remembered.update(outcome.remembered)
