"""From what a device answered to what the gateway states: the one path for every kind of line.

    answers ─▶ DeviceStating ─▶ SensorStating ─outcome─▶ worth sending? ─Reading─▶ queue

A device that does not answer is said to be silent, once and then with each heartbeat; its last
weight is never said again in its place. When the queue is full this waits: better a question less
than an answer lost.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from edge_agent.core import sightings
from edge_agent.core.count import CounterState, Pace, counted
from edge_agent.core.reading import (
    BECAUSE_CHARS_MAX,
    Answer,
    Condition,
    CounterValue,
    Fault,
    Identity,
    Outcome,
    Pieces,
    Reading,
    Restarted,
    Sample,
    Sighted,
    Sighting,
    Told,
    Total,
    Weight,
)
from edge_agent.core.remembered import Remembered
from edge_agent.core.report import Reported, ReportLimits, worth_sending
from edge_agent.core.settle import SettleLimits, Settling
from edge_agent.loops.taken import Taken
from edge_agent.settings import Device, Sensor

PUT_S = 0.5  # how long a full queue may delay the notice of a stop
REOPEN_S_MIN = 0.25
REOPEN_S_MAX = 5.0

_DOES = {Weight: "weighs", Total: "counts", Sighted: "sees", Condition: "can be read"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """`wall_ms` stamps readings and never jumps; `monotonic_ms` measures; `trusted`: the stamps."""

    wall_ms: Callable[[], int]
    monotonic_ms: Callable[[], int]
    trusted: Callable[[], bool]


class Outlet:
    """Where the readings of one poll loop go, and what time it is there."""

    def __init__(self, *, readings: Taken, stop: threading.Event, clock: Clock) -> None:
        self.readings = readings
        self.stop = stop
        self.clock = clock
        self._together: list[Reading] | None = None

    def put(self, reading: Reading) -> None:
        if self._together is not None:
            self._together.append(reading)
        else:
            self._hand_on([reading])

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is put meanwhile is handed on at the end: one answer costs one write."""
        self._together = []
        try:
            yield
        finally:
            readings, self._together = self._together, None
            if readings:
                self._hand_on(readings)

    def _hand_on(self, readings: list[Reading]) -> None:
        waited = False
        while True:
            stopping = self.stop.is_set()
            try:
                self.readings.put_all(readings, PUT_S)
            except queue.Full:
                if stopping:
                    log.warning("%s: stopped with a reading not yet kept", readings[0].sensor)
                    return
                if not waited:
                    log.warning("%s: the spool does not keep up, polling waits", readings[0].sensor)
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

    def __init__(
        self, sensor: Sensor, outlet: Outlet, remembered: Remembered, *, poll_ms: int
    ) -> None:
        self.sensor = sensor
        self._outlet = outlet
        self.identity = remembered.identities.get(sensor.name)
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
        self._counter = remembered.counters.get(sensor.name)
        self._counted_ms: int | None = None
        most = sensor.step_max
        self._pace = Pace(step_max=most, interval_ms=poll_ms) if most is not None else None
        self._presences = sightings.Presences(
            sightings.SightingRules(
                confirm_reads=sensor.confirm_reads,
                absent_after_ms=round(sensor.absent_after_s * 1000),
                ignored=frozenset(sensor.ignore),
            )
        )
        self._presences.remember(remembered.tags.get(sensor.name, ()), self._now_ms())
        self._scans = sightings.Scans(sensor.same_scan_ms)
        self._was_blind = True

    @property
    def counter(self) -> CounterState | None:
        """What the next difference is taken from."""
        return self._counter

    def hear(self, answer: Sample | Fault | Pieces | CounterValue | Sighting, at_ms: int) -> None:
        """`at_ms` is the wall clock's, and becomes the reading's."""
        self._see_again()
        match answer:
            case Sample() | Fault():
                outcome = self._settling.feed(answer, self._now_ms())
                if outcome is not None:
                    self.state(outcome, at_ms)
            case Pieces():
                self.hear(_without_a_weight(answer), at_ms)
            case CounterValue():
                self._settling.reset()
                self._count(answer, at_ms)
            case Sighting():
                self._settling.reset()
                self._sight(answer, at_ms)
                self._be_back(at_ms)

    def hear_nothing_new(self, at_ms: int) -> None:
        """It works, and there is no tag or code: what was wrong before is over."""
        self._settling.reset()
        self._see_again()
        self._be_back(at_ms)

    def reset(self) -> None:
        self._settling.reset()

    def be_silent(self, condition: Condition, at_ms: int) -> None:
        """Nothing is known of it: neither is what lay there confirmed, nor is it gone."""
        self._settling.reset()
        self._was_blind = True
        self.state(condition, at_ms)

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
            identity=self.identity,
        )
        self._outlet.put(reading)
        self._reported = Reported(outcome=outcome, at_ms=now_ms)

    def _see_again(self) -> None:
        """While nobody could see, no tag can have become absent by not being read."""
        if self._was_blind:
            self._was_blind = False
            self._presences.resume(self._now_ms())

    def _be_back(self, at_ms: int) -> None:
        """A number ends a condition by being one; a tag that lies there as before says nothing."""
        last = self._reported.outcome if self._reported else None
        if isinstance(last, Condition) and last.condition != "back":
            because = f"it can be read again, after it was {last.condition}"
            self.state(Condition(condition="back", because=because), at_ms)

    def _count(self, answer: CounterValue, at_ms: int) -> None:
        before, now_ms = self._counter, self._now_ms()
        step = counted(
            before,
            answer.value,
            width=answer.width,
            elapsed_ms=now_ms - self._counted_ms if self._counted_ms is not None else None,
            pace=self._pace,
        )
        self._counter, self._counted_ms = step.state, now_ms
        if before is not None and step.step == "restarted":
            because = _of_a_restart(before.value, answer, self._pace)
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
        if after is not None and isinstance(outcome, Condition):
            log.warning("%s: %s, %s", self.sensor.name, outcome.condition, outcome.because)
        else:
            does = _DOES[type(outcome)]
            log.info("%s: %s again after %s", self.sensor.name, does, before)


