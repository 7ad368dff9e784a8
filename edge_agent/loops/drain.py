"""The loop that owns the spool: readings in, batches out, and forgotten once the cloud has them.

    poll loops ──readings──▶  commit ──▶ spool ──▶ send ──▶ uplink
                              forget ◀── listen ◀────────── uplink
                              take back ◀─┘

One thread, because the spool is one connection. What was put into the queue is in the journal, and
no kill of the process takes it; once its commit has returned, no cut of power does.

`turn` never waits, so a simulator can drive it; `run` waits between turns.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edge_agent.core.anchor import Step, in_time
from edge_agent.core.reading import Reading
from edge_agent.core.stream import BACKLOG_BYTES_PER_S, Batch, Odd, Sender
from edge_agent.loops.taken import Taken
from edge_agent.mqtt.uplink import Connected, Disconnected, Event, Told
from edge_agent.sqlite.spool import Spool, SpoolFullError
from edge_agent.wire import codec
from edge_agent.wire.messages import KEPT_RANGES_MAX, Ack, Kept

READINGS_WAITING_MAX = 2_000
TICK_S = 0.05
LOOK_AHEAD_BATCHES = 32

# What is acknowledged is written down with the next commit; when none comes, after this.
SETTLE_S = 2.0
UNSETTLED_MAX = 256

# Small batches of an outage become large ones, while there is nothing better to do.
COMPACT_S = 1.0

# How often the cloud is asked whether it still has what it acknowledged.
KEPT_S = 600.0
KEPT_AGAIN_S = 20.0
KEPT_STREAMS_MAX = 20

FULL_RETRY_S = 1.0
GOODBYE_S_MAX = 2.0

log = logging.getLogger(__name__)


class Line(Protocol):
    """What the loop needs of the uplink."""

    events: queue.Queue[Event]

    @property
    def first_waiting(self) -> int:
        """All that was sent before this token, the broker has receipted."""

    def send(self, payload: bytes) -> int:
        """A token, greater than any before; 0 when it cannot be sent now."""


class Clock(Protocol):
    """What the loop needs to know of the time; see `Timekeeper`."""

    @property
    def trusted(self) -> bool: ...

    @property
    def offset_ms(self) -> int: ...

    def look(self) -> Step | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """How long readings may wait for each other, and how many for one commit.

    While the broker is away nobody waits for them, and each commit costs a memory card a page or
    two whatever is in it: then they may wait longer, by as much as a cut of power may take.
    """

    after_s: float
    offline_after_s: float
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
        readings: Taken,
        line: Line,
        commit: Commit,
        clock: Clock,
        backlog_bytes_per_s: int = BACKLOG_BYTES_PER_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backlog = spool.backlog()
        self._spool = spool
        self._readings = readings
        self._line = line
        self._commit = commit
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._sender = Sender(spool.stream, backlog_bytes_per_s)
        self._in_hand = _InHand()
        self._step: Step | None = None  # to be kept before the next reading
        self._marked_no = 0  # of the backlog, all up to it may have left
        self._settled_s = self._compacted_s = monotonic_s()
        self._kept_s = self._asked_again_s = float("-inf")
        self._short_of_room = False
        self._odd_said = ""
        self._lost_said: set[str] = set()  # since the connection came up

    def run(self, stop: threading.Event) -> None:
        """Until `stop`, and then: commit what is there, and wait a moment for the last answers."""
        try:
            while not stop.is_set():
                self._wait()
                self.turn()
            self._finish()
        except Exception:
            # A commit that failed is neither yes nor no. A new start with a new stream is sure.
            log.exception("the drain loop broke and has ended")
        finally:
            self._spool.close()

    def turn(self) -> None:
        """Whatever there is to do now."""
        self._take()
        self._look_at_clock()
        self._keep_step()
        self._commit_if_due()
        self._listen()
        self._say_what_is_kept()
        self._send()
        self._settle_if_due()
        self._compact_if_due()
        self._notice_room()
        self.backlog = self._spool.backlog()

    def _wait(self) -> None:
        """For whatever is likelier to come first, at most a tick."""
        full = len(self._in_hand.readings) >= self._commit.readings
        if self._sender.flying or full:
            self._listen(wait_s=TICK_S)
            return
        try:
            reading = self._readings.get(timeout=TICK_S)
        except queue.Empty:
            return
        self._in_hand.take(reading, self._monotonic_s())

    def _take(self) -> None:
        """All there is at once: one by one, the locks would cost more than the readings."""
        taken = self._readings.get_all(self._commit.readings - len(self._in_hand.readings))
        now_s = self._monotonic_s()
        for reading in taken:
            self._in_hand.take(reading, now_s)

    def _look_at_clock(self) -> None:
        step = self._clock.look()
        if step is not None:
            log.warning("%s: by %d ms", step.because, step.step_ms)
            owed_ms = self._step.step_ms if self._step else 0
            self._step = Step(step_ms=owed_ms + step.step_ms, because=step.because)
        self._spool.know_time(self._clock.offset_ms, trusted=self._clock.trusted, step=self._step)

    def _keep_step(self) -> None:
        """At once: without it, what was measured before can never be put right."""
        if self._step is None or self._monotonic_s() < self._in_hand.not_before_s:
            return
        try:
            self._spool.append_step(self._step.step_ms, self._step.because)
        except SpoolFullError:
            self._wait_for_room()
            return
        self._step = None

    def _commit_if_due(self) -> None:
        now_s = self._monotonic_s()
        after_s = self._commit.after_s if self._sender.is_up else self._commit.offline_after_s
        waited = now_s - self._in_hand.since_s >= after_s
        enough = len(self._in_hand.readings) >= self._commit.readings
        if self._in_hand.readings and (waited or enough) and now_s >= self._in_hand.not_before_s:
            self._commit_now()

    def _commit_now(self) -> None:
        if self._step is not None:
            return  # their times are those after it
        up_to_date = self._sender.live_after == self._spool.newest_no
        try:
            # Said beforehand, in the same commit, what `mark_leaving` would need one more for.
            leaving = self._sender.has_room and up_to_date
            readings = in_time(
                self._in_hand.readings, self._clock.offset_ms, trusted=self._clock.trusted
            )
            self._spool.append(readings, leaving=leaving)
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
                    self._sender.connected(self._spool.newest_no, self._now_ms())
                    self._marked_no = 0
                    self._kept_s = float("-inf")
                    self._lost_said.clear()
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
        heard = self._sender.heard(message, self._now_ms())
        if isinstance(heard, Odd):
            self._say_odd(heard.because)
            return
        self._spool.forget(heard.nos)
        self._take_back(message)

    def _take_back(self, ack: Ack) -> None:
        lost = self._sender.missed(ack, self._now_ms())
        if lost is None:
            return
        if not lost.missing:
            self._ask_again_later()
            return
        if lost.stream not in self._lost_said:
            self._lost_said.add(lost.stream)
            log.warning(
                "the cloud has lost what it had acknowledged of stream %s: sent again", lost.stream
            )
        no = self._spool.take_back(lost.stream, list(lost.missing))
        if no is not None:
            self._sender.back_to(no)
        self._ask_about_all_streams()

    def _ask_about_all_streams(self) -> None:
        """Now, and once more when what it acknowledged a moment ago can be judged too."""
        if self._asked_again_s < self._monotonic_s():
            self._kept_s = float("-inf")
        self._ask_again_later()

    def _ask_again_later(self) -> None:
        now_s = self._monotonic_s()
        if self._asked_again_s < now_s:
            self._asked_again_s = now_s + KEPT_AGAIN_S
        self._kept_s = min(self._kept_s, self._asked_again_s - KEPT_S)

    def _say_odd(self, because: str) -> None:
        if because != self._odd_said:
            self._odd_said = because
            log.warning("the cloud sent something odd, ignored: %s", because)

    def _say_what_is_kept(self) -> None:
        if not self._sender.is_up or self._monotonic_s() - self._kept_s < KEPT_S:
            return
        self._kept_s = self._monotonic_s()
        newest = list(self._spool.kept().items())[:KEPT_STREAMS_MAX]
        kept = {stream: ranges[-KEPT_RANGES_MAX:] for stream, ranges in newest if ranges}
        self._sender.keeps(kept)
        for stream, ranges in kept.items():
            self._line.send(codec.encode(Kept(stream=stream, ranges=ranges)))

    def _send(self) -> None:
        now_ms = self._now_ms()
        self._sender.carried(self._line.first_waiting, now_ms)
        sends = self._sender.due(now_ms)
        newest_no = self._spool.newest_no
        if self._sender.is_up and self._sender.passed < newest_no:
            self._sender.catch_up(newest_no)
            backlog = self._spool.oldest(self._sender.passed, LOOK_AHEAD_BATCHES)
            if not backlog:
                self._sender.pass_all(newest_no)
            live = (
                self._spool.oldest(self._sender.live_after, LOOK_AHEAD_BATCHES)
                if self._sender.live_after < newest_no
                else []
            )
            first = self._sender.offer(backlog, live, now_ms)
            self._mark_leaving([send.no for send in first], backlog)
            sends += first
        for send in sends:
            self._send_one(send.no)

    def _mark_leaving(self, nos: Sequence[int], backlog: Sequence[Batch]) -> None:
        """Of the backlog, all that is soon to leave: each mark is a write to the disk."""
        soon = [batch.no for batch in backlog]
        if any(self._marked_no < no <= soon[-1] for no in nos if soon):
            self._spool.mark_leaving([*nos, *soon])
            self._marked_no = soon[-1]
        elif nos:
            self._spool.mark_leaving(nos)

    def _send_one(self, no: int) -> None:
        payload = self._spool.load(no)
        if payload is None:
            self._sender.gone(no)
        else:
            token = self._line.send(payload)
            self._sender.handed_over(no, token, len(payload), self._now_ms())

    def _now_ms(self) -> int:
        return round(self._monotonic_s() * 1000)

    def _compact_if_due(self) -> None:
        """Not while something is on its way: what is sent soon is not worth it."""
        now_s = self._monotonic_s()
        if now_s - self._compacted_s < COMPACT_S or self._sender.flying:
            return
        if not self._spool.compact():
            self._compacted_s = now_s

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
