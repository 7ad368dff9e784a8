"""The Modbus loop over a fake line with a clock of its own, and over a real pty with pymodbus."""

import itertools
import logging
import os
import select
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent import profiles
from edge_agent.core.reading import Condition, Outcome, Reading, Total, Weight
from edge_agent.core.remembered import Remembered
from edge_agent.core.turns import Turn
from edge_agent.drivers.declared_modbus import DeclaredModbus
from edge_agent.loops.clock import monotonic_ms, wall_ms
from edge_agent.loops.poll_modbus import ModbusPoller, Unit
from edge_agent.loops.pollers import poller_for
from edge_agent.loops.stating import Clock, DeviceStating, Outlet
from edge_agent.loops.taken import Taken
from edge_agent.settings import Device, Port, Sensor
from edge_agent.simulated.modbus_units import SimulatedLine, SimulatedUnit
from edge_agent.transports.base import PortGone
from edge_agent.transports.modbus_link import NoAnswer

ANSWER_MS = 200
BOOTED_MS = 1_795_000_000_000


class FakeLink:
    """Units as tables of registers; one that is not there costs its time-out."""

    name = "/dev/fake"

    def __init__(self) -> None:
        self.ms = 0
        self.units: dict[int, dict[int, int]] = {}
        self.gone = False
        self.is_open = False
        self.asked: list[tuple[int, int, int]] = []

    def open(self) -> None:
        if self.gone:
            raise PortGone("/dev/fake cannot be opened")
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def read(self, unit: int, table: str, first: int, count: int) -> list[int] | NoAnswer:
        if self.gone:
            self.is_open = False
            raise PortGone("/dev/fake is gone")
        self.asked.append((unit, first, count))
        if unit not in self.units:
            self.ms += ANSWER_MS
            return NoAnswer(f"no answer from unit {unit}")
        self.ms += 10
        registers = self.units[unit]
        if any(at not in registers for at in range(first, first + count)):
            return NoAnswer("the unit refuses: exception 2", refused=True)
        return [registers[at] for at in range(first, first + count)]


class Bench:
    def __init__(
        self, profile: str, units: int, parameters: dict[str, str], **settings: object
    ) -> None:
        self.link = FakeLink()
        self.readings = Taken(10_000)
        clock = Clock(
            wall_ms=lambda: BOOTED_MS + self.link.ms,
            monotonic_ms=lambda: self.link.ms,
            trusted=lambda: True,
        )
        outlet = Outlet(readings=self.readings, stop=threading.Event(), clock=clock)
        declared = profiles.load(profile, parameters)
        labels = declared.channel_labels()
        self.units = []
        for number in range(1, units + 1):
            sensors = tuple(
                Sensor(
                    name=f"u{number}c{label}",
                    channel=label,
                    **({"settle_samples": 1, "deadband_mg": 1} | settings),
                )
                for label in labels
            )
            device = Device(profile=profile, sensors=sensors)
            by_channel = {sensor.channel: sensor.name for sensor in sensors}
            self.units.append(
                Unit(
                    number=number,
                    driver=DeclaredModbus(declared, by_channel),
                    stating=DeviceStating(
                        device,
                        outlet,
                        Remembered(),
                        remember_identity=declared.profile.identity is not None,
                    ),
                    poll_ms=1_000,
                    turn=Turn(interval_ms=1_000, due_ms=0),
                )
            )
        self.poller = ModbusPoller(link=self.link, units=self.units, outlet=outlet)

    def run(self, ms: int) -> list[Reading]:
        """As the loop does it, without sleeping."""
        end_ms = self.link.ms + ms
        while self.link.ms < end_ms:
            self.poller.turn()
            self.link.ms = max(self.link.ms, min(unit.turn.due_ms for unit in self.units))
        stated = []
        while not self.readings.empty():
            stated.append(self.readings.get())
        return stated

    def outcomes(self, ms: int) -> list[Outcome]:
        return [reading.outcome for reading in self.run(ms)]


LAUMAS = {"unit": "kg", "decimals": "2"}
STABLE = 1 << 11


def laumas(count: int, status: int = STABLE) -> dict[int, int]:
    return {6: status, 7: count >> 16, 8: count & 0xFFFF, 9: 0, 10: 0}


def test_registers_become_a_weight_with_the_time_they_were_asked_for() -> None:
    bench = Bench("laumas_tlb", 1, LAUMAS)
    bench.link.units[1] = laumas(4_000)
    [reading] = bench.run(3_000)
    assert isinstance(reading.outcome, Weight)
    assert reading.outcome.weight_mg == 40_000_000
    assert reading.measured_ms == BOOTED_MS


def test_a_block_that_belongs_together_is_read_in_one_request() -> None:
    bench = Bench("laumas_tlb", 1, LAUMAS)
    bench.link.units[1] = laumas(1)
    bench.run(500)
    assert bench.link.asked == [(1, 6, 5)]


def test_a_unit_that_refuses_is_a_fault_with_its_reason() -> None:
    bench = Bench("laumas_tlb", 1, LAUMAS)
    bench.link.units[1] = {0: 1}
    [fault] = bench.outcomes(5_000)
    assert fault == Condition(condition="fault", because="the unit refuses: exception 2")


def test_registers_no_outcome_fits_are_a_fault_and_not_the_last_weight() -> None:
    bench = Bench("hbk_wtx", 1, {})
    bench.link.units[1] = dict.fromkeys(range(16), 0xFFFF)
    outcomes = bench.outcomes(5_000)
    assert not any(isinstance(outcome, Weight) for outcome in outcomes)
    assert outcomes


