import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from edge_agent.framing.modbus_frames import read_request
from edge_agent.simulated.running import SimulatedSite, port_path, send_command
from edge_agent.simulated.site import (
    BinScale,
    Command,
    CountingScale,
    PulseCounter,
    Scanner,
    SitePlan,
    Step,
)

COUNTING = CountingScale(gateway="g", sensor="c", base_mg=0, step_mg=1_000)
BIN = BinScale(
    gateway="g",
    sensor="b",
    unit_weight_ug=1_000_000,
    tare_mg=0,
    capacity=100,
    pieces=50,
    noise_mg=0,
    moving_s=(0.0, 0.0),
)


class Desk:
    """A site with a clock that is set by hand, asked over its ports."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 1_000.0
        self.folder = folder / "ports"
        self.ledger = folder / "ledger"
        self.site = SimulatedSite(
            SitePlan(scales=(COUNTING, BIN)),
            self.folder,
            ledger=self.ledger,
            now_s=lambda: self.now_s,
            wall_ms=lambda: 1_795_000_000_000,
        )

    def ask(self, plan: BinScale | CountingScale) -> bytes:
        with serial.Serial(str(port_path(self.folder, plan)), 9600, timeout=2) as port:
            port.write(b"SI\r\n")
            self.site.turn(2.0)
            return port.read_until(b"\n")

    def entries(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    with made.site:
        yield made


def test_each_scale_has_a_port_of_its_own(desk: Desk) -> None:
    assert {path.name for path in desk.folder.iterdir()} == {"g-b", "g-c", "commands"}
    assert desk.ask(COUNTING) == b"S S      1.000 g\r\n"
    assert desk.ask(BIN) == b"S S       50.0 g\r\n"
    assert desk.ask(COUNTING) == b"S S      2.000 g\r\n"


def test_every_answer_is_in_the_ledger_as_soon_as_it_went_out(desk: Desk) -> None:
    desk.ask(COUNTING)
    assert desk.entries() == [
        {
            "t": 1_795_000_000_000,
            "gateway": "g",
            "sensor": "c",
            "weight_mg": 1_000,
            "stable": True,
            "n": 1,
        }
    ]


def test_an_answer_that_did_not_fit_on_the_line_is_not_in_the_ledger(desk: Desk) -> None:
    """Nobody reads, the line fills up, and what it could not take was never shown."""
    with serial.Serial(str(port_path(desk.folder, COUNTING)), 9600, timeout=0.2) as port:
        for _ in range(30):
            port.write(b"SI\r\n" * 40)
            desk.site.turn(2.0)
        shown = port.read(1_000_000).count(b" g\r\n")
    assert 0 < shown == len(desk.entries()) < 30 * 40


def test_a_command_changes_what_a_scale_shows(desk: Desk) -> None:
    send_command(desk.folder, Command(gateway="g", sensor="b", do="take", pieces=20))
    desk.site.turn(0)
    assert desk.ask(BIN) == b"S S       30.0 g\r\n"


def test_a_command_counts_when_its_line_is_whole(desk: Desk) -> None:
    line = b'{"gateway":"g","sensor":"b","do":"set","pieces":7}\n'
    with (desk.folder / "commands").open("ab", buffering=0) as commands:
        commands.write(line[:20])
        assert desk.ask(BIN) == b"S S       50.0 g\r\n"
        commands.write(line[20:])
        desk.site.turn(0)
        assert desk.ask(BIN) == b"S S        7.0 g\r\n"


@pytest.mark.parametrize(
    "line", [b"{", b"\xff", b"[]", b'{"gateway":"g","sensor":"none","do":"set"}', b'{"do":"fly"}']
)
def test_a_command_that_makes_no_sense_is_passed_over(
    desk: Desk, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with (desk.folder / "commands").open("ab") as commands:
        commands.write(line + b"\n")
    desk.site.turn(0)
    assert "no command for any scale here" in caplog.text
    assert desk.ask(BIN) == b"S S       50.0 g\r\n"


def test_commands_of_an_earlier_run_are_not_obeyed_again(tmp_path: Path) -> None:
    (tmp_path / "ports").mkdir()
    (tmp_path / "ports" / "commands").write_text(
        '{"gateway":"g","sensor":"b","do":"set","pieces":7}\n'
    )
    desk = Desk(tmp_path)
    with desk.site:
        assert desk.ask(BIN) == b"S S       50.0 g\r\n"


def test_the_ledger_of_an_earlier_run_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        desk = Desk(tmp_path)
        with desk.site:
            desk.ask(COUNTING)
    assert len(desk.entries()) == 2


def test_closing_takes_the_ports_away(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with desk.site:
        pass
    assert [path.name for path in desk.folder.iterdir()] == ["commands"]


# ---------------------------------------------------------------------- other families


class Bench(Desk):
    """Several kinds on one desk; `listen` lets time pass and takes what came."""

    def __init__(self, folder: Path, plan: SitePlan) -> None:
        self.now_s = 1_000.0
        self.folder = folder / "ports"
        self.ledger = folder / "ledger"
        self.site = SimulatedSite(
            plan,
            self.folder,
            ledger=self.ledger,
            now_s=lambda: self.now_s,
            wall_ms=lambda: 1_795_000_000_000,
        )

    def pass_s(self, seconds: float, step_s: float = 0.05) -> None:
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            self.site.turn(0.0)


def listen(port: serial.Serial) -> bytes:
    return port.read(4096)  # all that is there, and a moment longer


STREAMING = CountingScale(
    gateway="g", sensor="st", device="st_gs", base_mg=0, step_mg=1_000, every_ms=100
)


def test_one_that_speaks_unasked_does_so_in_its_own_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SitePlan(scales=(STREAMING,)))
    with (
        bench.site,
        serial.Serial(str(port_path(bench.folder, STREAMING)), 9600, timeout=0.2) as port,
    ):
        bench.pass_s(1.0)
        frames = listen(port).split(b"\r\n")[:-1]
    assert 9 <= len(frames) <= 11
    assert frames[0] == b"ST,GS,       1 g"
    assert len(bench.entries()) == len(frames)


def heard(bench: Bench) -> None:
    """Turns until a question has surely arrived whole: a pty may hand it over in pieces."""
    bench.site.turn(2.0)
    time.sleep(0.05)  # the clock of the site stands still meanwhile
    bench.site.turn(0.0)


def test_with_nothing_to_do_it_waits_and_does_not_spin(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SitePlan(scales=(BIN,)))
    with bench.site:
        bench.now_s += 60
        began_s = time.monotonic()
        bench.site.turn(0.2)
        assert time.monotonic() - began_s >= 0.15


def test_a_late_answer_holds_back_those_behind_it(tmp_path: Path) -> None:
    slow = CountingScale(
        gateway="g",
        sensor="late",
        device="and_standard",
        base_mg=0,
        step_mg=1_000,
        late_ms=400,
        lates=((0.0, 1.0),),
    )
    bench = Bench(tmp_path, SitePlan(scales=(slow,)))
    with bench.site, serial.Serial(str(port_path(bench.folder, slow)), 9600, timeout=0.2) as port:
        bench.now_s += 0.9  # still late
        port.write(b"Q\r\n")
        heard(bench)
        bench.now_s += 0.2  # no more: but the first has not gone out
        port.write(b"Q\r\n")
        heard(bench)
        assert port.in_waiting == 0
        assert not bench.ledger.read_text()
        bench.pass_s(0.3)
        assert listen(port) == b"ST,+00000001  g\r\nST,+00000002  g\r\n"
    assert [entry["n"] for entry in bench.entries()] == [1, 2]


def test_a_script_commands_by_itself(tmp_path: Path) -> None:
    steps = (
        Step(at_s=2.0, gateway="g", sensor="b", do="set", pieces=9),
        Step(at_s=1.0, gateway="g", sensor="b", do="set", pieces=7),
    )
    bench = Bench(tmp_path, SitePlan(scales=(BIN,), script=steps))
    with bench.site:
        assert bench.ask(BIN) == b"S S       50.0 g\r\n"
        bench.now_s += 1.0
        assert bench.ask(BIN) == b"S S        7.0 g\r\n"
        bench.now_s += 1.0
        assert bench.ask(BIN) == b"S S        9.0 g\r\n"


def test_codes_and_counts_go_to_the_ledger_too(tmp_path: Path) -> None:
    scanner = Scanner(gateway="g", sensor="codes", codes=("A",))
    counter = PulseCounter(gateway="g", sensor="pulses", value=7)
    bench = Bench(tmp_path, SitePlan(scales=(scanner, counter)))
    with bench.site, serial.Serial(str(port_path(bench.folder, counter)), 9600, timeout=2) as port:
        send_command(bench.folder, Command(gateway="g", sensor="codes", do="scan", code="X-1"))
        bench.pass_s(0.1)
        port.write(read_request(1, 3, 0, 2))
        bench.site.turn(2.0)
        assert port.read(9)[3:7] == bytes((0, 0, 0, 7))
    told = [(one["sensor"], one.get("code"), one.get("count")) for one in bench.entries()]
    assert told == [("codes", "X-1", None), ("pulses", None, 7)]
