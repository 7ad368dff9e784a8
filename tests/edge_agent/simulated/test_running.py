import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from edge_agent.simulated.running import SimulatedSite, port_path, send_command
from edge_agent.simulated.site import BinScale, Command, CountingScale, SitePlan

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
