"""On real pseudo terminals: what pyserial and the kernel do is what is to be known."""

import fcntl
import os
import termios
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from serial.serialposix import TIOCGRS485, TIOCSRS485

from edge_agent import profiles
from edge_agent.core.reading import Sample
from edge_agent.drivers.declared_serial import DeclaredSerial
from edge_agent.transports.base import PortGone
from edge_agent.transports.serial_port import Line, SerialPort

LINE = Line(baud=9600, data_bits=8, parity="none", stop_bits=1)


class Pty:
    def __init__(self) -> None:
        self.near, self.far = os.openpty()
        tty.setraw(self.far)
        self.path = os.ttyname(self.far)
        self._open = [self.near, self.far]

    def unplug(self) -> None:
        """Once: the numbers of closed files are soon those of others."""
        while self._open:
            os.close(self._open.pop())


@pytest.fixture
def pty() -> Iterator[Pty]:
    made = Pty()
    yield made
    made.unplug()


@pytest.fixture
def port(pty: Pty) -> Iterator[SerialPort]:
    opened = SerialPort(pty.path, LINE)
    opened.open()
    yield opened
    opened.close()


def test_bytes_go_out_and_come_in_unchanged(pty: Pty, port: SerialPort) -> None:
    port.write(b"SI\r\n")
    assert os.read(pty.near, 100) == b"SI\r\n"
    every_byte = bytes(range(256))
    os.write(pty.near, every_byte)
    received = b""
    while len(received) < 256 and (part := port.read()):
        received += part
    assert received == every_byte


def test_a_read_with_nothing_there_comes_back_empty(port: SerialPort) -> None:
    assert port.read() == b""


def test_what_came_in_before_a_flush_is_gone(pty: Pty, port: SerialPort) -> None:
    os.write(pty.near, b"S S 1 g\r\n")
    port.flush()
    assert port.read() == b""


def test_a_second_program_cannot_open_the_same_line(port: SerialPort) -> None:
    with pytest.raises(PortGone, match="cannot be opened"):
        SerialPort(port.name, LINE).open()


def test_a_port_that_is_not_there_is_gone(tmp_path: Path) -> None:
    port = SerialPort(str(tmp_path / "ttyUSB0"), LINE)
    with pytest.raises(PortGone, match="ttyUSB0 cannot be opened"):
        port.open()
    assert not port.is_open


@pytest.mark.parametrize("do", ["read", "write", "flush"])
def test_unplugging_shows_as_one_thing_whichever_call_meets_it(
    pty: Pty, port: SerialPort, do: str
) -> None:
    pty.unplug()
    calls = {"read": port.read, "write": lambda: port.write(b"SI\r\n"), "flush": port.flush}
    with pytest.raises(PortGone):
        calls[do]()
    assert not port.is_open


def test_after_a_plug_the_librarys_port_stays_dead_and_ours_comes_back(tmp_path: Path) -> None:
    before, after = Pty(), Pty()
    path = tmp_path / "ttyUSB0"
    path.symlink_to(before.path)
    port = SerialPort(str(path), LINE)
    with serial.Serial(str(path), 9600, timeout=0.05) as naive:
        port.open()
        before.unplug()
        path.unlink()
        path.symlink_to(after.path)
        raised = []
        for call in (naive.readline, naive.reset_input_buffer):
            with pytest.raises((OSError, termios.error)) as met:
                call()
            raised.append(met.type)
        assert raised == [serial.SerialException, termios.error]  # another with each call,
        assert naive.is_open  # and it does not know
    with pytest.raises(PortGone):
        port.read()
    assert not port.is_open
    port.open()
    os.write(after.near, b"x")
    assert port.read() == b"x"
    port.close()
    after.unplug()


@pytest.mark.parametrize("do", ["read", "write", "flush"])
def test_a_closed_port_is_gone_and_not_a_crash(port: SerialPort, do: str) -> None:
    port.close()
    calls = {"read": port.read, "write": lambda: port.write(b"SI\r\n"), "flush": port.flush}
    with pytest.raises(PortGone, match="closed"):
        calls[do]()


