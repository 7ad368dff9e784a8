"""The loop over a fake cable with a clock of its own, and over real ptys and real scales."""

import itertools
import json
import logging
import os
import re
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent import profiles
from edge_agent.core.reading import Condition, Reading, Sighted, Weight
from edge_agent.core.remembered import Remembered
from edge_agent.core.turns import Turn
from edge_agent.drivers.base import Answer
from edge_agent.drivers.declared_serial import DeclaredSerial
from edge_agent.framing.checks import CHECKS
from edge_agent.framing.echo import MISSING
from edge_agent.loops.clock import monotonic_ms, wall_ms
from edge_agent.loops.poll import REOPEN_S_MAX, Clock, LineDevice, Poller
from edge_agent.loops.pollers import poller_for
from edge_agent.loops.stating import DeviceStating, Outlet
from edge_agent.loops.taken import Taken
from edge_agent.settings import Device, Port, Sensor
from edge_agent.simulated.running import SimulatedSite, port_path
from edge_agent.simulated.site import BinScale, CountingScale, SitePlan
from edge_agent.transports.base import PortGone

READ_MS = 50
BOOTED_MS = 1_795_000_000_000


class FakeTime:
    def __init__(self) -> None:
        self.ms = 0

    def clock(self) -> Clock:
        return Clock(
            wall_ms=lambda: BOOTED_MS + self.ms, monotonic_ms=lambda: self.ms, trusted=lambda: True
        )


class FakeCable:
    """A line to a scale that answers what `says` says; unplugged while `says` is None."""

    name = "/dev/fake"

    def __init__(self, time: FakeTime) -> None:
        self.time = time
        self.says: Callable[[bytes], bytes] | None = lambda _: b"S S        1.0 g\r\n"
        self.is_open = False
        self.opened_at_ms: list[int] = []
        self.asked: list[bytes] = []
        self._waiting = b""

    def open(self) -> None:
        self.opened_at_ms.append(self.time.ms)
        self._plugged()
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def flush(self) -> None:
        self._plugged()
        self._waiting = b""

    def write(self, request: bytes) -> None:
        self.asked.append(request)
        self._waiting += in_ten_columns(self._plugged()(request))

    def read(self) -> bytes:
        self._plugged()
        # A line at a time, as a slow cable brings them.
        head, end, self._waiting = self._waiting.partition(b"\n")
        received = head + end
        self.time.ms += 1 if received else READ_MS
        return received

    def come_late(self, line: bytes) -> None:
        self._waiting += in_ten_columns(line)

    def _plugged(self) -> Callable[[bytes], bytes]:
        if self.says is None:
            self.is_open = False
            raise PortGone("/dev/fake is gone")
        return self.says


def in_ten_columns(said: bytes) -> bytes:
    """As a scale right-aligns what the tests write short: `S S        1.0 g`."""
    return re.sub(rb"S ([SD]) (\S+) ", lambda found: b"S %b %10b " % found.groups(), said)


DEVICE_KEYS = ("poll_s", "serial_number")


