"""What becomes of orders by the clock alone: drafts expire and escalate, gathered orders leave."""

import logging
import threading
import time
from datetime import UTC, datetime

import psycopg

from cloud.actions.keep_time import keep_time, timed
from cloud.postgres import pools

LOOK_EVERY_S = 1.0
AT_ONCE_MAX = 500
ASIDE_S = 60.0  # for an order that cannot be moved: the others go on meanwhile

log = logging.getLogger(__name__)


class ClockLoop:
    """Looks every second. Each order is one transaction of its own; whoever is quicker wins."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._look_at = 0.0
        # What has come of an order -> until when (monotonic). What comes anew does not wait.
        self._aside: dict[object, float] = {}

    def round(self, conn: psycopg.Connection) -> None:
        if time.monotonic() < self._look_at:
            return
        began = time.monotonic()
        self._aside = {one: until for one, until in self._aside.items() if until > began}
        for one in timed(conn, datetime.now(UTC), AT_ONCE_MAX):
            if self._stop.is_set():
                return
            if one in self._aside:
                continue
            try:
                told = keep_time(conn, one, datetime.now(UTC))
            except pools.IN_THE_WAY as error:
                log.debug("order %s was in use, next round: %s", one.order_id, error)
            except pools.OUTAGES:
                raise
            except Exception:
                log.exception("order %s cannot be moved, set aside for a minute", one.order_id)
                self._aside[one] = time.monotonic() + ASIDE_S
            else:
                if told:
                    log.info("%s", told)
                else:  # nothing to do yet, of a scale that is silent say: not once a second
                    self._aside[one] = time.monotonic() + ASIDE_S
        self._look_at = time.monotonic() + LOOK_EVERY_S
