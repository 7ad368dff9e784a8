import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import serial

from edge_agent.core.typed_toml import SettingsError
from edge_agent.framing.modbus_frames import read_request, with_crc
from edge_agent.simulated import modbus_line
from edge_agent.simulated.modbus_line import BusPlan, LinePlan, Step, UnitPlan, playing

UNIT = UnitPlan(unit=1, registers={"0": 10, "1": 11})
ASKED = read_request(1, 3, 0, 1)
ANSWER = with_crc(bytes.fromhex("01 03 02 000A"))
ASKED_TCP = bytes.fromhex("0007 0000 0006 01 03 0000 0001")
ANSWER_TCP = bytes.fromhex("0007 0000 0005 01 03 02 000A")


def plan(over: str = "pty", *script: Step, unit: UnitPlan = UNIT) -> BusPlan:
    line = LinePlan(name="l", over=over, units=[unit], script=list(script))  # type: ignore[arg-type]
    return BusPlan(lines=[line])


def connected(address: str) -> socket.socket:
    host, port = address.rpartition("/")[2].split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def test_a_pty_is_opened_like_a_serial_port(tmp_path: Path) -> None:
    with playing(plan(), tmp_path), serial.Serial(str(tmp_path / "l"), timeout=5) as port:
        port.write(ASKED)
        assert port.read(len(ANSWER)) == ANSWER


@pytest.mark.parametrize(
    ("over", "asked", "answer"),
    [("tcp", ASKED_TCP, ANSWER_TCP), ("rtu_over_tcp", ASKED, ANSWER)],
)
def test_over_tcp_the_address_is_in_a_file(
    tmp_path: Path, over: str, asked: bytes, answer: bytes
) -> None:
    with (
        playing(plan(over), tmp_path),
        connected((tmp_path / "l").read_text().strip()) as peer,
    ):
        peer.sendall(asked)
        assert peer.recv(100) == answer


def test_a_unit_answers_in_order_while_it_is_late(tmp_path: Path) -> None:
    with playing(plan(), tmp_path) as bus, serial.Serial(str(tmp_path / "l"), timeout=5) as port:
        bus.lines["l"].units[1].late_once_ms = 150
        began_s = time.monotonic()
        port.write(read_request(1, 3, 0, 1))
        port.write(read_request(1, 3, 1, 1))
        both = port.read(2 * len(ANSWER))
        assert both == ANSWER + with_crc(bytes.fromhex("01 03 02 000B"))
        assert time.monotonic() - began_s > 0.14


@pytest.mark.parametrize("dead", [False, True])
def test_an_echoing_line_hands_back_what_was_sent_whoever_answers(
    tmp_path: Path, *, dead: bool
) -> None:
    line = LinePlan(name="l", echo=True, units=[msgspec.structs.replace(UNIT, dead=dead)])
    with (
        playing(BusPlan(lines=[line]), tmp_path),
        serial.Serial(str(tmp_path / "l"), timeout=0.5) as port,
    ):
        port.write(ASKED)
        assert port.read(len(ASKED + ANSWER)) == (ASKED if dead else ASKED + ANSWER)


def test_a_serial_server_gives_a_late_answer_to_whoever_is_connected_then(tmp_path: Path) -> None:
    with playing(plan("rtu_over_tcp", unit=UNIT), tmp_path) as bus:
        line = bus.lines["l"]
        line.units[1].late_once_ms = 300
        with connected(line.address) as peer:
            peer.sendall(ASKED)
            end_s = time.monotonic() + 5
            while line.units[1].asked == 0:
                assert time.monotonic() < end_s
        with connected(line.address) as peer:
            assert peer.recv(100) == ANSWER


def test_the_script_is_followed(tmp_path: Path) -> None:
    steps = [Step(at_s=0.3, do="unplug"), Step(at_s=0, do="set", unit=1, registers={"0": 99})]
    with playing(plan("pty", *steps), tmp_path) as bus:
        line = bus.lines["l"]
        end_s = time.monotonic() + 5
        while line.is_plugged_in:
            assert time.monotonic() < end_s
            time.sleep(0.01)
        assert line.units[1].registers[0] == 99
        assert not (tmp_path / "l").is_symlink()


@pytest.mark.parametrize(
    ("do", "ms", "shows"),
    [
        ("die", 0, {"dead": True}),
        ("late", 40, {"late_ms": 40}),
        ("late_once", 40, {"late_once_ms": 40}),
        ("lose_once", 0, {"lose_once": True}),
    ],
)
def test_a_step_without_a_unit_is_for_all(
    tmp_path: Path, do: str, ms: int, shows: dict[str, object]
) -> None:
    with playing(plan("pty", Step(at_s=0, do=do, ms=ms)), tmp_path) as bus:  # type: ignore[arg-type]
        unit = bus.lines["l"].units[1]
        end_s = time.monotonic() + 5
        while {key: getattr(unit, key) for key in shows} != shows:
            assert time.monotonic() < end_s
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"lines": [{"name": "l", "units": [{"unit": 300, "registers": {}}]}]}', "unit"),
        ('{"lines": [{"name": "l", "speed": 3}]}', "speed"),
        ("{", "bus.json"),
    ],
)
def test_a_wrong_plan_is_said_to_be(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "bus.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=says):
        modbus_line.load(path)


def test_as_a_program_it_says_where_its_lines_are_and_ends_when_told(tmp_path: Path) -> None:
    lines = [
        {"name": "p", "units": [{"unit": 1, "registers": {"0": 10}}]},
        {"name": "t", "over": "tcp", "units": [{"unit": 1, "registers": {"0": 10}}]},
    ]
    path = tmp_path / "bus.json"
    path.write_text(json.dumps({"lines": lines}))
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "edge_agent.simulated.modbus_line",
            "--plan",
            path,
            "--dir",
            tmp_path,
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == f"p: 1 units at {tmp_path / 'p'}\n"
        with connected(program.stdout.readline().split()[-1]) as peer:
            peer.sendall(ASKED_TCP)
            assert peer.recv(100) == ANSWER_TCP
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
    assert not (tmp_path / "p").is_symlink()
