"""Starts `binline` as it is, with what a scenario needs set from outside.

    python -m tests.faults.launched WHO CONTROL -- edge run --settings …

WHO (agent, ingest, work, serve, other) says which fault points are put in. In the environment:

    FAULTS_TUNED   {"edge_agent.mqtt.uplink:KEEPALIVE_S": 4}: constants, so that a scenario that
                   waits for two keepalives takes seconds. One that is not there is an error.
    FAULTS_CLOCK   a file with "offset_ms trusted": the gateway's wall clock, read at each question
"""

import importlib
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from tests.faults import points

CLOCK_LOOK_S = 0.05


class Clock:
    """The wall clock of a gateway, set by a file."""

    def __init__(self, order: Path) -> None:
        self._order = order
        self._read_at = -1.0
        self._offset_ms = 0
        self._trusted = True

    def wall_ms(self) -> int:
        self._look()
        return time.time_ns() // 1_000_000 + self._offset_ms

    def trusted(self) -> bool:
        self._look()
        return self._trusted

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._read_at + CLOCK_LOOK_S:
            return
        self._read_at = now
        try:
            offset, trusted = self._order.read_text().split()
        except (FileNotFoundError, ValueError):
            return
        self._offset_ms, self._trusted = int(offset), trusted == "trusted"


def tune(constants: dict[str, float]) -> None:
    for where, value in constants.items():
        module, _, name = where.partition(":")
        holder = importlib.import_module(module)
        shipped = getattr(holder, name)  # an error when the product no longer has it
        setattr(holder, name, timedelta(seconds=value) if isinstance(shipped, timedelta) else value)


def main() -> None:
    who, control, mark, *words = sys.argv[1:]
    assert mark == "--", "usage: launched WHO CONTROL -- WORDS"
    tune(json.loads(os.environ.get("FAULTS_TUNED", "{}")))
    points.install(who, Path(control))
    if "FAULTS_CLOCK" in os.environ:
        clock = importlib.import_module("edge_agent.loops.clock")
        assert clock.wall_ms
        assert clock.kernel_trusts_it
        wall = Clock(Path(os.environ["FAULTS_CLOCK"]))
        clock.wall_ms, clock.kernel_trusts_it = wall.wall_ms, wall.trusted
    sys.argv = ["binline", *words]
    # Not before: what it loads must be what was set above.
    importlib.import_module("edge_agent.cli.main").main()


if __name__ == "__main__":
    main()