class Bench:
    """A poller with its cable, its clock, and what it has stated so far."""

    def __init__(
        self,
        profile: str = "mt_sics",
        addresses: tuple[str, ...] = ("",),
        parameters: dict[str, str] | None = None,
        *,
        local_echo: bool = False,
        **settings: object,
    ) -> None:
        self.time = FakeTime()
        self.cable = FakeCable(self.time)
        self.readings = Taken(1_000)
        of_device = {key: settings.pop(key) for key in DEVICE_KEYS if key in settings}
        self.poll_s = float(of_device.get("poll_s", 0.5))
        self.outlet = Outlet(
            readings=self.readings, stop=threading.Event(), clock=self.time.clock()
        )
        self.devices = []
        for at, address in enumerate(addresses, 1):
            given = (parameters or {}) | ({"address": address} if address else {})
            name = f"s{at:02d}"
            sensor = Sensor(name=name, **({"deadband_mg": 500, "settle_samples": 1} | settings))
            device = Device(profile=profile, sensors=(sensor,), **of_device)
            self.devices.append(
                LineDevice(
                    driver=DeclaredSerial(profiles.load(profile, given), {0: name}),
                    stating=DeviceStating(device, self.outlet, Remembered()),
                    poll_ms=round(self.poll_s * 1000),
                    reply_timeout_ms=200,
                    turn=Turn(interval_ms=round(self.poll_s * 1000), due_ms=0),
                )
            )
        self.poller = Poller(
            transport=self.cable,
            devices=self.devices,
            outlet=self.outlet,
            local_echo=local_echo,
        )

    def turns(self, count: int) -> list[Reading]:
        for _ in range(count):
            started_ms = self.time.ms
            self.poller.turn()
            self.time.ms = max(self.time.ms, started_ms + round(self.poll_s * 1000))
        stated = []
        while not self.readings.empty():
            stated.append(self.readings.get())
        return stated

    def outcomes(self, count: int) -> list[int | str]:
        return [short(reading) for reading in self.turns(count)]

    def listen(self, ms: int) -> list[Reading]:
        """A device that speaks by itself is given so long to do so."""
        end_ms = self.time.ms + ms
        stated = []
        while self.time.ms < end_ms:
            self.poller.turn()
            while not self.readings.empty():
                stated.append(self.readings.get())
        return stated

    def heard(self, ms: int) -> list[int | str]:
        return [short(reading) for reading in self.listen(ms)]


def short(reading: Reading) -> int | str:
    match reading.outcome:
        case Weight(weight_mg=weight_mg):
            return weight_mg
        case Condition(condition=condition):
            return condition
        case Sighted(code=code, change=change):
            return f"{code} {change}"
    raise AssertionError(reading)


def say(line: bytes) -> Callable[[bytes], bytes]:
    return lambda _: line + b"\r\n"


def test_a_steady_weight_is_stated_once_and_then_with_each_heartbeat() -> None:
    bench = Bench(poll_s=1.0, heartbeat_s=60.0)
    assert bench.outcomes(60) == [1_000]
    assert bench.outcomes(60) == [1_000]


def test_a_change_beyond_the_deadband_is_stated_and_a_smaller_one_is_not() -> None:
    bench = Bench()
    assert bench.outcomes(3) == [1_000]
    bench.cable.says = say(b"S S        1.4 g")
    assert bench.outcomes(3) == []
    bench.cable.says = say(b"S S        1.5 g")
    assert bench.outcomes(3) == [1_500]


def test_a_reading_is_stamped_with_when_the_scale_was_asked() -> None:
    bench = Bench()
    bench.cable.says = lambda _: b""
    original_read = bench.cable.read

    def slow_read() -> bytes:
        bench.time.ms += 150
        bench.cable.come_late(b"S S        1.0 g\r\n")
        return original_read()

    bench.cable.read = slow_read  # type: ignore[method-assign] # a slow cable
    [reading] = bench.turns(1)
    assert reading.measured_ms == BOOTED_MS


def test_an_answer_to_an_older_question_is_thrown_away() -> None:
    bench = Bench()
    bench.turns(1)
    bench.cable.come_late(b"S S      900.0 g\r\n")
    assert bench.outcomes(3) == []


def test_half_an_answer_does_not_join_the_next() -> None:
    bench = Bench(deadband_mg=0)
    bench.cable.says = lambda _: b"S S 1"
    assert bench.outcomes(1) == []
    bench.cable.says = say(b"S S        2.0 g")
    assert bench.outcomes(1) == [2_000]


def test_a_hand_on_the_scale_states_nothing() -> None:
    bench = Bench()
    bench.turns(1)
    bench.cable.says = say(b"S D       77.0 g")
    assert bench.outcomes(20) == []


