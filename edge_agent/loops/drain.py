"""The loop that owns the spool: readings in, batches out, and forgotten once the cloud has them.

    poll loops ──readings──▶  commit ──▶ spool ──▶ send ──▶ uplink
                              forget ◀── listen ◀────────── uplink

One thread, because the spool is one connection. A reading counts as taken when its commit has
returned; before that it was never said, after that it is never lost.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from edge_agent.core.reading import Reading
from edge_agent.core.stream import WINDOW_BATCHES, Odd, Send, Sender
from edge_agent.mqtt.uplink import Connected, Disconnected, Event, Told
from edge_agent.sqlite.spool import Spool, SpoolFullError
from edge_agent.wire import codec
from edge_agent.wire.messages import Ack

READINGS_WAITING_MAX = 2_000
TICK_S = 0.05
LOOK_AHEAD_BATCHES = 2 * WINDOW_BATCHES

# Acknowledged batches leave the disk with the next commit; when none comes, after this.
SETTLE_S = 2.0
UNSETTLED_MAX = 256

FULL_RETRY_S = 1.0
GOODBYE_S_MAX = 2.0

log = logging.getLogger(__name__)


class Line(Protocol):
    """What the loop needs of the uplink."""

    events: queue.Queue[Event]

    def send(self, payload: bytes) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """How long readings may wait for each other, and how many for one commit."""

    after_s: float
    readings: int


@dataclass(kw_only=True)
class _InHand:
    """Taken from the queue, not yet on disk."""

    readings: list[Reading] = field(default_factory=list)
    since_s: float = 0.0
    not_before_s: float = 0.0

    def take(self, reading: Reading, now_s: float) -> None:
        if not self.readings:
            self.since_s = now_s
        self.readings.append(reading)


class Drain:
    """Run it in a thread; `backlog` may be read from any."""

    def __init__(
        self,
        *,
        spool: Spool,
        readings: queue.Queue[Reading],
        line: Line,
        commit: Commit,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backlog = spool.backlog()
        self._spool = spool
        self._readings = readings
        self._line = line
        self._commit = commit
        self._monotonic_s = monotonic_s
        self._sender = Sender(spool.stream)
        self._in_hand = _InHand()
        self._settled_s = monotonic_s()
        self._short_of_room = False
        self._odd_said = ""

    def run(self, stop: threading.Event) -> None:
        """Until `stop`, and then: commit what is there, and wait a moment for the last answers."""
        try:
            while not stop.is_set():
                self.turn()
            self._finish()
        except Exception:
            # A commit that failed is neither yes nor no. A new start with a new stream is sure.
            log.exception("the drain loop broke and has ended")
        finally:
            self._spool.close()

    def turn(self) -> None:
        self._take()
        self._commit_if_due()
        self._listen()
        self._send()
        self._settle_if_due()
        self._notice_room()
        self.backlog = self._spool.backlog()

    def _take(self) -> None:
        """Wait for whatever comes first, at most a tick; then take what else is there."""
        if self._sender.flying:
            self._listen(wait_s=TICK_S)
            wait_s = 0.0
        else:
            wait_s = TICK_S
        while len(self._in_hand.readings) < self._commit.readings:
            try:
                reading = self._readings.get(block=wait_s > 0, timeout=wait_s)
            except queue.Empty:
                return
            self._in_hand.take(reading, self._monotonic_s())
            wait_s = 0.0
        if wait_s:  # hands full, and no room on disk
            self._listen(wait_s=wait_s)

    def _commit_if_due(self) -> None:
        now_s = self._monotonic_s()
        waited = now_s - self._in_hand.since_s >= self._commit.after_s
        enough = len(self._in_hand.readings) >= self._commit.readings
        if self._in_hand.readings and (waited or enough) and now_s >= self._in_hand.not_before_s:
            self._commit_now()

    def _commit_now(self) -> None:
        up_to_date = self._sender.passed == self._spool.newest_no
        try:
            # Said beforehand, in the same commit, what `mark_leaving` would need one more for.
            self._spool.append(self._in_hand.readings, leaving=self._sender.has_room and up_to_date)
        except SpoolFullError:
            self._wait_for_room()
            return
        self._in_hand = _InHand()
        self._settled_s = self._monotonic_s()

    def _wait_for_room(self) -> None:
        self._in_hand.not_before_s = self._monotonic_s() + FULL_RETRY_S
        if not self._short_of_room:
            self._short_of_room = True
            log.error("the spool is full and must keep what it has: polling waits")

    def _listen(self, wait_s: float = 0.0) -> None:
        while True:
            try:
                event = self._line.events.get(block=wait_s > 0, timeout=wait_s)
            except queue.Empty:
                return
            wait_s = 0.0
            match event:
                case Connected():
                    self._sender.connected(self._spool.newest_no)
                case Disconnected():
                    self._sender.disconnected()
                case Told(payload=payload):
                    self._hear(payload)

    def _hear(self, payload: bytes) -> None:
        try:
            message = codec.decode(payload)
        except codec.WireError as error:
            self._say_odd(f"not readable: {error}")
            return
        if not isinstance(message, Ack):
            self._say_odd("not an acknowledgement")
            return
        heard = self._sender.heard(message)
        if isinstance(heard, Odd):
            self._say_odd(heard.because)
        else:
            self._spool.forget(heard.nos)

    def _say_odd(self, because: str) -> None:
        if because != self._odd_said:
            self._odd_said = because
            log.warning("the cloud sent something odd, ignored: %s", because)

    def _send(self) -> None:
        now_ms = round(self._monotonic_s() * 1000)
        again = self._sender.due(now_ms)
        first: list[Send] = []
        if self._sender.has_room and self._sender.passed < self._spool.newest_no:
            first = self._sender.offer(
                self._spool.oldest(self._sender.passed, LOOK_AHEAD_BATCHES),
                self._spool.oldest(self._sender.live_after, LOOK_AHEAD_BATCHES),
                now_ms,
            )
            self._spool.mark_leaving(send.no for send in first)
        for send in (*again, *first):
            self._send_one(send)

    def _send_one(self, send: Send) -> None:
        payload = self._spool.load(send.no)
        if payload is None:
            self._sender.gone(send.no)
        else:
            # A refusal needs no answer: it stays in flight, and the time-out sends it again.
            self._line.send(payload)

    def _settle_if_due(self) -> None:
        late = self._monotonic_s() - self._settled_s >= SETTLE_S
        if self._spool.unsettled > UNSETTLED_MAX or (self._spool.unsettled and late):
            self._settle()

    def _settle(self) -> None:
        self._spool.settle()
        self._settled_s = self._monotonic_s()

    def _notice_room(self) -> None:
        """Once when readings begin to be given up, and once when all is well again."""
        if self._spool.given_up and not self._short_of_room:
            self._short_of_room = True
            log.error("the spool is full: the oldest readings are given up, and the cloud is told")
        if self._short_of_room and not self._spool.backlog():
            self._short_of_room = False
            log.warning("the spool is empty again; %d readings were given up", self._spool.given_up)
            self._spool.given_up = 0

    def _finish(self) -> None:
        while not self._readings.empty():
            self._in_hand.take(self._readings.get_nowait(), self._monotonic_s())
        if self._in_hand.readings:
            self._commit_now()
        if self._in_hand.readings:
            log.error("%d readings found no room and are not kept", len(self._in_hand.readings))
        until_s = self._monotonic_s() + GOODBYE_S_MAX
        while self._spool.backlog() and self._sender.is_up and self._monotonic_s() < until_s:
            self._send()
            self._listen(wait_s=TICK_S)
        self._settle()
        log.info("stopped; %d batches wait in the spool", self._spool.backlog())
