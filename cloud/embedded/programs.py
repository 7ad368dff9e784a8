"""A program we start for ourselves: its command line, and the promise that it dies with us."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Linux alone has it. Elsewhere a supervisor killed with -9 leaves its programs behind.
_prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)


class EmbeddedError(Exception):
    """A part could not be started: what is wrong and what to do."""


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
    The kernel means the *thread* that called, so call this from the main thread only.
    """
    stop_signal = program.stop_signal
    parent = os.getpid()

    def die_with_parent() -> None:
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

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
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def kept_port(note: Path, wanted: int = 0) -> int:
    """The port of last time when it is free, else a new one, written down for the next time."""
    with contextlib.suppress(OSError, ValueError):  # none yet, or its writing was cut short
        wanted = int(note.read_text())
    port = free_port(wanted)
    note.write_text(str(port))
    return port


def kept(path: Path, make: Callable[[], str]) -> str:
    """What `path` holds; made once, and readable by its owner alone."""
    if not path.exists():
        # Beside and then renamed: a write cut short is never taken for a secret.
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        fresh.rename(path)
    return path.read_text()
