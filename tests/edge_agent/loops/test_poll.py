"""The loop over a fake cable with a clock of its own, and once over a real pty and a real scale."""

import itertools
import json
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.core.reading import Condition, Reading, Weight
from edge_agent.drivers.base import Answer
from edge_agent.drivers.sics_scale import SicsScale
from edge_agent.loops.clock import monotonic_ms, wall_ms
from edge_agent.loops.poll import REOPEN_S_MAX, Clock, Poller, poller_for
from edge_agent.settings import Port, SettingsError
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
        self.says: Callable[[bytes], bytes] | None = lambda _: b"S S 1.0 g\r\n"
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
        self._waiting += self._plugged()(request)

    def read(self) -> bytes:
        self._plugged()
        # A line at a time, as a slow cable brings them.
        head, end, self._waiting = self._waiting.partition(b"\n")
        received = head + end
        self.time.ms += 1 if received else READ_MS
        return received

    def come_late(self, line: bytes) -> None:
        self._waiting += line

    def _plugged(self) -> Callable[[bytes], bytes]:
        if self.says is None:
            self.is_open = False
            raise PortGone("/dev/fake is gone")
        return self.says


class Bench:
    """A poller with its cable, its clock, and what it has stated so far."""

    def __init__(self, **settings: object) -> None:
        self.time = FakeTime()
        self.cable = FakeCable(self.time)
        self.readings: queue.Queue[Reading] = queue.Queue(100)
        self.port = Port(
            device="/dev/fake",
            profile="mt_sics",
            sensor="s01",
            **({"deadband_mg": 500, "settle_samples": 1} | settings),
        )
        self.poller = Poller(
            port=self.port,
            transport=self.cable,
            driver=SicsScale("s01"),
            reply_timeout_ms=200,
            readings=self.readings,
            stop=threading.Event(),
            clock=self.time.clock(),
        )

    def turns(self, count: int) -> list[Reading]:
        for _ in range(count):
            started_ms = self.time.ms
            self.poller.turn()
            self.time.ms = max(self.time.ms, started_ms + round(self.port.poll_s * 1000))
        stated = []
        while not self.readings.empty():
            stated.append(self.readings.get())
        return stated

    def outcomes(self, count: int) -> list[int | str]:
        return [short(reading) for reading in self.turns(count)]


def short(reading: Reading) -> int | str:
    match reading.outcome:
        case Weight(weight_mg=weight_mg):
            return weight_mg
        case Condition(condition=condition):
            return condition
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
    bench.cable.says = say(b"S S 1.4 g")
    assert bench.outcomes(3) == []
    bench.cable.says = say(b"S S 1.5 g")
    assert bench.outcomes(3) == [1_500]


def test_a_reading_is_stamped_with_when_the_scale_was_asked() -> None:
    bench = Bench()
    bench.cable.says = lambda _: b""
    original_read = bench.cable.read

    def slow_read() -> bytes:
        bench.time.ms += 150
        bench.cable.come_late(b"S S 1.0 g\r\n")
        return original_read()

    bench.cable.read = slow_read  # type: ignore[method-assign] # a slow cable
    [reading] = bench.turns(1)
    assert reading.measured_ms == BOOTED_MS


def test_an_answer_to_an_older_question_is_thrown_away() -> None:
    bench = Bench()
    bench.turns(1)
    bench.cable.come_late(b"S S 900.0 g\r\n")
    assert bench.outcomes(3) == []


def test_half_an_answer_does_not_join_the_next() -> None:
    bench = Bench(deadband_mg=0)
    bench.cable.says = lambda _: b"S S 1"
    assert bench.outcomes(1) == []
    bench.cable.says = say(b"S S 2.0 g")
    assert bench.outcomes(1) == [2_000]


def test_a_hand_on_the_scale_states_nothing() -> None:
    bench = Bench()
    bench.turns(1)
    bench.cable.says = say(b"S D 77.0 g")
    assert bench.outcomes(20) == []


def test_silence_is_said_once_and_with_each_heartbeat_and_its_end_too() -> None:
    bench = Bench(poll_s=1.0, silent_after=3, heartbeat_s=60.0)
    assert bench.outcomes(1) == [1_000]
    bench.cable.says = lambda _: b""
    assert bench.outcomes(2) == []
    assert bench.outcomes(1) == ["silent"]
    assert bench.outcomes(59) == []
    assert bench.outcomes(1) == ["silent"]
    bench.cable.says = say(b"S S 1.0 g")
    assert bench.outcomes(5) == [1_000]


def test_after_silence_old_answers_do_not_help_to_settle() -> None:
    bench = Bench(settle_samples=2)
    bench.turns(1)
    bench.cable.says = lambda _: b""
    bench.turns(3)
    bench.cable.says = say(b"S S 1.0 g")
    assert bench.outcomes(1) == []
    assert bench.outcomes(1) == [1_000]


