"""A serial line at the far end of a network: a serial server that hands bytes through over TCP.

A network that breaks says nothing. So the kernel is told to ask the peer now and then, and to give
up on what nobody acknowledges; otherwise a server that was switched off would look like a device
that is silent, for hours, and the connection would never be made anew.
"""

import contextlib
import socket

from edge_agent.transports.base import PortGone

CONNECT_TIMEOUT_S = 3.0
READ_SLICE_S = 0.05  # how long a read waits, and so how soon a wish to stop is noticed
WRITE_TIMEOUT_S = 2.0
READ_BYTES_MAX = 4096
FLUSH_READS_MAX = 1_000
ALIVE_AFTER_S, ALIVE_EVERY_S, ALIVE_MISSES = 10, 5, 3
UNACKNOWLEDGED_MS_MAX = 10_000


class TcpPort:
    def __init__(self, host: str, port: int) -> None:
        self._host, self._port_number = host, port
        self._socket: socket.socket | None = None

    @property
    def name(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"tcp://{host}:{self._port_number}"

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def open(self) -> None:
        self.close()
        try:
            opened = socket.create_connection((self._host, self._port_number), CONNECT_TIMEOUT_S)
        except OSError as error:
            raise PortGone(f"{self.name} cannot be opened: {error}") from error
        try:
            _keep_alive(opened)
        except OSError as error:
            opened.close()
            raise PortGone(f"{self.name} cannot be opened: {error}") from error
        self._socket = opened

    def close(self) -> None:
        opened, self._socket = self._socket, None
        if opened is not None:
            with contextlib.suppress(OSError):
                opened.close()

    def flush(self) -> None:
        opened = self._open_socket()
        try:
            opened.settimeout(0)
            for _ in range(FLUSH_READS_MAX):
                if not opened.recv(READ_BYTES_MAX):
                    raise self._gone("the peer has closed the connection")
        except BlockingIOError:
            return  # empty, which is what was asked for
        except OSError as error:
            raise self._gone(error) from error

    def write(self, request: bytes) -> None:
        opened = self._open_socket()
        try:
            opened.settimeout(WRITE_TIMEOUT_S)
            opened.sendall(request)
        except OSError as error:
            raise self._gone(error) from error

    def read(self) -> bytes:
        opened = self._open_socket()
        try:
            opened.settimeout(READ_SLICE_S)
            received = opened.recv(READ_BYTES_MAX)
        except TimeoutError:
            return b""
        except OSError as error:
            raise self._gone(error) from error
        if not received:
            raise self._gone("the peer has closed the connection")
        return received

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise PortGone(f"{self.name} is closed")
        return self._socket

    def _gone(self, because: object) -> PortGone:
        self.close()
        return PortGone(f"{self.name} is gone: {because}")


def _keep_alive(opened: socket.socket) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # questions are short and urgent
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (  # what a system does not know it does without
        ("TCP_KEEPIDLE", ALIVE_AFTER_S),
        ("TCP_KEEPINTVL", ALIVE_EVERY_S),
        ("TCP_KEEPCNT", ALIVE_MISSES),
        ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS_MAX),
    ):
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
