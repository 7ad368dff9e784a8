"""The whole of it, as `binline demo` starts it, in a home of its own."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

START_S_MAX = 120
STATE_S_MAX = 60
SCALES = 6


def eventually(reached: Callable[[], object], limit_s: float = STATE_S_MAX, what: str = "") -> None:
    until = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < until, f"not within {limit_s} s: {what or reached}"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            said = tasks.read_text()
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            continue
        for child in map(int, said.split()):
            found += [child, *children(child)]
    return found


class Demo:
    """One life of `binline demo`. The home may have others before and after."""

    def __init__(self, home: Path, port: int, *words: str) -> None:
        self.home = home
        self.port = port
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "edge_agent.cli.main", "demo", "--no-open"),
                *("--home", str(home), "--port", str(port), *words),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_until_up(self) -> None:
        eventually(
            lambda: self.said("Binline runs at") or self.process.poll() is not None,
            START_S_MAX,
            "the demo to be up",
        )
        assert self.process.poll() is None, self.output

    def said(self, text: str) -> bool:
        return text in self.output

    def everybody(self) -> list[int]:
        return [self.process.pid, *children(self.process.pid)]

    def pid_of(self, command_line: str) -> int | None:
        """The child of the supervisor whose command line matches."""
        for pid in children(self.process.pid):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == self.process.pid and re.search(command_line, words):
                return pid
        return None

    def dsn(self) -> str:
        """As one who sees everything: for checking only."""
        postgres = self.home / "postgres"
        password, port = (postgres / "password").read_text(), (postgres / "port").read_text()
        return f"postgresql://binline_admin:{password}@127.0.0.1:{port}/binline"

    def count(self, statement: str = "SELECT count(*) FROM binline.readings") -> int:
        try:
            with psycopg.connect(self.dsn(), connect_timeout=2) as conn:
                return conn.execute(statement).fetchone()[0]
        except psycopg.OperationalError:
            return -1

    def shown(self) -> int:
        ledger = self.home / "ledger.jsonl"
        return ledger.read_bytes().count(b"\n") if ledger.exists() else 0

    def command_all(self, **command: object) -> None:
        plan = json.loads((self.home / "plan.json").read_text())
        with (self.home / "ports" / "commands").open("a") as commands:
            for scale in plan["scales"]:
                named = {"gateway": scale["gateway"], "sensor": scale["sensor"], **command}
                commands.write(json.dumps(named) + "\n")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def home() -> Iterator[Path]:
    """Where the account PostgreSQL runs as may enter, too."""
    path = Path(tempfile.mkdtemp(prefix="binline-system-", dir="/tmp"))
    path.chmod(0o755)
    yield path / "home"
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(home: Path, port: int) -> Iterator[Callable[..., Demo]]:
    lives: list[Demo] = []

    def starter(*words: str, up: bool = True) -> Demo:
        demo = Demo(home, port, "--counting", str(SCALES), *words)
        lives.append(demo)
        if up:
            demo.wait_until_up()
        return demo

    yield starter
    for demo in lives:
        if demo.process.poll() is None:
            demo.process.terminate()
            try:
                demo.process.wait(20)
            except subprocess.TimeoutExpired:
                for pid in demo.everybody():
                    os.kill(pid, signal.SIGKILL)
                demo.process.wait()