def test_it_opens_again_after_it_was_gone(pty: Pty, port: SerialPort) -> None:
    port.close()
    port.open()
    os.write(pty.near, b"x")
    assert port.read() == b"x"


def test_seven_bits_and_even_parity_can_be_set(pty: Pty) -> None:
    port = SerialPort(pty.path, Line(baud=2400, data_bits=7, parity="even", stop_bits=1))
    port.open()
    assert port.is_open
    port.close()


def test_half_a_line_is_another_weight_with_readline_and_none_with_a_driver(pty: Pty) -> None:
    """What a slow sender or a busy machine does: a pause in the middle of a number."""
    halves = (b"S S     12", b"3.45 kg\r\n")
    with serial.Serial(pty.path, 9600, timeout=0.05) as naive:
        os.write(pty.near, halves[0])
        line = naive.readline()
    assert float(line.split()[-1]) == 12  # and nobody is told that it was 123.45

    port = SerialPort(pty.path, LINE)
    port.open()
    driver = DeclaredSerial(profiles.load("mt_sics"), {0: "s"})
    answers = []
    for half in halves:
        os.write(pty.near, half)
        while received := port.read():
            answers += driver.feed(received)
    port.close()
    assert answers == [Sample(sensor="s", weight_mg=123_450_000, stable=True)]


def test_levels_and_a_handshake_are_set_where_the_line_has_none(pty: Pty) -> None:
    """A pty has no such wires; asking for them must not keep the port from opening."""
    line = Line(
        baud=9600,
        data_bits=8,
        parity="none",
        stop_bits=1,
        hardware_handshake=True,
        dtr=False,
        rts=False,
    )
    port = SerialPort(pty.path, line)
    port.open()
    assert port._serial is not None
    assert (port._serial.dtr, port._serial.rts, port._serial.rtscts) == (False, False, True)
    port.close()


def test_the_levels_are_set_before_the_port_is_opened(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Afterwards is too late: the device has seen the edge, and restarts."""
    seen = []
    opens = serial.Serial.open

    def watched(self: serial.Serial) -> None:
        seen.append((self.dtr, self.rts))
        opens(self)

    monkeypatch.setattr(serial.Serial, "open", watched)
    line = Line(baud=9600, data_bits=8, parity="none", stop_bits=1, dtr=False, rts=False)
    port = SerialPort(pty.path, line)
    port.open()
    port.close()
    assert seen == [(False, False)]


def test_where_the_driver_has_no_rs485_the_refusal_says_what_to_do(pty: Pty) -> None:
    line = Line(baud=9600, data_bits=8, parity="none", stop_bits=1, rs485=True)
    port = SerialPort(pty.path, line)
    with pytest.raises(PortGone, match="no RS-485 mode in its driver: use an adapter"):
        port.open()
    assert not port.is_open
    SerialPort(pty.path, LINE).open()  # and it is not held


def test_the_kernel_is_told_how_long_to_hold_the_line(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pty has no RS-485, so what would reach the kernel is caught on its way."""
    told: list[list[int]] = []
    real = fcntl.ioctl

    def watched(fd: int, request: int, *rest: Any) -> Any:
        if request in (TIOCGRS485, TIOCSRS485):
            told.append(list(rest[0]))
            return 0
        return real(fd, request, *rest)

    monkeypatch.setattr(fcntl, "ioctl", watched)
    line = Line(
        baud=9600,
        data_bits=8,
        parity="none",
        stop_bits=1,
        rs485=True,
        rs485_before_ms=3,
        rs485_after_ms=29,
    )
    port = SerialPort(pty.path, line)
    port.open()
    port.close()
    enabled, rts_on_send = 1 << 0, 1 << 1
    assert told[-1][:3] == [enabled | rts_on_send, 3, 29]