def test_silence_is_said_once_and_with_each_heartbeat_and_its_end_too() -> None:
    bench = Bench(poll_s=1.0, silent_after=3, heartbeat_s=60.0)
    assert bench.outcomes(1) == [1_000]
    bench.cable.says = lambda _: b""
    assert bench.outcomes(2) == []
    assert bench.outcomes(1) == ["silent"]
    assert bench.outcomes(59) == []
    assert bench.outcomes(1) == ["silent"]
    bench.cable.says = say(b"S S        1.0 g")
    assert bench.outcomes(5) == [1_000]


def test_after_silence_old_answers_do_not_help_to_settle() -> None:
    bench = Bench(settle_samples=2)
    bench.turns(1)
    bench.cable.says = lambda _: b""
    bench.turns(3)
    bench.cable.says = say(b"S S        1.0 g")
    assert bench.outcomes(1) == []
    assert bench.outcomes(1) == [1_000]


def test_a_pulled_cable_is_silence_and_is_opened_again_when_it_is_back() -> None:
    bench = Bench()
    bench.turns(1)
    bench.cable.says = None
    [said] = bench.turns(20)
    assert isinstance(said.outcome, Condition)
    assert said.outcome == Condition(condition="silent", because="/dev/fake is gone")
    bench.cable.says = say(b"S S        1.0 g")
    assert bench.outcomes(round(REOPEN_S_MAX / bench.poll_s) + 1) == [1_000]


def test_a_port_that_stays_away_is_tried_again_slower_but_for_ever() -> None:
    bench = Bench(poll_s=0.1)
    bench.cable.says = None
    bench.turns(600)
    tries = bench.cable.opened_at_ms
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert pauses[0] < 500
    assert max(pauses) <= REOPEN_S_MAX * 1000 + 100
    assert len(tries) > 10


def test_a_port_that_dies_at_each_question_is_tried_slower_too() -> None:
    bench = Bench(poll_s=0.1)

    def die(_: bytes) -> bytes:
        bench.cable.is_open = False
        raise PortGone("/dev/fake is gone")

    bench.cable.says = die
    bench.turns(600)
    assert len(bench.cable.opened_at_ms) < 30


def test_overload_is_said_and_its_end_too() -> None:
    bench = Bench(settle_samples=2)
    assert bench.outcomes(3) == [1_000]
    bench.cable.says = say(b"S +")
    assert bench.outcomes(5) == ["overload"]
    bench.cable.says = say(b"S S        1.0 g")
    assert bench.outcomes(5) == [1_000]


def test_a_reason_is_cut_to_what_the_wire_takes() -> None:
    bench = Bench()
    bench.cable.name = "/dev/" + "x" * 300
    bench.cable.says = lambda _: b""
    [silent] = bench.turns(3)
    assert isinstance(silent.outcome, Condition)
    assert len(silent.outcome.because) == 200


class Named:
    """A scale with a serial number."""

    def __init__(self, serial_number: bytes) -> None:
        self.serial_number = serial_number

    def __call__(self, request: bytes) -> bytes:
        named = b'I4 A "%s"\r\n' % self.serial_number
        return named if request == b"I4\r\n" else b"S S        1.0 g\r\n"


def test_another_scale_on_the_cable_is_a_fault_until_the_right_one_is_back() -> None:
    bench = Bench(serial_number="B1")
    bench.cable.says = Named(b"B2")
    [fault] = bench.turns(5)
    assert isinstance(fault.outcome, Condition)
    assert fault.outcome.condition == "fault"
    assert "'B2', expected 'B1'" in fault.outcome.because
    assert b"SI\r\n" not in bench.cable.asked
    bench.cable.says = Named(b"B1")
    assert bench.outcomes(3) == [1_000]


def test_after_each_plug_the_scale_is_asked_who_it_is_before_it_counts() -> None:
    bench = Bench(serial_number="B1")
    bench.cable.says = Named(b"B1")
    assert bench.outcomes(3) == [1_000]
    bench.cable.says = None
    assert bench.outcomes(5) == ["silent"]
    bench.cable.says = Named(b"B2")
    assert bench.outcomes(20) == ["fault"]


