"""A serial line, through pyserial. The only file that imports it.

Unplugging shows as three kinds of exception, depending on which call meets it; here they become one
`PortGone`, and the port is closed so that the next `open` starts anew. Bind a scale by
/dev/serial/by-id or by-path: /dev/ttyUSB0 is another scale after the next plug.
"""

import contextlib
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
        port = serial.Serial()  # not opened yet: levels are set before, so that they never change
        port.port = self._device
        port.baudrate = self._line.baud
        port.bytesize = self._line.data_bits
        port.parity = PARITIES[self._line.parity]
        port.stopbits = self._line.stop_bits
        port.timeout = READ_SLICE_S
        port.write_timeout = WRITE_TIMEOUT_S
        port.exclusive = True  # two programs on one line steal each other's bytes
        port.rtscts = self._line.hardware_handshake
        if self._line.dtr is not None:
            port.dtr = self._line.dtr
        if self._line.rts is not None:
            port.rts = self._line.rts
        try:
            port.open()
        except (*UNPLUGGED, ValueError) as error:  # ValueError: a speed this adapter cannot do
            raise PortGone(f"{self._device} cannot be opened: {error}") from error
        if self._line.rs485:
            self._turn_rs485_on(port)
        self._serial = port

    def _turn_rs485_on(self, port: serial.Serial) -> None:
        try:
            port.rs485_mode = rs485.RS485Settings()
        except (*UNPLUGGED, ValueError) as error:
            with contextlib.suppress(*UNPLUGGED):
                port.close()
            raise PortGone(
                f"{self._device} has no RS-485 mode in its driver: use an adapter that turns the "
                "line around by itself, and leave rs485 out"
            ) from error

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
