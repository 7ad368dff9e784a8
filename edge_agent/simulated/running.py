"""Many simulated devices in one process and one thread, until told to stop.

    <dir>/<gateway>-<sensor>     one line each, to be opened like a serial port
    <dir>/commands               append a JSON line to change a scale while it runs (see Command)
    --ledger FILE                every answer that went out: the truth, independent of all others

The commands are a file because a file needs no listener, has no limit to the length of its path,
takes `echo … >>`, and stays as the record of what was done.
"""

import heapq
import itertools
import json
import logging
import os
import selectors
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from edge_agent.simulated.devices import NEVER_S, Answered, SimulatedDevice
from edge_agent.simulated.families import simulated
from edge_agent.simulated.pty_line import PtyLine
from edge_agent.simulated.site import Command, DevicePlan, Scanner, SitePlan

LATE_MAX = 10_000  # answers that wait to be late
TICK_S = 0.05  # how long a command, or the wish to stop, may wait
COMMAND_LINE_BYTES_MAX = 4096

log = logging.getLogger(__name__)


def port_path(folder: Path, plan: DevicePlan) -> Path:
    return folder / f"{plan.gateway}-{plan.sensor}"


class SimulatedSite:
    """Open it, call `turn` for ever, close it. `now_s` counts from any start; `wall_ms` is UTC."""

    def __init__(
        self,
        plan: SitePlan,
        folder: Path,
        *,
        ledger: Path | None,
        now_s: Callable[[], float],
        wall_ms: Callable[[], int],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._start_s = now_s()
        self._now_s = now_s
        self._wall_ms = wall_ms
        self._commands = (folder / "commands").open("w+b", buffering=0)
        self._command_bytes = b""
        self._ledger = ledger.open("a", buffering=1, encoding="utf-8") if ledger else None
        self._selector = selectors.DefaultSelector()
        self._devices: dict[tuple[str, str], SimulatedDevice] = {}
        self._lines: list[PtyLine] = []
        self._speakers: list[tuple[PtyLine, SimulatedDevice]] = []
        self._late: list[tuple[float, int, PtyLine, DevicePlan, Answered]] = []  # by when it is due
        self._busy_until_s: dict[PtyLine, float] = {}
        self._order = itertools.count()
        self._script = sorted(plan.script, key=lambda step: step.at_s, reverse=True)
        for device_plan in plan.scales:
            device = simulated(device_plan, plan.seed)
            line = PtyLine(port_path(folder, device_plan))
            self._devices[device_plan.gateway, device_plan.sensor] = device
            self._lines.append(line)
            self._selector.register(line.near, selectors.EVENT_READ, (line, device))
            if device.speaks_at_s != NEVER_S or isinstance(device_plan, Scanner):
                self._speakers.append((line, device))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._selector.close()
        for line in self._lines:
            line.close()
        self._commands.close()
        if self._ledger is not None:
            self._ledger.close()

    def turn(self, timeout_s: float = TICK_S) -> None:
        """Answer what was asked, say what is due, and obey what was commanded."""
        events = self._selector.select(min(timeout_s, self._idle_s(timeout_s)))
        self._obey()
        now_s = self._elapsed_s()
        for key, _ in events:
            line, device = key.data
            for answered in device.hear(line.read(), now_s):
                self._send(line, device.plan, answered, now_s)
        for line, device in self._speakers:
            if device.speaks_at_s <= now_s:
                for answered in device.speak(now_s):
                    self._send(line, device.plan, answered, now_s)
        while self._late and self._late[0][0] <= now_s:
            _, _, line, plan, answered = heapq.heappop(self._late)
            self._write(line, plan, answered)

    def _idle_s(self, at_most_s: float) -> float:
        """Until something is due that nobody asks for."""
        due_s = [device.speaks_at_s for _, device in self._speakers]
        due_s += [self._late[0][0]] if self._late else []
        return max(0.0, min(due_s) - self._elapsed_s()) if due_s else at_most_s

    def _send(self, line: PtyLine, plan: DevicePlan, answered: Answered, now_s: float) -> None:
        """Now, or late; what a device says comes in the order in which it says it."""
        due_s = max(now_s + answered.after_s, self._busy_until_s.get(line, now_s))
        if due_s <= now_s:
            self._write(line, plan, answered)
            return
        self._busy_until_s[line] = due_s
        if len(self._late) < LATE_MAX:
            heapq.heappush(self._late, (due_s, next(self._order), line, plan, answered))

    def _write(self, line: PtyLine, plan: DevicePlan, answered: Answered) -> None:
        if line.write(answered.line):
            self._record(plan, answered)

    def _elapsed_s(self) -> float:
        return self._now_s() - self._start_s

    def _record(self, plan: DevicePlan, answered: Answered) -> None:
        if self._ledger is None:
            return
        entry = {
            "t": self._wall_ms(),
            "gateway": plan.gateway,
            "sensor": plan.sensor,
            "weight_mg": answered.weight_mg,
            "stable": answered.stable,
            "n": answered.n,
            **({} if answered.code is None else {"code": answered.code}),
            **({} if answered.count is None else {"count": answered.count}),
        }
        self._ledger.write(json.dumps(entry) + "\n")

    def _obey(self) -> None:
        while self._script and self._script[-1].at_s <= self._elapsed_s():
            step = self._script.pop()
            self._devices[step.gateway, step.sensor].command(step, step.at_s)
            log.info("%s/%s: %s, as planned", step.gateway, step.sensor, step.do)
        *lines, rest = (self._command_bytes + self._commands.read()).split(b"\n")
        self._command_bytes = rest[-COMMAND_LINE_BYTES_MAX:]
        for line in lines:
            if not line.strip():
                continue
            try:
                command = msgspec.json.decode(line, type=Command)
                device = self._devices[command.gateway, command.sensor]
            except (msgspec.MsgspecError, ValueError, KeyError) as error:
                log.warning("no command for any scale here: %r: %s", line[:200], error)
                continue
            device.command(command, self._elapsed_s())
            log.info("%s/%s: %s", command.gateway, command.sensor, line.decode()[:200])


def send_command(folder: Path, command: Command) -> None:
    """One append, so that two who command at once do not mix."""
    file = os.open(folder / "commands", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, msgspec.json.encode(command) + b"\n")
    finally:
        os.close(file)