def test_a_scale_that_does_not_say_who_it_is_is_silent_when_that_matters() -> None:
    bench = Bench(serial_number="B1")
    bench.cable.says = say(b"S S        1.0 g")
    assert bench.outcomes(5) == ["silent"]


def test_a_restart_notice_starts_the_settling_anew() -> None:
    bench = Bench(settle_samples=2)
    bench.turns(1)
    bench.cable.says = say(b'I4 A "B1"')
    assert bench.outcomes(1) == []
    bench.cable.says = say(b"S S        1.0 g")
    assert bench.outcomes(1) == []
    assert bench.outcomes(1) == [1_000]


def test_a_full_queue_makes_the_loop_wait_and_costs_no_reading() -> None:
    bench = Bench(deadband_mg=0, poll_s=0.01)
    small = Taken(1)
    for sensor in bench.devices[0].stating.sensors.values():
        sensor._outlet = Outlet(readings=small, stop=bench.outlet.stop, clock=bench.time.clock())
    weights = iter(range(1, 100))
    bench.cable.says = lambda _: b"S S %10d mg\r\n" % next(weights)
    loop = threading.Thread(target=bench.poller.run, daemon=True)
    loop.start()
    taken = [short(small.get(timeout=10)) for _ in range(5)]
    bench.outlet.stop.set()
    loop.join(5)
    assert not loop.is_alive()
    assert taken == [1, 2, 3, 4, 5]


