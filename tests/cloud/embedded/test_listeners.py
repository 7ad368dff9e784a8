import os
import socket
from pathlib import Path

from cloud.embedded import listeners
from cloud.embedded.programs import free_port


def test_a_free_port_has_nobody() -> None:
    assert listeners.who_listens(free_port()) is None


def test_a_taken_port_is_told_with_pid_and_name() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        name = Path("/proc/self/comm").read_text().strip()
        assert listeners.who_listens(server.getsockname()[1]) == f"pid {os.getpid()} ({name})"
