"""Many simulated scales in one process and one thread, until told to stop.

    <dir>/<gateway>-<sensor>     one line each, to be opened like a serial port
    <dir>/commands               append a JSON line to change a scale while it runs (see Command)
    --ledger FILE                every answer that went out: the truth, independent of all others

The commands are a file because a file needs no listener, has no limit to the length of its path,
takes `echo … >>`, and stays as the record of what was done.
"""

import json
import logging
import os
import selectors
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from edge_agent.simulated.pty_line import PtyLine
from edge_agent.simulated.sics_scale import Answered, SimulatedScale
from edge_agent.simulated.site import Command, ScalePlan, SitePlan

TICK_S = 0.05  # how long a command, or the wish to stop, may wait
COMMAND_LINE_BYTES_MAX = 4096

log = logging.getLogger(__name__)


def port_path(folder: Path, plan: ScalePlan) -> Path:
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
        self._scales: dict[tuple[str, str], SimulatedScale] = {}
        self._lines: list[PtyLine] = []
        for scale_plan in plan.scales:
            scale = SimulatedScale(scale_plan, plan.seed)
            line = PtyLine(port_path(folder, scale_plan))
            self._scales[scale_plan.gateway, scale_plan.sensor] = scale
            self._lines.append(line)
            self._selector.register(line.near, selectors.EVENT_READ, (line, scale))

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
        """Answer what was asked, and obey what was commanded."""
        events = self._selector.select(timeout_s)
        self._obey()
        for key, _ in events:
            line, scale = key.data
            for answered in scale.hear(line.read(), self._elapsed_s()):
                if line.write(answered.line):
                    self._record(scale.plan, answered)

    def _elapsed_s(self) -> float:
        return self._now_s() - self._start_s

    def _record(self, plan: ScalePlan, answered: Answered) -> None:
        if self._ledger is None:
            return
        entry = {
            "t": self._wall_ms(),
            "gateway": plan.gateway,
            "sensor": plan.sensor,
            "weight_mg": answered.weight_mg,
            "stable": answered.stable,
            "n": answered.n,
        }
        self._ledger.write(json.dumps(entry) + "\n")

    def _obey(self) -> None:
        *lines, rest = (self._command_bytes + self._commands.read()).split(b"\n")
        self._command_bytes = rest[-COMMAND_LINE_BYTES_MAX:]
        for line in lines:
            if not line.strip():
                continue
            try:
                command = msgspec.json.decode(line, type=Command)
                scale = self._scales[command.gateway, command.sensor]
            except (msgspec.MsgspecError, ValueError, KeyError) as error:
                log.warning("no command for any scale here: %r: %s", line[:200], error)
                continue
            scale.command(command, self._elapsed_s())
            log.info("%s/%s: %s", command.gateway, command.sensor, line.decode()[:200])


def send_command(folder: Path, command: Command) -> None:
    """One append, so that two who command at once do not mix."""
    file = os.open(folder / "commands", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, msgspec.json.encode(command) + b"\n")
    finally:
        os.close(file)
