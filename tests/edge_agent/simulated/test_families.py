import queue
import threading
import time
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from edge_agent import profiles
from edge_agent.core.reading import Sighted, Total, Weight
from edge_agent.loops.clock import monotonic_ms, wall_ms
from edge_agent.loops.pollers import poller_for
from edge_agent.loops.stating import Clock, Outlet
from edge_agent.loops.taken import Taken
from edge_agent.settings import Device, Port, Sensor
from edge_agent.simulated.families import simulated
from edge_agent.simulated.running import SimulatedSite, port_path
from edge_agent.simulated.site import (
    BinScale,
    CountingScale,
    DevicePlan,
    PulseCounter,
    Scanner,
    SitePlan,
    TagReader,
)
from edge_agent.wire.messages import Stability

KINDS = (BinScale, CountingScale, TagReader, Scanner, PulseCounter)
NEEDED = {
    BinScale: {"unit_weight_ug": 1, "tare_mg": 0, "capacity": 1, "pieces": 0},
    CountingScale: {"base_mg": 0, "step_mg": 1},
    Scanner: {"codes": ("A",)},
}
EVERY = [
    pytest.param(kind, device, id=f"{kind.__name__}-{device}")
    for kind in KINDS
    for device in get_args(get_type_hints(kind)["device"])
]


@pytest.mark.parametrize(("kind", "device"), EVERY)
def test_every_device_of_a_plan_can_be_made_and_is_named_after_its_profile(
    kind: type, device: str
) -> None:
    plan: DevicePlan = kind(gateway="g", sensor="s", device=device, **NEEDED.get(kind, {}))
    made = simulated(plan, 1)
    assert made.plan is plan
    assert device in profiles.shipped()
    made.hear(b"\x00\xff nonsense \r\n", 0.0)
    made.speak(0.0)


def test_the_kinds_are_all_there_are() -> None:
    assert set(KINDS) == set(get_args(DevicePlan))


# ---------------------------------------------------------------------- read by the agent

RESTING = {
    "unit_weight_ug": 10_000_000,
    "tare_mg": 0,
    "capacity": 100,
    "pieces": 50,
    "noise_mg": 0,
    "moving_s": (0.0, 0.0),
}
CARD, EPC = "62E3086CED", "E2806915000050324241CCED"
SITE: tuple[tuple[DevicePlan, dict[str, object], object], ...] = (
    *(
        (
            BinScale(gateway="g", sensor=device, device=device, **RESTING),
            {"checksum": True} if device == "mt_continuous" else {},
            Weight(weight_mg=500_000, stability=Stability.STATED),
        )
        for device in ("mt_sics", "st_gs", "mt_continuous", "and_standard", "ohaus_print")
    ),
    *(
        (
            TagReader(gateway="g", sensor=device, device=device, tags=(tag,)),
            {},
            Sighted(code=tag, change="present"),
        )
        for device, tag in (("rdm6300", CARD), ("uhfreader18", EPC), ("r200", EPC))
    ),
    (
        Scanner(gateway="g", sensor="barcode", codes=("BIN-0042",), scans_per_minute=300.0),
        {},
        Sighted(code="BIN-0042", change="scanned"),
    ),
)
COUNTER = PulseCounter(gateway="g", sensor="di_counter", value=65_000, pulses_per_minute=1_200.0)


def port_of(folder: Path, plan: DevicePlan, parameters: dict[str, object]) -> Port:
    sensor = Sensor(name=plan.sensor, confirm_reads=2 if plan.device == "rdm6300" else 1)
    device = Device(profile=plan.device, parameters=parameters, poll_s=0.5, sensors=(sensor,))
    return Port(address=str(port_path(folder, plan)), devices=(device,))


def test_the_agents_own_loops_read_every_one_of_them(tmp_path: Path) -> None:
    everyone = (*SITE, (COUNTER, {"address": 0}, None))
    stop = threading.Event()
    readings = Taken(10_000)
    clock = Clock(wall_ms=wall_ms, monotonic_ms=monotonic_ms, trusted=lambda: True)
    outlet = Outlet(readings=readings, stop=stop, clock=clock)
    heard: dict[str, list[object]] = {plan.sensor: [] for plan, _, _ in everyone}
    site = SimulatedSite(
        SitePlan(scales=tuple(plan for plan, _, _ in everyone)),
        tmp_path,
        ledger=None,
        now_s=time.monotonic,
        wall_ms=lambda: 0,
    )

    def simulate() -> None:
        while not stop.is_set():
            site.turn()

    with site:
        threads = [threading.Thread(target=simulate)]
        for plan, parameters, _ in everyone:
            poller = poller_for(port_of(tmp_path, plan, parameters), outlet=outlet)
            threads.append(threading.Thread(target=poller.run))
        for thread in threads:
            thread.start()
        try:
            until_s = time.monotonic() + 30
            while not is_enough(heard) and time.monotonic() < until_s:
                try:
                    reading = readings.get(timeout=0.2)
                except queue.Empty:
                    continue
                heard[reading.sensor].append(reading.outcome)
        finally:
            stop.set()
            for thread in threads:
                thread.join(10)
    for plan, _, wanted in SITE:
        assert heard[plan.sensor][:1] == [wanted], plan.sensor
    totals = [outcome.total for outcome in heard["di_counter"] if isinstance(outcome, Total)]
    assert totals == sorted(totals)
    assert totals[-1] > 0


def is_enough(heard: dict[str, list[object]]) -> bool:
    counted = any(isinstance(one, Total) and one.total for one in heard["di_counter"])
    return counted and all(heard.values())
