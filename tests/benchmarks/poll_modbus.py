"""What a reading costs over Modbus, as a ratio to a plain pymodbus loop on the same line, same run.

    python tests/benchmarks/poll_modbus.py [--units 32] [--rounds 10] [--passes 7]

Not a test: numbers depend on the machine, the ratios much less. The line is a pty and the units are
another program, so that the CPU counted is the reader's alone.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from pymodbus.client import ModbusSerialClient

from edge_agent.core.reading import Weight
from edge_agent.loops.poll_modbus import ModbusPoller
from edge_agent.loops.pollers import poller_for
from edge_agent.loops.stating import Clock, Outlet
from edge_agent.loops.taken import Taken
from edge_agent.settings import Device, Port, Sensor
from edge_agent.transports.modbus_link import ModbusLine, ModbusLink

REGISTERS = 10
BAUD = 115_200

PROFILE = """
title = "ten registers, for a benchmark"
kind = "load_cell"

[ask]
interval_ms_min = 0

[modbus]
gap_ms = 0

[registers]
{registers}

[[outcomes]]
is = "measurement"
say = {{ weight = "{total}", unit = "'g'", stable = "True", overload = "False" }}

[[evidence]]
level = "derived"
source = "made up"
"""


Run = Callable[[], tuple[int, int]]  # readings delivered, requests sent


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one reading."""

    cpu_us: float
    wall_ms: float
    requests: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--passes", type=int, default=7, help="the median of so many is shown")
    chosen = parser.parse_args()
    units = range(1, chosen.units + 1)
    with tempfile.TemporaryDirectory() as name, line_of(units, Path(name)) as address:
        poller, readings, stop = loop_over(address, units, Path(name))
        runs: dict[str, Run] = {
            "pymodbus, ten registers in a request": partial(
                together, address, units, chosen.rounds
            ),
            "pymodbus, a request for each register": partial(
                one_by_one, address, units, chosen.rounds
            ),
            "ModbusLink, ten registers in a request": partial(
                linked, address, units, chosen.rounds
            ),
            "the loop: turns, driver, settle, queue": partial(
                looped, poller, readings, stop, chosen.rounds * chosen.units
            ),
        }
        costs: dict[str, list[Cost]] = {what: [] for what in runs}
        for _ in range(chosen.passes):  # in turn: what else the machine does hits all alike
            for what, run in runs.items():
                costs[what].append(measured(run))
    show(costs)


def show(costs: dict[str, list[Cost]]) -> None:
    plain = next(iter(costs.values()))
    for what, each in costs.items():
        ratios = [one.cpu_us / base.cpu_us for one, base in zip(each, plain, strict=True)]
        print(  # noqa: T201 - its whole purpose
            f"{what:40} {median(one.cpu_us for one in each):6.0f} µs CPU a reading"
            f" ({median(ratios):5.2f} x, {min(ratios):.2f} to {max(ratios):.2f})"
            f" {median(one.wall_ms for one in each):6.2f} ms"
            f" {median(one.requests for one in each):6.2f} requests a poll"
        )


def measured(run: Run) -> Cost:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    readings, requests = run()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return Cost(
        cpu_us=cpu_s / readings * 1e6,
        wall_ms=wall_s / readings * 1e3,
        requests=requests / readings,
    )


@contextmanager
def line_of(units: range, folder: Path) -> Iterator[str]:
    registers = {str(at): at + 1 for at in range(REGISTERS)}
    plan = {"name": "line", "units": [{"unit": unit, "registers": registers} for unit in units]}
    path = folder / "bus.json"
    path.write_text(json.dumps({"lines": [plan]}))
    program = subprocess.Popen(
        [sys.executable, "-m", "edge_agent.simulated.modbus_line", "--plan", path, "--dir", folder],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    try:
        yield program.stdout.readline().split()[-1]
    finally:
        program.terminate()
        program.wait(10)


def together(address: str, units: range, rounds: int) -> tuple[int, int]:
    with ModbusSerialClient(address, baudrate=BAUD) as client:
        for _ in range(rounds):
            for unit in units:
                answer = client.read_holding_registers(0, count=REGISTERS, device_id=unit)
                assert len(answer.registers) == REGISTERS
    return rounds * len(units), rounds * len(units)


def one_by_one(address: str, units: range, rounds: int) -> tuple[int, int]:
    with ModbusSerialClient(address, baudrate=BAUD) as client:
        for _ in range(rounds):
            for unit in units:
                for at in range(REGISTERS):
                    answer = client.read_holding_registers(at, count=1, device_id=unit)
                    assert answer.registers == [at + 1]
    return rounds * len(units), rounds * len(units) * REGISTERS


def linked(address: str, units: range, rounds: int) -> tuple[int, int]:
    link = ModbusLink(ModbusLine(address=address, baud=BAUD, gap_ms=0))
    link.open()
    for _ in range(rounds):
        for unit in units:
            assert isinstance(link.read(unit, "holding", 0, REGISTERS), list)
    link.close()
    return rounds * len(units), link.requests


def loop_over(
    address: str, units: range, folder: Path
) -> tuple[ModbusPoller, Taken, threading.Event]:
    names = [f"r{at}" for at in range(REGISTERS)]
    profile = folder / "ten.toml"
    profile.write_text(
        PROFILE.format(
            registers="\n".join(f"{name} = {{ at = {at} }}" for at, name in enumerate(names)),
            total=" + ".join(names),
        )
    )
    devices = tuple(
        Device(
            profile=str(profile),
            unit=unit,
            poll_s=0.01,  # sooner than it can be their turn again: the line is never idle
            # Every poll brings a reading: the time for the next is always over.
            sensors=(Sensor(name=str(unit), settle_samples=1, heartbeat_s=0.001),),
        )
        for unit in units
    )
    readings = Taken()
    stop = threading.Event()
    clock = Clock(wall_ms=now_ms, monotonic_ms=now_ms, trusted=lambda: True)
    poller = poller_for(
        Port(address=address, modbus="rtu", baud=BAUD, devices=devices),
        outlet=Outlet(readings=readings, stop=stop, clock=clock),
    )
    assert isinstance(poller, ModbusPoller)
    return poller, readings, stop


def looped(
    poller: ModbusPoller, readings: Taken, stop: threading.Event, polls: int
) -> tuple[int, int]:
    link = poller._link
    assert isinstance(link, ModbusLink)
    before = link.requests
    stop.clear()
    loop = threading.Thread(target=poller.run)
    loop.start()
    for _ in range(polls):
        assert isinstance(readings.get(timeout=10).outcome, Weight)
    stop.set()
    loop.join()
    delivered = polls + readings.qsize()
    while not readings.empty():
        readings.get()
    return delivered, link.requests - before


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


if __name__ == "__main__":
    main()
