"""The third loop of `binline cloud work`: keeps the store of readings.

    soon       hours that are over and were touched are computed again
    each minute    weeks are made ahead, and for late readings that wait for one
    each hour  what is older than its time is dropped or pruned; what is used a day is computed
    each night minimum and order-up-to level of each bin are estimated from its history

In TimescaleDB hours are computed by the database, and each minute one old week is packed.

Any number of these may run: what only one may do at a time is held by a lock in the database, and a
step that was cut off is done again.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from datetime import time as clock

import psycopg
from prometheus_client import Counter, Gauge

from cloud.actions.estimate_parameters import estimate_parameters
from cloud.postgres import (
    bin_parameters,
    partitions,
    pools,
    retention,
    rollups,
    timescale,
    tracks,
    usage,
)
from cloud.postgres.timescale import Store
from cloud.settings import Keeping

ROLL_UP_EVERY_S = 10.0
MAKE_EVERY_S = 60.0
PACK_EVERY_S = 60.0
DROP_EVERY_S = 3_600.0
USAGE_EVERY_S = 3_600.0
LOOK_FOR_NIGHT_EVERY_S = 300.0
NIGHT = clock(2, 0)  # UTC: the day before is over in most of the world
STOP_SEEN_S = 0.5
CHECKPOINTS_ALL = timedelta(days=1)  # then one a day is enough for what comes late
CHECKPOINTS_KEPT = timedelta(days=35)
HOUR = timedelta(hours=1)

log = logging.getLogger(__name__)

_rolled_up = Counter("binline_rollups", "Hours of sensors that were computed, again or first")
_dropped = Counter("binline_weeks_dropped", "Weeks of readings dropped for their age")
_estimated = Gauge(
    "binline_parameters_estimated", "Bins of the last nightly estimate, by what it knew", ["knew"]
)
_estimate_s = Gauge("binline_parameters_seconds", "How long the last nightly estimate took")
_waiting = Gauge("binline_hours_due", "Hours that are over, were touched, and are not computed yet")


class KeepLoop:
    def __init__(
        self,
        keeping: Keeping,
        stop: threading.Event,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keeping = keeping
        self._stop = stop
        self._now = now
        self._next: dict[Callable[[psycopg.Connection], None], float] = {}
        self._store: Store | None = None

    def round(self, conn: psycopg.Connection) -> None:
        store = timescale.store_of(conn)
        if store is not self._store:
            log.info("readings are kept as %s", store.value)
            self._store = store
        self._now_and_then(conn, self._make, MAKE_EVERY_S)
        self._now_and_then(conn, self._roll_up, ROLL_UP_EVERY_S)
        self._now_and_then(conn, self._drop, DROP_EVERY_S)
        self._now_and_then(conn, self._pack, PACK_EVERY_S)
        self._now_and_then(conn, self._usage, USAGE_EVERY_S)
        self._now_and_then(conn, self._parameters, LOOK_FOR_NIGHT_EVERY_S)

    def _now_and_then(
        self, conn: psycopg.Connection, step: Callable[[psycopg.Connection], None], every_s: float
    ) -> None:
        if self._stop.is_set() or self._next.get(step, 0.0) > time.monotonic():
            return
        try:
            step(conn)
        except pools.IN_THE_WAY as error:
            log.debug("%s: later, something was in the way: %s", step.__name__, error)
        self._next[step] = time.monotonic() + every_s

    def _make(self, conn: psycopg.Connection) -> None:
        if self._store is Store.WEEKS:
            now = self._now()
            moved = partitions.make_ahead(conn, now, now - self._keeping.readings)
            if moved:
                log.info("%s late readings were moved into weeks made for them", f"{moved:,}")

    def _roll_up(self, conn: psycopg.Connection) -> None:
        over = self._now().replace(minute=0, second=0, microsecond=0)
        aggregated = self._store is Store.COLUMNSTORE
        if aggregated:
            with _cut_off_when(self._stop, conn):
                timescale.refresh(conn, over - self._keeping.accepted, over)
        _waiting.set(rollups.count_due(conn, over))
        while not self._stop.is_set():
            count = rollups.keep_next(conn, over, corrected_only=aggregated)
            if count is None:
                break
            _rolled_up.inc(count)

    def _usage(self, conn: psycopg.Connection) -> None:
        now = self._now()
        usage.compute(conn, now)
        tracks.prune_checkpoints(conn, now - CHECKPOINTS_ALL, now - CHECKPOINTS_KEPT)

    def _parameters(self, conn: psycopg.Connection) -> None:
        """Once a night, by one process; a night that was missed is made up for at once."""
        now = self._now()
        if not _is_due(bin_parameters.last_computed(conn), now) or not bin_parameters.take_turn(
            conn
        ):
            return
        began = time.monotonic()
        try:
            # Somebody else may have been at it while we looked.
            if _is_due(bin_parameters.last_computed(conn), now):
                done = estimate_parameters(conn, now)
                took_s = time.monotonic() - began
                _estimate_s.set(took_s)
                _estimated.labels("history").set(done.bins - done.learning)
                _estimated.labels("learning").set(done.learning)
                log.info(
                    "parameters of %s bins estimated in %.0f s, %s of them learn, %s were set",
                    f"{done.bins:,}", took_s, f"{done.learning:,}", f"{done.applied:,}",
                )  # fmt: skip
        finally:
            bin_parameters.end_turn(conn)

    def _pack(self, conn: psycopg.Connection) -> None:
        if self._store is Store.COLUMNSTORE:
            with _cut_off_when(self._stop, conn):
                timescale.pack_next(conn, self._now() - self._keeping.packed)

    def _drop(self, conn: psycopg.Connection) -> None:
        now, keeping = self._now(), self._keeping
        dropped = partitions.drop_before(conn, now - keeping.readings)
        if dropped:
            _dropped.inc(dropped)
            log.info("%s of readings dropped: older than %s", dropped, keeping.readings)
        retention.prune_ledger(conn, now)
        retention.prune_letters(conn, now)
        retention.prune_attempts(conn, now)
        retention.prune_aside(conn, now - keeping.readings)
        retention.prune_rollups(conn, now - keeping.rollups)
        if self._store is Store.COLUMNSTORE:
            timescale.drop_hours(conn, now - keeping.rollups)


@contextmanager
def _cut_off_when(stop: threading.Event, conn: psycopg.Connection) -> Iterator[None]:
    """Who tells us to stop does not wait for a statement that may take many minutes."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(STOP_SEEN_S):
            if stop.is_set():
                with suppress(psycopg.Error):  # it is away, and so is what it worked on
                    conn.cancel_safe()
                return

    watcher = threading.Thread(target=watch, name="keep, until told to stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _is_due(last: datetime | None, now: datetime) -> bool:
    night = datetime.combine(now.astimezone(UTC).date(), NIGHT, UTC)
    if now < night:
        night -= timedelta(days=1)
    return last is None or last < night