class DeviceStating:
    """One device with its sensors: who it is, whether it answers, and what."""

    def __init__(
        self,
        device: Device,
        outlet: Outlet,
        remembered: Remembered,
        *,
        remember_identity: bool = False,
    ) -> None:
        """`remember_identity`: where none was set, the first one heard is the one to stay.

        In this life of the agent or an earlier one: another is believed when the settings name it.
        """
        self.sensors = {
            sensor.name: SensorStating(
                sensor, outlet, remembered, poll_ms=round(device.poll_s * 1000)
            )
            for sensor in device.sensors
        }
        self._outlet = outlet
        kept = next((sensor.identity for sensor in self.sensors.values() if sensor.identity), None)
        self._wanted = device.serial_number or (kept if remember_identity else None)
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
                    if self.identified:
                        self.hear_nothing_new(at_ms)
                case _ if self.identified:
                    self.sensors[answer.sensor].hear(answer, at_ms)

    def hear_nothing_new(self, at_ms: int) -> None:
        for sensor in self.sensors.values():
            sensor.hear_nothing_new(at_ms)

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
            if self._remember:
                for sensor in self.sensors.values():
                    sensor.identity = said
            return
        because = (
            f"this is another device: {said!r}, expected {self._wanted!r}. If it is to stay, "
            "say so in the settings: serial_number"
        )
        for sensor in self.sensors.values():
            sensor.state(Condition(condition="fault", because=because), at_ms)


def _without_a_weight(pieces: Pieces) -> Fault:
    because = (
        f"it shows {pieces.count} pieces and no weight: set the scale to show or send its weight, "
        "the pieces are reckoned from that"
    )
    return Fault(sensor=pieces.sensor, condition="fault", because=because)


def _newest(answers: Sequence[Answer]) -> list[Answer]:
    """Every sighting counts; of weights and counts, only the last: the others are older.

    Pieces count only where nothing else was said.
    """
    last: dict[str, Answer] = {}
    for answer in answers:
        match answer:
            case Sample() | Fault() | CounterValue():
                last[answer.sensor] = answer
            case Pieces():
                last.setdefault(answer.sensor, answer)
    return [
        answer
        for answer in answers
        if not isinstance(answer, Sample | Fault | Pieces | CounterValue)
        or last[answer.sensor] is answer
    ]


def _of_a_restart(was: int, answer: CounterValue, pace: Pace | None) -> str:
    told = f"the counter went from {was} to {answer.value}, and counts on from there"
    if answer.value > was:
        return f"{told}: more than step_max allows, so it restarted or is another device"
    through_zero = answer.value - was + (1 << answer.width)
    hint = "" if pace else ", unless step_max says that they can be"
    return f"{told}: it restarted, as {through_zero} through zero are too many{hint}"


def _condition_of(outcome: Outcome) -> str | None:
    """What is wrong; None when nothing is."""
    if isinstance(outcome, Condition) and outcome.condition != "back":
        return outcome.condition
    return None
