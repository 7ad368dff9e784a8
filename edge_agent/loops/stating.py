"""From what a device answered to what the gateway states: the one path for every kind of line.

    answers ─▶ DeviceStating ─▶ SensorStating ─outcome─▶ worth sending? ─Reading─▶ queue

A device that does not answer is said to be silent, once and then with each heartbeat; its last
weight is never said again in its place. When the queue is full this waits: better a question less
than an answer lost.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edge_agent.core import sightings
from edge_agent.core.count import CounterState, counted
from edge_agent.core.reading import (
    BECAUSE_CHARS_MAX,
    Answer,
    Condition,
    CounterValue,
    Fault,
    Identity,
    Outcome,
    Reading,
    Restarted,
    Sample,
    Sighted,
    Sighting,
    Told,
    Total,
    Weight,
)
from edge_agent.core.report import Reported, ReportLimits, worth_sending
from edge_agent.core.settle import SettleLimits, Settling
from edge_agent.settings import Device, Sensor

PUT_S = 0.5  # how long a full queue may delay the notice of a stop
REOPEN_S_MIN = 0.25
REOPEN_S_MAX = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """`wall_ms` stamps readings; `monotonic_ms` measures; `trusted` says if the wall can be."""

    wall_ms: Callable[[], int]
    monotonic_ms: Callable[[], int]
    trusted: Callable[[], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlet:
    """Where readings go, and what time it is there."""

    readings: queue.Queue[Reading]
    stop: threading.Event
    clock: Clock

    def put(self, reading: Reading) -> None:
        waited = False
        while True:
            stopping = self.stop.is_set()
            try:
                self.readings.put(reading, timeout=PUT_S)
            except queue.Full:
                if stopping:
                    log.warning("%s: stopped with a reading not yet kept", reading.sensor)
                    return
                if not waited:
                    log.warning("%s: the spool does not keep up, polling waits", reading.sensor)
                waited = True
            else:
                return


class Reopening:
    """When a port that was lost may be tried again: slower each time, but for ever."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._losses = 0
        self._open_at_ms = 0
        self.because = f"{name} is not there"

    @property
    def is_due(self) -> bool:
        return self._clock.monotonic_ms() >= self._open_at_ms

    def lost(self, because: str) -> None:
        if self._losses == 0:  # once, until it has answered again
            log.warning("%s", because)
        self.because = because
        delay_s = min(REOPEN_S_MAX, REOPEN_S_MIN * 2 ** min(self._losses, 10))
        self._open_at_ms = self._clock.monotonic_ms() + round(delay_s * 1000)
        self._losses += 1

    def heard(self) -> None:
        """Only an answer proves the port: one that opens and dies again is still tried slower."""
        self._losses = 0


class SensorStating:
    """One measuring point: what it answered, in order, to readings."""

    def __init__(self, sensor: Sensor, outlet: Outlet, counter: CounterState | None = None) -> None:
        self.sensor = sensor
        self._outlet = outlet
        self._settling = Settling(
            SettleLimits(
                samples=sensor.settle_samples,
                band_mg=sensor.settle_mg,
                held_s=sensor.settle_s,
                unstable_after_s=sensor.unstable_after_s,
            )
        )
        self._report = ReportLimits(deadband_mg=sensor.deadband_mg, heartbeat_s=sensor.heartbeat_s)
        self._reported: Reported | None = None
        self._counter = counter
        self._presences = sightings.Presences(
            sightings.SightingRules(
                confirm_reads=sensor.confirm_reads,
                absent_after_ms=round(sensor.absent_after_s * 1000),
                ignored=frozenset(sensor.ignore),
            )
        )
        self._scans = sightings.Scans(sensor.same_scan_ms)
        self._was_blind = False

    @property
    def counter(self) -> CounterState | None:
        """What the next difference is taken from."""
        return self._counter

    def hear(self, answer: Sample | Fault | CounterValue | Sighting, at_ms: int) -> None:
        """`at_ms` is the wall clock's, and becomes the reading's."""
        self.see_again()
        match answer:
            case Sample() | Fault():
                outcome = self._settling.feed(answer, self._now_ms())
                if outcome is not None:
                    self.state(outcome, at_ms)
            case CounterValue():
                self._settling.reset()
                self._count(answer, at_ms)
            case Sighting():
                self._settling.reset()
                self._sight(answer, at_ms)

    def reset(self) -> None:
        self._settling.reset()

    def be_silent(self, condition: Condition, at_ms: int) -> None:
        """Nothing is known of it: neither is what lay there confirmed, nor is it gone."""
        self._settling.reset()
        self._was_blind = True
        self.state(condition, at_ms)

    def see_again(self) -> None:
        """While nobody could see, no tag can have become absent by not being read."""
        if self._was_blind:
            self._was_blind = False
            self._presences.resume(self._now_ms())

    def pass_time(self, at_ms: int) -> None:
        """The device could have spoken: what it did not read for long enough is gone."""
        if not self._was_blind:
            self._state_changes(self._presences.passed(self._now_ms()), at_ms)

    def state(self, outcome: Outcome, at_ms: int) -> None:
        """Hand it on, when it is worth it."""
        if isinstance(outcome, Condition):
            outcome = replace(outcome, because=outcome.because[:BECAUSE_CHARS_MAX])
        now_ms = self._now_ms()
        if not worth_sending(self._reported, outcome, now_ms, self._report):
            return
        self._log_change(outcome)
        reading = Reading(
            sensor=self.sensor.name,
            measured_ms=at_ms,
            clock_trusted=self._outlet.clock.trusted(),
            outcome=outcome,
        )
        self._outlet.put(reading)
        self._reported = Reported(outcome=outcome, at_ms=now_ms)

    def _count(self, answer: CounterValue, at_ms: int) -> None:
        before = self._counter
        step = counted(before, answer.value, width=answer.width, step_max=self.sensor.step_max)
        self._counter = step.state
        if step.step == "restarted":
            was = before.value if before else 0
            because = f"the counter went from {was} to {answer.value}: it counts on from there"
            self.state(Condition(condition="restarted", because=because), at_ms)
        # After a restart too, and at once: this is what carries the new base through a power cut.
        self.state(Total(total=step.state.total, counter=step.state), at_ms)

    def _sight(self, sighting: Sighting, at_ms: int) -> None:
        now_ms = self._now_ms()
        if sighting.kind == "tag":
            self._state_changes(self._presences.read(sighting.code, now_ms), at_ms)
        elif sighting.code not in self.sensor.ignore and self._scans.is_new(sighting.code, now_ms):
            self.state(Sighted(code=sighting.code, change="scanned"), at_ms)

    def _state_changes(self, changes: Sequence[sightings.Sighted], at_ms: int) -> None:
        for change in changes:
            self.state(Sighted(code=change.tag, change=change.change), at_ms)

    def _now_ms(self) -> int:
        return self._outlet.clock.monotonic_ms()

    def _log_change(self, outcome: Outcome) -> None:
        before = _condition_of(self._reported.outcome) if self._reported else None
        after = _condition_of(outcome)
        if after == before:
            return
        if isinstance(outcome, Condition):
            log.warning("%s: %s, %s", self.sensor.name, outcome.condition, outcome.because)
        else:
            does = {Weight: "weighs", Total: "counts", Sighted: "sees"}[type(outcome)]
            log.info("%s: %s again after %s", self.sensor.name, does, before)


