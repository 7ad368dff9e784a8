"""A program we start for ourselves: its command line, and the promise that it dies with us."""

import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Account:
    """The operating-system account a program runs as, when it must not be ours."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Program:
    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM


def spawn(program: Program, log: Path) -> subprocess.Popen[bytes]:
    """Start `program` in a session of its own, so that Ctrl-C reaches only the one who started it.

    The kernel is told to stop it when we die, however we die: a killed supervisor leaves nothing.
    """
    stop_signal = program.stop_signal

    def die_with_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, stop_signal)

    with log.open("ab") as output:
        return subprocess.Popen(
            program.argv,
            env={**os.environ, **program.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=program.account.uid if program.account else None,
            group=program.account.gid if program.account else None,
            extra_groups=[] if program.account else None,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing else runs in the child
        )


def free_port(wanted: int = 0) -> int:
    """`wanted` if nobody listens there, else one the system offers."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")
