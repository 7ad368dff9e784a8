"""On real sockets: what the kernel does is what is to be known."""

import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from edge_agent.transports.base import PortGone
from edge_agent.transports.tcp_port import TcpPort


class Server:
    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.number: int = self.listening.getsockname()[1]
        self.peer: socket.socket | None = None

    def accept(self) -> socket.socket:
        self.listening.settimeout(5)
        self.peer = self.listening.accept()[0]
        self.peer.settimeout(5)
        return self.peer

    def close(self) -> None:
        self.listening.close()
        if self.peer is not None:
            self.peer.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def port(server: Server) -> Iterator[TcpPort]:
    opened = TcpPort("127.0.0.1", server.number)
    opened.open()
    server.accept()
    yield opened
    opened.close()


def test_bytes_go_out_and_come_in_unchanged(server: Server, port: TcpPort) -> None:
    assert server.peer is not None
    port.write(b"SI\r\n")
    assert server.peer.recv(100) == b"SI\r\n"
    every_byte = bytes(range(256))
    server.peer.sendall(every_byte)
    received = b""
    while len(received) < 256 and (part := port.read()):
        received += part
    assert received == every_byte


def test_a_read_with_nothing_there_comes_back_empty(port: TcpPort) -> None:
    assert port.read() == b""


def test_what_came_in_before_a_flush_is_gone_and_what_comes_after_is_not(
    server: Server, port: TcpPort
) -> None:
    assert server.peer is not None
    server.peer.sendall(b"old")
    assert port._socket is not None
    port._socket.settimeout(5)
    port._socket.recv(1, socket.MSG_PEEK)  # it has arrived
    port.flush()
    assert port.read() == b""
    server.peer.sendall(b"new")
    assert port.read() == b"new"


def hang_up(server: Server, *, hard: bool) -> None:
    assert server.peer is not None
    if hard:  # a reset, as when the server was switched off and on
        server.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.peer.close()


def until_it_is_gone(call: Callable[[], object]) -> None:
    """The news takes its time, even on one machine."""
    for _ in range(1_000):
        call()


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("do", ["read", "flush"])
def test_a_peer_that_hangs_up_is_a_port_that_is_gone(
    server: Server, port: TcpPort, *, do: str, hard: bool
) -> None:
    hang_up(server, hard=hard)
    call = {"read": port.read, "flush": port.flush}[do]
    with pytest.raises(PortGone):
        until_it_is_gone(call)
    assert not port.is_open


def test_a_write_to_a_peer_that_was_reset_is_a_port_that_is_gone(
    server: Server, port: TcpPort
) -> None:
    hang_up(server, hard=True)
    with pytest.raises(PortGone):
        until_it_is_gone(lambda: port.write(b"SI\r\n"))


def test_a_host_that_does_not_listen_is_gone(server: Server) -> None:
    server.listening.close()
    port = TcpPort("127.0.0.1", server.number)
    with pytest.raises(PortGone, match="cannot be opened"):
        port.open()
    assert not port.is_open


def test_a_host_that_is_not_known_is_gone() -> None:
    with pytest.raises(PortGone, match="cannot be opened"):
        TcpPort("no-such-host.invalid", 1).open()


@pytest.mark.parametrize("do", ["read", "write", "flush"])
def test_a_closed_port_is_gone_and_not_a_crash(port: TcpPort, do: str) -> None:
    port.close()
    port.close()
    calls = {"read": port.read, "write": lambda: port.write(b"x"), "flush": port.flush}
    with pytest.raises(PortGone, match="closed"):
        calls[do]()


def test_it_opens_again_after_it_was_gone(server: Server, port: TcpPort) -> None:
    hang_up(server, hard=False)
    with pytest.raises(PortGone):
        port.read()
    port.open()
    server.accept().sendall(b"x")
    assert port.read() == b"x"


def test_the_kernel_asks_whether_the_peer_is_still_there(port: TcpPort) -> None:
    assert port._socket is not None
    assert port._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert port._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