def test_a_defect_ends_the_thread_with_its_trace_and_closes_the_port(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    class Broken(DeclaredSerial):
        def feed(self, received: bytes) -> list[Answer]:
            raise ZeroDivisionError

    bench.devices[0].driver = Broken(profiles.load("mt_sics"), {0: "s01"})
    loop = threading.Thread(target=bench.poller.run)
    loop.start()
    loop.join(5)
    assert not loop.is_alive()
    assert not bench.cable.is_open
    assert "ZeroDivisionError" in caplog.text


def test_a_stop_still_takes_the_answer_that_is_there() -> None:
    bench = Bench()
    bench.outlet.stop.set()
    assert bench.outcomes(1) == [1_000]


def test_a_stop_in_the_middle_of_a_question_does_not_make_the_scale_silent() -> None:
    bench = Bench(silent_after=1)
    bench.cable.says = lambda _: b""
    bench.outlet.stop.set()
    assert bench.outcomes(1) == []


def test_the_log_tells_of_changes_and_not_of_every_poll(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench()
    bench.turns(50)
    bench.cable.says = lambda _: b""
    bench.turns(50)
    bench.cable.says = say(b"S S        1.0 g")
    bench.turns(50)
    assert [record.getMessage() for record in caplog.records] == [
        "opened /dev/fake",
        "s01: silent, no answer on /dev/fake",
        "s01: weighs again after silent",
    ]


# Lines that are no weight.


def test_a_device_that_answers_nonsense_is_a_fault_and_says_why() -> None:
    bench = Bench()
    bench.cable.says = say(b"x?z")
    [fault] = bench.turns(10)
    assert isinstance(fault.outcome, Condition)
    assert fault.outcome.condition == "fault"
    assert "not so that it can be understood: not understood" in fault.outcome.because


def test_nonsense_and_silence_in_turn_are_not_said_over_and_over() -> None:
    bench = Bench()
    answers = itertools.cycle([b"x?z\r\n", b""])
    bench.cable.says = lambda _: next(answers)
    assert bench.outcomes(100) == ["silent"]


def test_a_busy_scale_is_not_silent_and_only_unstable_after_long() -> None:
    bench = Bench(poll_s=1.0, unstable_after_s=30.0)
    bench.cable.says = say(b"S I")
    assert bench.outcomes(29) == []
    assert bench.outcomes(5) == ["unstable"]


# An adapter that hears itself.


def test_an_echo_is_taken_off_and_the_answer_behind_it_is_read() -> None:
    bench = Bench(local_echo=True)
    bench.cable.says = lambda request: request + b"S S        1.0 g\r\n"
    assert bench.outcomes(3) == [1_000]
    assert bench.devices[0].driver.counts["discard"] == 0


def test_a_missing_echo_is_told_from_a_missing_answer() -> None:
    bench = Bench(local_echo=True)
    bench.cable.says = lambda request: request
    [deaf] = bench.turns(3)
    bench.cable.says = lambda _: b""
    *_, mute = bench.turns(200)
    assert [reading.outcome.because for reading in (deaf, mute)] == [
        f"no answer on {bench.cable.name}",
        f"on {bench.cable.name} {MISSING}",
    ]


# Counting scales.

COUNTED = b"QT,+00000012 PC\r\n"
WEIGHED = b"ST,+00012.00  g\r\n"


def test_of_a_record_with_pieces_and_a_weight_the_weight_counts() -> None:
    bench = Bench("and_standard")
    bench.cable.says = lambda _: COUNTED + WEIGHED
    assert bench.outcomes(3) == [12_000]


def test_pieces_alone_are_a_fault_that_says_what_to_do() -> None:
    bench = Bench("and_standard")
    bench.cable.says = lambda _: COUNTED
    [fault] = bench.turns(1)
    assert fault.outcome == Condition(
        condition="fault",
        because="it shows 12 pieces and no weight: set the scale to show or send its weight, "
        "the pieces are reckoned from that",
    )


# Several devices on one line.


def on_one_line(dead: str = "") -> Bench:
    bench = Bench("dini_argeo", ("01", "02"), poll_s=0.5)

    def answers(request: bytes) -> bytes:
        address = request[:2]
        if address.decode() == dead:
            return b""
        return address + b"ST,GS,   %s.00, g\r\n" % address

    bench.cable.says = answers
    return bench


def test_devices_on_one_line_take_turns_and_each_states_its_own() -> None:
    bench = on_one_line()
    stated = {(reading.sensor, short(reading)) for reading in bench.turns(10)}
    assert stated == {("s01", 1_000), ("s02", 2_000)}
    assert bench.cable.asked[:4] == [b"01READ\r\n", b"02READ\r\n"] * 2


def test_a_dead_device_on_the_line_is_asked_rarely_and_the_other_as_before() -> None:
    bench = on_one_line(dead="02")
    stated = bench.turns(60)
    assert ("s02", "silent") in [(reading.sensor, short(reading)) for reading in stated]
    assert bench.cable.asked.count(b"02READ\r\n") <= 4
    assert bench.cable.asked.count(b"01READ\r\n") >= 50


def test_an_answer_with_the_address_of_another_is_nobodys() -> None:
    bench = on_one_line()
    bench.cable.says = lambda _: b"02ST,GS,    9.00, g\r\n"
    assert {reading.sensor for reading in bench.turns(20) if short(reading) == 9_000} == {"s02"}


# Devices that speak by themselves.


def frame(grams: str, flag: str = "ST") -> bytes:
    return f"{flag},GS,{grams:>8} g\r\n".encode()


def streaming(**settings: object) -> Bench:
    bench = Bench("st_gs", **settings)
    bench.poller.turn()  # opens
    return bench


def test_a_stream_is_never_asked_and_its_first_frame_is_dropped() -> None:
    bench = streaming(poll_s=0.05)
    bench.cable.come_late(b"GS,     9.0 g\r\n" + frame("1.0"))
    assert bench.heard(200) == [1_000]
    assert bench.cable.asked == []


def test_half_a_number_at_the_start_of_a_stream_is_never_a_weight() -> None:
    for cut in range(len(frame("123.45"))):
        bench = streaming(poll_s=0.05, deadband_mg=0)
        bench.cable.come_late(frame("123.45")[cut:] + frame("123.45") * 2)
        assert set(bench.heard(300)) <= {123_450}


def test_of_a_stream_that_was_waiting_the_newest_weight_counts() -> None:
    bench = streaming(poll_s=0.5, deadband_mg=0)
    bench.listen(450)
    for step in range(9):
        bench.cable.come_late(frame(f"{step}.0"))
    assert bench.heard(600)[-1] == 8_000


def test_a_streamed_weight_has_the_stamp_of_its_arrival() -> None:
    bench = streaming(poll_s=0.5)
    bench.listen(700)
    bench.cable.come_late(frame("1.0") + frame("1.0"))
    arrived_ms = bench.time.ms
    [reading] = [r for r in bench.listen(700) if isinstance(r.outcome, Weight)]
    assert 0 <= reading.measured_ms - BOOTED_MS - arrived_ms <= 5


def test_two_streamed_weights_that_settle_are_as_far_apart_as_polled_ones() -> None:
    bench = streaming(poll_s=0.5, settle_samples=2)
    bench.listen(100)
    bench.cable.come_late(frame("1.0") * 5)
    assert bench.heard(300) == []


def test_a_stream_that_ends_is_silent_and_weighs_again() -> None:
    bench = streaming(poll_s=0.5, settle_samples=1)
    bench.cable.come_late(frame("1.0") * 2)
    assert bench.heard(3_000) == [1_000, "silent"]
    bench.cable.come_late(frame("1.0") * 2)
    assert bench.heard(600) == [1_000]


def test_what_waited_while_the_loop_was_held_up_is_not_given_the_stamp_of_now() -> None:
    bench = streaming(poll_s=0.1)
    bench.cable.come_late(frame("1.0") * 2)
    assert bench.heard(300) == [1_000]
    bench.cable.come_late(frame("900.0") * 3)
    bench.time.ms += 5_000
    assert 900_000 not in bench.heard(300)


def test_a_streaming_port_that_is_gone_is_silent_and_comes_back() -> None:
    bench = streaming(poll_s=0.5)
    bench.cable.come_late(frame("1.0") * 2)
    assert bench.heard(300) == [1_000]
    bench.cable.says = None
    assert bench.outcomes(10) == ["silent"]
    bench.cable.says = say(b"")
    bench.turns(20)
    bench.cable.come_late(frame("1.0") * 2)
    assert bench.heard(300) == [1_000]


# Readers: silence is normal, and each scan counts.


def test_a_scanner_that_says_nothing_for_an_hour_is_not_silent() -> None:
    assert Bench("barcode").heard(3_600_000 // 10) == []


def test_the_first_scan_after_a_quiet_start_is_whole_and_is_stated() -> None:
    bench = Bench("barcode")
    assert bench.heard(1_000) == []
    bench.cable.come_late(b"]C0R04-B2\r\n")
    assert bench.heard(200) == ["R04-B2 scanned"]


def test_a_scan_that_was_under_way_when_the_port_was_opened_is_dropped() -> None:
    bench = Bench("barcode")
    bench.poller.turn()
    bench.cable.come_late(b"4-B2\r\n")
    assert bench.heard(1_000) == []
    bench.cable.come_late(b"R04-B2\r\n")
    assert bench.heard(200) == ["R04-B2 scanned"]


def test_two_different_scans_in_one_read_are_both_stated() -> None:
    bench = Bench("barcode")
    bench.listen(1_000)
    bench.cable.come_late(b"AAA\rBBB\rAAA\r")
    assert bench.heard(300) == ["AAA scanned", "BBB scanned"]


def test_a_scan_in_two_halves_is_one_scan_however_long_the_pause() -> None:
    bench = Bench("barcode")
    bench.listen(1_000)
    bench.cable.come_late(b"R04")
    bench.listen(2_000)
    bench.cable.come_late(b"-B2\r")
    assert bench.heard(200) == ["R04-B2 scanned"]


_SCANNED = bytes.fromhex("09 00 EE 00 E2 00 34 12")  # a reader left in scan mode: command EE
UNASKED = _SCANNED + CHECKS["crc16_mcrf4xx"](_SCANNED).to_bytes(2, "little")
TAG = bytes.fromhex("02 30 31 30 30 30 34 38 32 35 43 44 42 03")  # 010004825C, check DB


def test_a_tag_is_present_from_its_second_read_and_absent_when_it_is_gone() -> None:
    bench = Bench("rdm6300", confirm_reads=2, absent_after_s=3.0)
    bench.listen(1_000)
    bench.cable.come_late(TAG)
    assert bench.heard(500) == []
    bench.cable.come_late(TAG)
    assert bench.heard(1_000) == ["010004825C present"]
    assert bench.heard(4_000) == ["010004825C absent"]


def test_while_the_reader_is_unplugged_no_tag_becomes_absent() -> None:
    bench = Bench("rdm6300", absent_after_s=3.0)
    bench.listen(1_000)
    bench.cable.come_late(TAG)
    assert bench.heard(500) == ["010004825C present"]
    bench.cable.says = None
    assert bench.outcomes(20) == ["silent"]
    bench.cable.says = say(b"")
    bench.turns(11)
    bench.cable.come_late(TAG)
    assert "010004825C absent" not in bench.heard(1_000)


def test_a_tag_taken_away_while_the_reader_was_unplugged_becomes_absent() -> None:
    """The reader speaks only when there is a tag: an open port is all there is to know."""
    bench = Bench("rdm6300", absent_after_s=3.0)
    bench.listen(1_000)
    bench.cable.come_late(TAG)
    assert bench.heard(500) == ["010004825C present"]
    bench.cable.says = None
    assert bench.outcomes(20) == ["silent"]
    bench.cable.says = say(b"")
    assert bench.outcomes(30) == ["back", "010004825C absent"]


# Either may speak first.


def test_between_two_questions_an_unasked_tag_is_heard_when_it_comes() -> None:
    bench = Bench("uhfreader18", poll_s=5.0)
    bench.cable.says = lambda _: b""
    bench.poller.turn()
    asked = len(bench.cable.asked)
    bench.cable.come_late(UNASKED)
    bench.poller._wait()
    assert [short(bench.readings.get_nowait())] == ["E2003412 present"]
    assert len(bench.cable.asked) == asked


def test_an_unasked_tag_does_not_get_lost_under_a_question() -> None:
    bench = Bench("uhfreader18")
    bench.turns(1)
    bench.cable.come_late(UNASKED)
    bench.cable.says = lambda _: b""
    assert bench.outcomes(1) == ["E2003412 present"]


# From here on: real ptys, pyserial and the loop.


def real_outlet(readings: Taken, stop: threading.Event) -> Outlet:
    clock = Clock(wall_ms=wall_ms, monotonic_ms=monotonic_ms, trusted=lambda: True)
    return Outlet(readings=readings, stop=stop, clock=clock)


class Site:
    """Simulated scales in a thread of their own, and a poller on each of their ports."""

    def __init__(self, folder: Path, plan: SitePlan, ledger: Path) -> None:
        self.folder, self.plan, self.ledger = folder, plan, ledger
        self.readings = Taken(10_000)
        self.stop = threading.Event()
        self.threads: list[threading.Thread] = []
        self.unplug = self.plug()

    def plug(self) -> Callable[[], None]:
        ended = threading.Event()
        simulated = SimulatedSite(
            self.plan,
            self.folder,
            ledger=self.ledger,
            now_s=lambda: monotonic_ms() / 1000,
            wall_ms=wall_ms,
        )

        def live() -> None:
            with simulated:
                while not ended.is_set():
                    simulated.turn()

        thread = threading.Thread(target=live)
        thread.start()

        def unplug() -> None:
            ended.set()
            thread.join(5)

        return unplug

    def poll(self, sensor: str, **settings: object) -> None:
        scale = next(scale for scale in self.plan.scales if scale.sensor == sensor)
        device = Device(
            profile="mt_sics",
            poll_s=0.15,
            sensors=(Sensor(name=sensor, **settings),),
        )
        port = Port(address=str(port_path(self.folder, scale)), devices=(device,))
        poller = poller_for(port, outlet=real_outlet(self.readings, self.stop))
        self.threads.append(threading.Thread(target=poller.run))
        self.threads[-1].start()

    def next(self, wanted: Callable[[Reading], bool]) -> Reading:
        """Later readings until the wanted one; queue.Empty when it does not come."""
        while not wanted(reading := self.readings.get(timeout=15)):
            pass
        return reading

    def close(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()
        self.unplug()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    plan = SitePlan(
        scales=(
            CountingScale(gateway="g", sensor="counting", base_mg=1_000_000, step_mg=1_001),
            BinScale(
                gateway="g",
                sensor="bin",
                unit_weight_ug=4_200_000,
                tare_mg=350_000,
                capacity=2_000,
                pieces=1_000,
            ),
        )
    )
    made = Site(tmp_path / "ports", plan, tmp_path / "ledger")
    yield made
    made.close()


def shown_by(site: Site, sensor: str, at_least: int) -> list[int]:
    """The simulator answers first and writes it down then, so the ledger may be a line behind."""
    until_ms = monotonic_ms() + 10_000
    while monotonic_ms() < until_ms:
        entries = [json.loads(line) for line in site.ledger.read_text().splitlines()]
        shown = [entry["weight_mg"] for entry in entries if entry["sensor"] == sensor]
        if len(shown) >= at_least:
            return shown
    raise AssertionError(f"only {len(shown)} answers in the ledger")


def test_every_answer_of_a_real_pty_arrives_once_and_in_order(site: Site) -> None:
    site.poll("counting", settle_samples=1, deadband_mg=0)
    stated = [short(site.readings.get(timeout=10)) for _ in range(20)]
    shown = shown_by(site, "counting", at_least=20)
    assert stated == shown[:20]
    assert stated[0] == 1_001_001


def test_a_bin_on_a_real_pty_settles_to_its_weight(site: Site) -> None:
    site.poll("bin", deadband_mg=1_000)
    reading = site.readings.get(timeout=10)
    assert isinstance(reading.outcome, Weight)
    assert abs(reading.outcome.weight_mg - 4_550_000) <= 100
    assert abs(reading.measured_ms - wall_ms()) < 10_000


def test_an_unplugged_pty_is_silent_and_weighs_again_when_it_is_back(site: Site) -> None:
    site.poll("bin")
    site.poll("counting", settle_samples=1, deadband_mg=0)
    site.next(lambda reading: reading.sensor == "bin" and short(reading) != "silent")
    site.unplug()
    site.next(lambda reading: reading.sensor == "bin" and short(reading) == "silent")
    site.unplug = site.plug()
    site.next(lambda reading: reading.sensor == "bin" and short(reading) != "silent")


def test_a_real_streaming_pty_is_heard_at_its_newest() -> None:
    near, far = os.openpty()
    tty.setraw(far)
    sensor = Sensor(name="s", settle_samples=1, deadband_mg=0)
    device = Device(profile="st_gs", poll_s=0.2, sensors=(sensor,))
    readings = Taken(1_000)
    stop = threading.Event()
    poller = poller_for(
        Port(address=os.ttyname(far), devices=(device,)), outlet=real_outlet(readings, stop)
    )
    loop = threading.Thread(target=poller.run)
    loop.start()
    shown: list[int] = []
    stated: list[int | str] = []
    while len(stated) < 5:
        shown.append(1_000 * (len(shown) + 1))
        os.write(near, frame(f"{len(shown)}.0"))
        stop.wait(0.02)
        while not readings.empty():
            stated.append(short(readings.get()))
        assert len(shown) < 500
    stop.set()
    loop.join(5)
    os.close(near)
    os.close(far)
    assert not loop.is_alive()
    assert set(stated) <= set(shown)
    assert stated == sorted(stated)
