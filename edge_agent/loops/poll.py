"""One thread per port: ask, settle, and state what is worth stating. It never drops a reading.

    transport ─bytes─▶ driver ─samples─▶ settle ─outcome─▶ report ─Reading─▶ queue

When the queue is full the loop waits: better a question less than an answer lost. A device that
does not answer is said to be silent, once and then with each heartbeat; its last weight is never
said again in its place. A port that is gone is tried again, slower each time.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent import profiles
from edge_agent.core.reading import (
    BECAUSE_CHARS_MAX,
    Answer,
    Condition,
    Fault,
    Identity,
    Outcome,
    Reading,
    Sample,
)
from edge_agent.core.report import Reported, ReportLimits, worth_sending
from edge_agent.core.settle import SettleLimits, Settling
from edge_agent.drivers.base import Driver
from edge_agent.settings import Port, SettingsError
from edge_agent.transports.base import PortGone, Transport
from edge_agent.transports.serial_port import Line, SerialPort

REOPEN_S_MIN = 0.25
REOPEN_S_MAX = 5.0
PUT_S = 0.5  # how long a full queue may delay the notice of a stop

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """`wall_ms` stamps readings; `monotonic_ms` measures; `trusted` says if the wall can be."""

    wall_ms: Callable[[], int]
    monotonic_ms: Callable[[], int]
    trusted: Callable[[], bool]


class Poller:
    """Run it in a thread. It ends when `stop` is set; a thread that ends before that has failed."""

    def __init__(
        self,
        *,
        port: Port,
        transport: Transport,
        driver: Driver,
        reply_timeout_ms: int,
        readings: queue.Queue[Reading],
        stop: threading.Event,
        clock: Clock,
    ) -> None:
        self._port = port
        self._transport = transport
        self._driver = driver
        self._reply_timeout_ms = reply_timeout_ms
        self._readings = readings
        self._stop = stop
        self._clock = clock
        self._settling = Settling(
            SettleLimits(
                samples=port.settle_samples,
                band_mg=port.settle_mg,
                held_s=port.settle_s,
                unstable_after_s=port.unstable_after_s,
            )
        )
        self._report = ReportLimits(deadband_mg=port.deadband_mg, heartbeat_s=port.heartbeat_s)
        self._reported: Reported | None = None
        self._misses = 0
        self._identified = False
        self._losses = 0
        self._open_at_ms = 0

    def run(self) -> None:
        due_ms = self._clock.monotonic_ms()
        try:
            while not self._stop.is_set():
                self.turn()
                now_ms = self._clock.monotonic_ms()
                due_ms = max(due_ms + round(self._port.poll_s * 1000), now_ms)
                self._stop.wait((due_ms - now_ms) / 1000)
        except Exception:
            log.exception("the poll loop of %s broke and has ended", self._port.sensor)
        finally:
            self._transport.close()

    def turn(self) -> None:
        """One question, and what follows from its answer or from none."""
        # When it was asked, not when the answer was read: the loop may have been held up between.
        asked_ms = self._clock.wall_ms()
        try:
            outcome = self._ask()
        except PortGone as gone:
            self._lose_port(str(gone))
            outcome = self._miss(f"{self._transport.name} is not there")
        if outcome is not None:
            self._state(outcome, asked_ms)

    def _ask(self) -> Outcome | None:
        if not self._transport.is_open and not self._open():
            return self._miss(f"{self._transport.name} is not there")
        if not self._identified:
            return self._ask_identity()
        answer = self._exchange(self._driver.request(), wanted=(Sample, Fault))
        if answer is None:
            return self._miss(f"no answer on {self._transport.name}")
        if isinstance(answer, Identity):
            return self._check_identity(answer)
        self._hear()
        return self._settling.feed(answer, self._clock.monotonic_ms())

    def _exchange(self, request: bytes, wanted: tuple[type[Answer], ...]) -> Answer | None:
        """The first answer of a wanted kind in time, or a device that names itself unasked."""
        self._transport.flush()  # what lies there answers an older question
        self._driver.reset()
        self._transport.write(request)
        deadline_ms = self._clock.monotonic_ms() + self._reply_timeout_ms
        while self._clock.monotonic_ms() < deadline_ms:
            received = self._transport.read()
            # The last one: what comes before it in one read is noise, or older.
            for answer in reversed(self._driver.feed(received)):
                if isinstance(answer, (*wanted, Identity)):
                    return answer
            # Told to stop, it still takes the answer that is on its way, but waits for none.
            if not received and self._stop.is_set():
                return None
        return None

    def _open(self) -> bool:
        if self._clock.monotonic_ms() < self._open_at_ms:
            return False
        self._transport.open()
        log.info("%s: opened %s", self._port.sensor, self._transport.name)
        self._settling.reset()
        # After a plug it may be another scale: nothing it says counts before it is known.
        self._identified = self._port.serial_number is None
        return True

    def _lose_port(self, because: str) -> None:
        if self._losses == 0:  # once, until it has answered again
            log.warning("%s: %s", self._port.sensor, because)
        delay_s = min(REOPEN_S_MAX, REOPEN_S_MIN * 2 ** min(self._losses, 10))
        self._open_at_ms = self._clock.monotonic_ms() + round(delay_s * 1000)
        self._losses += 1

    def _ask_identity(self) -> Outcome | None:
        question = self._driver.identify()
        assert question is not None, "poller_for has refused a driver that cannot ask"
        answer = self._exchange(question, wanted=(Identity,))
        if not isinstance(answer, Identity):
            return self._miss(f"the device on {self._transport.name} does not say who it is")
        return self._check_identity(answer)

    def _check_identity(self, identity: Identity) -> Outcome | None:
        """It has just restarted, or was asked: what it weighed before no longer counts."""
        self._hear()
        self._settling.reset()
        wanted = self._port.serial_number
        self._identified = wanted is None or wanted == identity.serial_number
        if self._identified:
            log.info("%s: the device is %s", self._port.sensor, identity.serial_number)
            return None
        because = f"this is another device: {identity.serial_number!r}, expected {wanted!r}"
        return Condition(condition="fault", because=because)

    def _hear(self) -> None:
        """Only an answer proves the port: one that opens and dies again is still tried slower."""
        self._misses = 0
        self._losses = 0

    def _miss(self, because: str) -> Outcome | None:
        if self._stop.is_set():  # it was not given its time, so nothing can be said of it
            return None
        self._misses += 1
        if self._misses < self._port.silent_after:
            return None
        self._settling.reset()
        return Condition(condition="silent", because=because)

    def _state(self, outcome: Outcome, asked_ms: int) -> None:
        now_ms = self._clock.monotonic_ms()
        if not worth_sending(self._reported, outcome, now_ms, self._report):
            return
        if isinstance(outcome, Condition):
            because = outcome.because[:BECAUSE_CHARS_MAX]
            outcome = Condition(condition=outcome.condition, because=because)
        self._log_change(outcome)
        reading = Reading(
            sensor=self._port.sensor,
            measured_ms=asked_ms,
            clock_trusted=self._clock.trusted(),
            outcome=outcome,
        )
        self._put(reading)
        self._reported = Reported(outcome=outcome, at_ms=now_ms)

    def _put(self, reading: Reading) -> None:
        waited = False
        while True:
            stopping = self._stop.is_set()
            try:
                self._readings.put(reading, timeout=PUT_S)
            except queue.Full:
                if stopping:
                    log.warning("%s: stopped with a reading not yet kept", self._port.sensor)
                    return
                if not waited:
                    log.warning("%s: the spool does not keep up, polling waits", self._port.sensor)
                waited = True
            else:
                return

    def _log_change(self, outcome: Outcome) -> None:
        before = _condition_of(self._reported.outcome) if self._reported else None
        after = _condition_of(outcome)
        if after == before:
            return
        if isinstance(outcome, Condition):
            log.warning("%s: %s, %s", self._port.sensor, outcome.condition, outcome.because)
        else:
            log.info("%s: weighs again after %s", self._port.sensor, before)


def _condition_of(outcome: Outcome) -> str | None:
    return outcome.condition if isinstance(outcome, Condition) else None


def poller_for(
    port: Port, *, readings: queue.Queue[Reading], stop: threading.Event, clock: Clock
) -> Poller:
    """The loop for one port of the settings; SettingsError when its profile does not allow it."""
    profile = profiles.load(port.profile)
    line = profile.port
    if port.poll_s * 1000 < line.poll_ms_min:
        raise SettingsError(
            f"ports: {port.sensor}: poll_s: {port.poll_s:g} is too often for {port.profile}. "
            f"Allowed: {line.poll_ms_min / 1000:g} or more"
        )
    driver = profile.make_driver(port.sensor)
    if port.serial_number is not None and driver.identify() is None:
        raise SettingsError(
            f"ports: {port.sensor}: serial_number: {port.profile} has no question for it. "
            "Allowed: only with profiles that can ask"
        )
    transport = SerialPort(
        port.device,
        Line(
            baud=port.baud or line.baud,
            data_bits=port.data_bits or line.data_bits,
            parity=port.parity or line.parity,
            stop_bits=port.stop_bits or line.stop_bits,
        ),
    )
    return Poller(
        port=port,
        transport=transport,
        driver=driver,
        reply_timeout_ms=port.reply_timeout_ms or line.reply_timeout_ms,
        readings=readings,
        stop=stop,
        clock=clock,
    )