class DeviceStating:
    """One device with its sensors: who it is, whether it answers, and what."""

    def __init__(
        self,
        device: Device,
        outlet: Outlet,
        counters: Mapping[str, CounterState],
        *,
        remember_identity: bool = False,
    ) -> None:
        """`remember_identity`: where none was set, the first one heard is the one to stay."""
        self.sensors = {
            sensor.name: SensorStating(sensor, outlet, counters.get(sensor.name))
            for sensor in device.sensors
        }
        self._outlet = outlet
        self._wanted = device.serial_number
        self._remember = remember_identity
        self._misses = 0
        self._only_noise = True
        self.identified = not self.wants_identity

    @property
    def wants_identity(self) -> bool:
        return self._wanted is not None or self._remember

    @property
    def names(self) -> str:
        return ", ".join(self.sensors)

    def opened(self) -> None:
        """After a plug it may be another device: nothing it says counts before it is known."""
        self.identified = not self.wants_identity
        self._reset()

    def hear(self, answers: Sequence[Answer], at_ms: int) -> None:
        """`answers` belong together, oldest first. Of several weights only the newest counts."""
        if answers:
            self._misses, self._only_noise = 0, True
        for answer in _newest(answers):
            match answer:
                case Identity():
                    self._check_identity(answer, at_ms)
                case Restarted():
                    self._reset()
                case Told():
                    for sensor in self.sensors.values():
                        sensor.reset()
                        sensor.see_again()
                case _ if self.identified:
                    self.sensors[answer.sensor].hear(answer, at_ms)

    def fault_all(self, because: str, at_ms: int) -> None:
        """It answers, but with a refusal: of each of its sensors that is to be said."""
        self._misses, self._only_noise = 0, True
        for name, sensor in self.sensors.items():
            why = because[:BECAUSE_CHARS_MAX]
            sensor.hear(Fault(sensor=name, condition="fault", because=why), at_ms)

    def miss(self, because: str, at_ms: int, *, unread: str = "") -> None:
        """No answer this time. `unread` says why what came was none, if anything came."""
        if self._outlet.stop.is_set():  # it was not given its time, so nothing can be said of it
            return
        self._misses += 1
        self._only_noise = self._only_noise and bool(unread)
        if self._only_noise:
            because = f"it answers, but not so that it can be understood: {unread}"
        condition = Condition(condition="fault" if self._only_noise else "silent", because=because)
        for sensor in self.sensors.values():
            if self._misses >= sensor.sensor.silent_after:
                self.identified = not self.wants_identity  # the cable may have been moved meanwhile
                sensor.be_silent(condition, at_ms)

    def pass_time(self, at_ms: int) -> None:
        for sensor in self.sensors.values():
            sensor.pass_time(at_ms)

    def _reset(self) -> None:
        for sensor in self.sensors.values():
            sensor.reset()

    def _check_identity(self, identity: Identity, at_ms: int) -> None:
        """It has just restarted, or was asked: what it weighed before no longer counts."""
        self._reset()
        said = identity.serial_number
        if self._remember and self._wanted is None:
            self._wanted = said
        known, self.identified = self.identified, self._wanted is None or self._wanted == said
        if self.identified:
            if not known or self._wanted is None:
                log.info("%s: the device is %s", self.names, said)
            return
        because = f"this is another device: {said!r}, expected {self._wanted!r}"
        for sensor in self.sensors.values():
            sensor.state(Condition(condition="fault", because=because), at_ms)


def _newest(answers: Sequence[Answer]) -> list[Answer]:
    """Every sighting counts; of weights and counts, only the last: the others are older."""
    last = {
        answer.sensor: place
        for place, answer in enumerate(answers)
        if isinstance(answer, Sample | Fault | CounterValue)
    }
    return [
        answer
        for place, answer in enumerate(answers)
        if not isinstance(answer, Sample | Fault | CounterValue) or last[answer.sensor] == place
    ]


def _condition_of(outcome: Outcome) -> str | None:
    return outcome.condition if isinstance(outcome, Condition) else None
