"""A serial line, through pyserial. The only file that opens one.

Unplugging shows as three kinds of exception, depending on which call meets it; here they become one
`PortGone`, and the port is closed so that the next `open` starts anew. Bind a scale by
/dev/serial/by-id or by-path: /dev/ttyUSB0 is another scale after the next plug.
"""

import contextlib
import errno
import termios
from dataclasses import dataclass
from typing import Literal

import serial
from serial import rs485

from edge_agent.transports.base import PortGone

READ_SLICE_S = 0.05  # how long a read waits, and so how soon a wish to stop is noticed
WRITE_TIMEOUT_S = 2.0
READ_BYTES_MAX = 4096

PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
WHY = {
    errno.ENOENT: "it is not there",
    errno.EACCES: "we may not; is the user in the group that owns it?",
    errno.EAGAIN: "another program has it",
    errno.EBUSY: "another program has it",
}
UNPLUGGED = (serial.SerialException, OSError, termios.error)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """How the wire is set; both ends must agree, and nothing tells them if they do not."""

    baud: int
    data_bits: Literal[7, 8]
    parity: Literal["none", "even", "odd"]
    stop_bits: Literal[1, 2]
    hardware_handshake: bool = False
    dtr: bool | None = None
    """Level from the moment of opening; None leaves it to the system, which raises it. Some devices
    restart when it changes, some draw their power from it."""
    rts: bool | None = None
    rs485: bool = False
    """The kernel turns the line around. Doing it from here would be too late on USB."""
    rs485_before_ms: int = 0
    """How long it holds the line before the first byte, for a slow driver chip to wake."""
    rs485_after_ms: int = 0
    """And after the last, lest its end is cut off."""


def opened(device: str, line: Line) -> serial.Serial:
    """The port as pyserial has it, with everything set that the line says; `PortGone` if not."""
    port = serial.Serial()  # not opened yet: levels are set before, so that they never change
    port.port = device
    port.baudrate = line.baud
    port.bytesize = line.data_bits
    port.parity = PARITIES[line.parity]
    port.stopbits = line.stop_bits
    port.timeout = READ_SLICE_S
    port.write_timeout = WRITE_TIMEOUT_S
    port.exclusive = True  # two programs on one line steal each other's bytes
    port.rtscts = line.hardware_handshake
    if line.dtr is not None:
        port.dtr = line.dtr
    if line.rts is not None:
        port.rts = line.rts
    try:
        port.open()
    except (*UNPLUGGED, ValueError) as error:  # ValueError: a speed this adapter cannot do
        raise PortGone(f"{device} cannot be opened: {_why(error)}") from error
    if line.rs485:
        _turn_rs485_on(port, line)
    return port


def _why(error: Exception) -> str:
    """In words: pyserial quotes the system, twice."""
    number = error.errno if isinstance(error, OSError) else None
    return WHY.get(number, str(error)) if number is not None else str(error)


def _turn_rs485_on(port: serial.Serial, line: Line) -> None:
    try:
        port.rs485_mode = rs485.RS485Settings(
            delay_before_tx=line.rs485_before_ms / 1000, delay_before_rx=line.rs485_after_ms / 1000
        )
    except (*UNPLUGGED, ValueError) as error:
        with contextlib.suppress(*UNPLUGGED):
            port.close()
        raise PortGone(
            f"{port.port} has no RS-485 mode in its driver: use an adapter that turns the "
            "line around by itself, and leave rs485 out"
        ) from error


class SerialPort:
    def __init__(self, device: str, line: Line) -> None:
        self._device = device
        self._line = line
        self._serial: serial.Serial | None = None

    @property
    def name(self) -> str:
        return self._device

    @property
    def is_open(self) -> bool:
        return self._serial is not None

    def open(self) -> None:
        self.close()
        self._serial = opened(self._device, self._line)

    def close(self) -> None:
        port, self._serial = self._serial, None
        if port is None:
            return
        with contextlib.suppress(*UNPLUGGED):  # gone already, which is what was asked for
            port.close()

    def flush(self) -> None:
        port = self._port()
        try:
            port.reset_input_buffer()
        except UNPLUGGED as error:
            raise self._gone(error) from error

    def write(self, request: bytes) -> None:
        port = self._port()
        try:
            port.write(request)
        except UNPLUGGED as error:
            raise self._gone(error) from error

    def read(self) -> bytes:
        port = self._port()
        try:
            received: bytes = port.read(1)
            if received and (waiting := port.in_waiting):
                received += port.read(min(waiting, READ_BYTES_MAX))
        except UNPLUGGED as error:
            raise self._gone(error) from error
        return received

    def _port(self) -> serial.Serial:
        if self._serial is None:
            raise PortGone(f"{self._device} is closed")
        return self._serial

    def _gone(self, error: BaseException) -> PortGone:
        self.close()
        return PortGone(f"{self._device} is gone: {error}")
