"""Keeps a set of programs running as if they were one: starts, watches, starts again, stops.

One thread, the main one: the kernel ends a child when the *thread* that started it ends, and a
flag set by a signal is looked at wherever we wait. Nothing here may wait without looking at it.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from cloud.embedded.programs import EmbeddedError, Program, spawn

LOOK_S = 0.05
STOP_S_MAX = 9.0  # and one second to kill what is left: the promise is ten
STAGE_S_MIN = 1.5  # what each stage is sure to get of it, however slow the one before
AGAIN_S_MIN = 0.5  # a killed PostgreSQL needs a moment until its children are gone
AGAIN_S_MAX = 15.0
STEADY_S = 30.0  # alive this long, and the next death counts as the first again
LOG_BYTES_MAX = 8 * 1024 * 1024
LOG_LOOK_S = 10.0


class Stopped(Exception):  # noqa: N818 - it is no error
    """Somebody asked us to stop while we were waiting."""


class AlreadyRunning(Exception):  # noqa: N818 - it is no error
    """Another supervisor holds this home."""

    def __init__(self, pid: int, url: str) -> None:
        super().__init__(f"already running (pid {pid}): open {url}")
        self.pid = pid
        self.url = url


def _at_once() -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Part:
    """A program and its place: later stages need earlier ones, so they are stopped first."""

    program: Program
    stage: int
    ready: Callable[[], bool] = _at_once
    ready_s_max: float = 60.0


@dataclass(kw_only=True)
class _Running:
    part: Part
    child: subprocess.Popen[bytes]
    since: float
    deaths: int = 0
    again_at: float | None = None  # dead, and to be started then


@dataclass(kw_only=True)
class Supervisor:
    """`say` gets one sentence for each change of state."""

    logs: Path
    say: Callable[[str], None]
    _running: dict[str, _Running] = field(default_factory=dict)
    _stopping: bool = False
    _logs_seen_at: float = 0.0

    def __post_init__(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)

    def listen_to_signals(self) -> None:
        """Ctrl-C, a service manager's stop and a closed terminal mean the same."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    @property
    def stopping(self) -> bool:
        return self._stopping

    def start(self, *parts: Part) -> None:
        """Start them all, then return when all are ready."""
        for part in parts:
            _rotate(self._log(part.program))
            self._spawn(part, deaths=0)
        for part in parts:
            self._wait_until_ready(part)

    def wait_until(self, reached: Callable[[], bool], limit_s: float, *, what: str) -> None:
        """Wait for a state of the whole while keeping every part alive."""
        until = time.monotonic() + limit_s
        while not reached():
            if time.monotonic() > until:
                raise EmbeddedError(f"{what}: not within {limit_s:.0f} s, see {self.logs}")
            self._pause()

    def watch(self) -> None:
        """Keep everything running until asked to stop."""
        with contextlib.suppress(Stopped):
            while True:
                self._pause()

    def stop(self) -> None:
        """The last stage first; whatever is left in the end is killed."""
        self._stopping = True
        until = time.monotonic() + STOP_S_MAX
        stages = sorted({running.part.stage for running in self._running.values()})
        while stages:
            stage = stages.pop()
            ours = [r.child for r in self._running.values() if r.part.stage == stage]
            for running in self._running.values():
                if running.part.stage == stage and running.child.poll() is None:
                    running.child.send_signal(running.part.program.stop_signal)
            _wait_for_all(ours, until - STAGE_S_MIN * len(stages))
        self._kill_the_rest()

    def pids(self) -> dict[str, int]:
        return {name: running.child.pid for name, running in self._running.items()}

    # ------------------------------------------------------------------ inside

    def _log(self, program: Program) -> Path:
        return self.logs / f"{program.name}.log"

    def _spawn(self, part: Part, *, deaths: int) -> None:
        name = part.program.name
        self._running[name] = _Running(
            part=part,
            child=spawn(part.program, self._log(part.program)),
            since=time.monotonic(),
            deaths=deaths,
        )

    def _wait_until_ready(self, part: Part) -> None:
        name = part.program.name
        until = time.monotonic() + part.ready_s_max
        while self._running[name].again_at is not None or not part.ready():
            if time.monotonic() > until:
                raise EmbeddedError(
                    f"{name} was not ready within {part.ready_s_max:.0f} s, "
                    f"see {self._log(part.program)}:\n{_tail(self._log(part.program))}"
                )
            self._pause()

    def _pause(self) -> None:
        if self._stopping:
            raise Stopped
        time.sleep(LOOK_S)
        self._look()

    def _look(self) -> None:
        now = time.monotonic()
        for running in list(self._running.values()):
            if running.again_at is not None:
                if now >= running.again_at:
                    self._spawn(running.part, deaths=running.deaths)
            elif running.child.poll() is not None:
                self._note_death(running, now)
        if now > self._logs_seen_at + LOG_LOOK_S:
            self._logs_seen_at = now
            _keep_small(self._log(running.part.program) for running in self._running.values())

    def _note_death(self, running: _Running, now: float) -> None:
        deaths = 0 if now - running.since > STEADY_S else running.deaths
        wait_s = min(AGAIN_S_MAX, AGAIN_S_MIN * 2**deaths)
        running.deaths = deaths + 1
        running.again_at = now + wait_s
        name = running.part.program.name
        when = "" if deaths == 0 else f" in {wait_s:.0f} s"
        self.say(f"{name} died ({_how(running.child.returncode)}), starting it again{when}")

    def _kill_the_rest(self) -> None:
        for name, running in self._running.items():
            if running.child.poll() is None:
                self.say(f"{name} does not stop, killing it")
                with contextlib.suppress(ProcessLookupError):
                    # Each has a session of its own, so this takes its children along.
                    os.killpg(running.child.pid, signal.SIGKILL)
                running.child.wait()


class HomeLock:
    """One supervisor per home. The kernel lets go when the holder dies, however it dies."""

    def __init__(self, home: Path, url: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._file = (home / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _holder(home / "lock") from None
        self._file.truncate(0)
        self._file.write(json.dumps({"pid": os.getpid(), "url": url}))
        self._file.flush()

    def release(self) -> None:
        self._file.close()


def _holder(path: Path) -> AlreadyRunning:
    try:
        note = json.loads(path.read_text())
        return AlreadyRunning(int(note["pid"]), str(note["url"]))
    except (ValueError, KeyError, TypeError):  # between taking the lock and writing the note
        return AlreadyRunning(0, "the address it printed")


def _wait_for_all(children: Iterable[subprocess.Popen[bytes]], until: float) -> None:
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.01, until - time.monotonic()))


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"


def _rotate(log: Path) -> None:
    """Each start begins a log; the one before is kept beside it."""
    if log.exists():
        log.replace(log.with_suffix(".log.1"))


def _keep_small(logs: Iterable[Path]) -> None:
    """Programs append, so a log can be copied aside and cut under their hands."""
    for log in logs:
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


def _tail(log: Path, lines: int = 8) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