def test_a_dead_unit_is_silent_and_keeps_thirty_one_others_within_twice_their_interval() -> None:
    bench = Bench("laumas_tlb", 32, LAUMAS, heartbeat_s=0.001)
    for number in range(1, 32):
        bench.link.units[number] = laumas(number)
    bench.run(10_000)
    bench.link.asked.clear()
    stated = bench.run(60_000)
    assert [unit for unit, *_ in bench.link.asked].count(32) <= 3  # not sixty times
    assert {short(reading) for reading in stated if reading.sensor == "u32c0"} == {"silent"}
    for number in range(1, 32):
        at_ms = [r.measured_ms for r in stated if r.sensor == f"u{number}c0"]
        pauses = [after - before for before, after in itertools.pairwise(at_ms)]
        assert max(pauses) <= 2_000


def test_a_dead_unit_that_is_alone_on_its_line_is_asked_as_before() -> None:
    bench = Bench("laumas_tlb", 1, LAUMAS)
    bench.run(20_000)
    assert len(bench.link.asked) >= 19
    bench.link.units[1] = laumas(100)
    assert short(bench.run(1_100)[0]) == 1_000_000


def test_a_line_that_is_gone_is_silent_for_all_and_no_unit_is_punished_for_it() -> None:
    bench = Bench("laumas_tlb", 3, LAUMAS)
    for number in (1, 2, 3):
        bench.link.units[number] = laumas(100)
    bench.run(2_000)
    bench.link.gone = True
    assert [short(reading) for reading in bench.run(20_000)] == ["silent"] * 3
    bench.link.gone = False
    back = bench.run(8_000)
    assert {(reading.sensor, short(reading)) for reading in back} == {
        (f"u{number}c0", 1_000_000) for number in (1, 2, 3)
    }


def test_channels_of_a_counter_state_their_own_totals() -> None:
    bench = Bench("isma_sfar_4di", 1, {"channels": "2"})
    bench.link.units[1] = {52: 10, 53: 0, 54: 20, 55: 0}
    bench.run(900)
    bench.link.units[1] = {52: 13, 53: 0, 54: 20, 55: 0}
    [reading] = bench.run(1_000)
    assert reading.sensor == "u1c1"
    assert isinstance(reading.outcome, Total)
    assert reading.outcome.total == 3


OWN_NUMBER = """
like = "laumas_tlb"
title = "A transmitter with a number of its own"
kind = "load_cell"
[identity]
registers = [100, 2]
"""


def test_another_unit_at_the_same_address_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN_NUMBER)
    bench = Bench(str(path), 1, LAUMAS)
    bench.link.units[1] = laumas(100) | {100: 0x12AB, 101: 3}
    assert [short(reading) for reading in bench.run(3_000)] == [1_000_000]
    bench.link.close()  # unplugged, and another one plugged in
    bench.link.units[1] = laumas(200) | {100: 0x12AB, 101: 4}
    [fault] = bench.outcomes(5_000)
    assert isinstance(fault, Condition)
    assert "'12AB 0004', expected '12AB 0003'" in fault.because


def test_the_log_tells_of_changes_and_not_of_every_poll(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench("laumas_tlb", 1, LAUMAS)
    bench.link.units[1] = laumas(100)
    bench.run(20_000)
    del bench.link.units[1]
    bench.run(20_000)
    assert [record.getMessage() for record in caplog.records] == [
        "opened /dev/fake",
        "u1c0: silent, no answer from unit 1",
    ]


def short(reading: Reading) -> int | str:
    match reading.outcome:
        case Weight(weight_mg=weight_mg):
            return weight_mg
        case Condition(condition=condition):
            return condition
    raise AssertionError(reading)


# From here on: a pty, pymodbus and the loop, all real.


class PtyUnits:
    """Simulated units at the far end of a pty, in a thread of their own."""

    def __init__(self, units: dict[int, SimulatedUnit]) -> None:
        self.near, self.far = os.openpty()
        tty.setraw(self.far)
        self.path = os.ttyname(self.far)
        self._line = SimulatedLine(units)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        while not self._stop.is_set():
            if not select.select([self.near], [], [], 0.05)[0]:
                continue
            for answer in self._line.hear(os.read(self.near, 4096)):
                self._stop.wait(answer.after_ms / 1000)
                os.write(self.near, answer.frame)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        os.close(self.near)
        os.close(self.far)


@pytest.fixture
def line() -> Iterator[PtyUnits]:
    made = PtyUnits({1: SimulatedUnit(laumas(4_000)), 2: SimulatedUnit(laumas(500))})
    yield made
    made.close()


def test_two_units_on_a_real_pty_state_their_weights(line: PtyUnits) -> None:
    readings = Taken(100)
    stop = threading.Event()
    clock = Clock(wall_ms=wall_ms, monotonic_ms=monotonic_ms, trusted=lambda: True)
    devices = tuple(
        Device(
            profile="laumas_tlb",
            unit=number,
            parameters={"unit": "kg", "decimals": 2},
            poll_s=0.2,
            sensors=(Sensor(name=f"s{number}"),),
        )
        for number in (1, 2)
    )
    poller = poller_for(
        Port(address=line.path, devices=devices),
        outlet=Outlet(readings=readings, stop=stop, clock=clock),
    )
    loop = threading.Thread(target=poller.run)
    loop.start()
    stated = {}
    while len(stated) < 2:
        reading = readings.get(timeout=15)
        stated[reading.sensor] = short(reading)
    stop.set()
    loop.join(5)
    assert not loop.is_alive()
    assert stated == {"s1": 40_000_000, "s2": 5_000_000}