def test_a_pulled_cable_is_silence_and_is_opened_again_when_it_is_back() -> None:
    bench = Bench()
    bench.turns(1)
    bench.cable.says = None
    [said] = bench.turns(20)
    assert isinstance(said.outcome, Condition)
    assert said.outcome == Condition(condition="silent", because="/dev/fake is not there")
    bench.cable.says = say(b"S S 1.0 g")
    assert bench.outcomes(round(REOPEN_S_MAX / bench.port.poll_s) + 1) == [1_000]


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
    bench.cable.says = say(b"S S 1.0 g")
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
        return named if request == b"I4\r\n" else b"S S 1.0 g\r\n"


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
    bench.cable.says = say(b"S S 1.0 g")
    assert bench.outcomes(5) == ["silent"]


def test_a_restart_notice_starts_the_settling_anew() -> None:
    bench = Bench(settle_samples=2)
    bench.turns(1)
    bench.cable.says = say(b'I4 A "B1"')
    assert bench.outcomes(1) == []
    bench.cable.says = say(b"S S 1.0 g")
    assert bench.outcomes(1) == []
    assert bench.outcomes(1) == [1_000]


def test_a_full_queue_makes_the_loop_wait_and_costs_no_reading() -> None:
    bench = Bench(deadband_mg=0, poll_s=0.01)
    bench.readings = queue.Queue(1)
    bench.poller._readings = bench.readings
    weights = iter(range(1, 100))
    bench.cable.says = lambda _: b"S S %d mg\r\n" % next(weights)
    loop = threading.Thread(target=bench.poller.run, daemon=True)
    loop.start()
    taken = [short(bench.readings.get(timeout=10)) for _ in range(5)]
    bench.poller._stop.set()
    loop.join(5)
    assert not loop.is_alive()
    assert taken == [1, 2, 3, 4, 5]


def test_a_defect_ends_the_thread_with_its_trace_and_closes_the_port(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    class Broken(SicsScale):
        def feed(self, received: bytes) -> list[Answer]:
            raise ZeroDivisionError

    bench.poller._driver = Broken("s01")
    loop = threading.Thread(target=bench.poller.run)
    loop.start()
    loop.join(5)
    assert not loop.is_alive()
    assert not bench.cable.is_open
    assert "ZeroDivisionError" in caplog.text


def test_a_stop_still_takes_the_answer_that_is_there() -> None:
    bench = Bench()
    bench.poller._stop.set()
    assert bench.outcomes(1) == [1_000]


def test_a_stop_in_the_middle_of_a_question_does_not_make_the_scale_silent() -> None:
    bench = Bench(silent_after=1)
    bench.cable.says = lambda _: b""
    bench.poller._stop.set()
    assert bench.outcomes(1) == []


def test_the_log_tells_of_changes_and_not_of_every_poll(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench()
    bench.turns(50)
    bench.cable.says = lambda _: b""
    bench.turns(50)
    bench.cable.says = say(b"S S 1.0 g")
    bench.turns(50)
    assert [record.getMessage() for record in caplog.records] == [
        "s01: opened /dev/fake",
        "s01: silent, no answer on /dev/fake",
        "s01: weighs again after silent",
    ]


def any_port(**changes: object) -> Port:
    return Port(**({"device": "/dev/x", "profile": "mt_sics", "sensor": "s01"} | changes))


def poller_on(port: Port, readings: queue.Queue[Reading], stop: threading.Event) -> Poller:
    clock = Clock(wall_ms=wall_ms, monotonic_ms=monotonic_ms, trusted=lambda: True)
    return poller_for(port, readings=readings, stop=stop, clock=clock)


def test_a_scale_is_not_asked_more_often_than_its_profile_allows() -> None:
    with pytest.raises(SettingsError, match=r"s01: poll_s: 0.05 is too often.*0.1 or more"):
        poller_on(any_port(poll_s=0.05), queue.Queue(), threading.Event())


# From here on: the simulated scale, a pty, pyserial and the loop, all real.


class Site:
    """Simulated scales in a thread of their own, and a poller on each of their ports."""

    def __init__(self, folder: Path, plan: SitePlan, ledger: Path) -> None:
        self.folder, self.plan, self.ledger = folder, plan, ledger
        self.readings: queue.Queue[Reading] = queue.Queue(10_000)
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
        changes = {"device": str(port_path(self.folder, scale)), "sensor": sensor, "poll_s": 0.1}
        poller = poller_on(any_port(**(changes | settings)), self.readings, self.stop)
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


def shown_by(site: Site, sensor: str) -> list[int]:
    entries = [json.loads(line) for line in site.ledger.read_text().splitlines()]
    return [entry["weight_mg"] for entry in entries if entry["sensor"] == sensor]


def test_every_answer_of_a_real_pty_arrives_once_and_in_order(site: Site) -> None:
    site.poll("counting", settle_samples=1, deadband_mg=0)
    stated = [short(site.readings.get(timeout=10)) for _ in range(20)]
    shown = shown_by(site, "counting")
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
