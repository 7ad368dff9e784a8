"""Simulated Modbus units on lines that programs can open: a pty, Modbus TCP, or RTU over TCP.

    python -m edge_agent.simulated.modbus_line --plan bus.json --dir DIR

    {"lines": [
      {"name": "rs485", "over": "pty", "units": [{"unit": 1, "registers": {"0": 12, "1": 3400}}],
       "script": [{"at_s": 5, "unit": 1, "do": "die"}, {"at_s": 9, "unit": 1, "do": "revive"}]},
      {"name": "plc", "over": "tcp", "port": 1502, "units": [...]}]}

A pty appears as DIR/<name>, to be opened like a serial port; of a line over TCP, DIR/<name> holds
the address. Each unit answers in the order it was asked: while it is late, its later answers wait.
"""

import argparse
import contextlib
import heapq
import itertools
import json
import selectors
import signal
import socket
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edge_agent.core.typed_toml import SettingsError
from edge_agent.simulated.modbus_units import Answer, SimulatedLine, SimulatedUnit, Wrong
from edge_agent.simulated.pty_line import PtyLine

TICK_S = 0.05  # how long a script, or the wish to stop, may wait
READ_BYTES_MAX = 4096
CONNECTIONS_MAX = 16  # on one line; small devices allow fewer

Word = Annotated[int, Meta(ge=0, le=0xFFFF)]
Address = Annotated[int, Meta(ge=0, le=255)]


class UnitPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    unit: Address
    registers: dict[str, Word]
    """By wire address: 40001 is "0". Holding and input registers are the same here."""
    late_ms: Annotated[int, Meta(ge=0)] = 0
    dead: bool = False
    wrong: Wrong = ""


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happens on a line, counted from its start."""

    at_s: Annotated[float, Meta(ge=0)]
    do: Literal[
        "die", "revive", "late", "late_once", "lose_once", "wrong", "set", "hang", "drop", "unplug"
    ]
    """`hang`: the line takes questions and answers none; `drop`: connections are closed;
    `unplug`: the port is no longer there."""
    unit: Address | None = None
    """All of the line's units when none is named."""
    ms: Annotated[int, Meta(ge=0)] = 0
    registers: dict[str, Word] = {}
    wrong: Wrong = ""


class LinePlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
    over: Literal["pty", "tcp", "rtu_over_tcp"] = "pty"
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """0: one that is free."""
    echo: bool = False
    """A two-wire adapter that hands back what was sent; not on Modbus TCP."""
    units: list[UnitPlan] = []
    script: list[Step] = []


class BusPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lines: list[LinePlan]


def load(path: Path) -> BusPlan:
    """The plan in `path`, JSON or TOML; SettingsError says what is wrong in it."""
    try:
        content = path.read_bytes()
        tree = tomllib.loads(content.decode()) if path.suffix == ".toml" else json.loads(content)
        return msgspec.convert(tree, BusPlan)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise SettingsError(f"{path.name}: {error}") from error


class RunningLine:
    """One line that is played. `units` may be changed meanwhile: each change is one assignment."""

    def __init__(self, plan: LinePlan, folder: Path, selector: selectors.BaseSelector) -> None:
        self.plan = plan
        self.units = {unit.unit: _unit(unit) for unit in plan.units}
        self.hung = False
        self.connections = 0
        self._selector = selector
        self._simulated = SimulatedLine(self.units)
        self._script = sorted(plan.script, key=lambda step: step.at_s)
        self._due: list[tuple[float, int, Callable[[bytes], object], bytes]] = []
        self._order = itertools.count()
        self._free_s: dict[int, float] = {}  # when a unit has said all it was asked before
        self._peers: dict[socket.socket, bytearray] = {}
        self._drop = False
        self._unplug = False
        self._pty: PtyLine | None = None
        self._door: socket.socket | None = None
        path = folder / plan.name
        if plan.over == "pty":
            self._pty = PtyLine(path)
            self.address = str(path)
            selector.register(self._pty.near, selectors.EVENT_READ, self._hear_pty)
        else:
            self._door = socket.create_server(("127.0.0.1", plan.port))
            scheme = "tcp" if plan.over == "tcp" else "rtu+tcp"
            self.address = f"{scheme}://127.0.0.1:{self._door.getsockname()[1]}"
            path.write_text(self.address + "\n")
            selector.register(self._door, selectors.EVENT_READ, self._let_in)

    def drop(self) -> None:
        """Close every connection at the next turn."""
        self._drop = True

    def unplug(self) -> None:
        """Take the port away at the next turn."""
        self._unplug = True

    @property
    def is_plugged_in(self) -> bool:
        return self._pty is not None or self._door is not None

    def say(self, noise: bytes) -> None:
        """Bytes that nobody asked for, to everybody who listens."""
        if self._pty is not None:
            self._pty.write(noise)
        for peer in list(self._peers):
            _send(peer, noise)

    def turn(self, now_s: float, elapsed_s: float) -> None:
        """Follow the script, and send what is due."""
        while self._script and self._script[0].at_s <= elapsed_s:
            self._follow(self._script.pop(0))
        if self._drop:
            self._drop = False
            for peer in list(self._peers):
                self._let_go(peer)
        if self._unplug and self.is_plugged_in:
            self.close()
        while self._due and self._due[0][0] <= now_s:
            _, _, send, frame = heapq.heappop(self._due)
            send(frame)

    def next_due_s(self) -> float | None:
        return self._due[0][0] if self._due else None

    def close(self) -> None:
        for peer in list(self._peers):
            self._let_go(peer)
        if self._pty is not None:
            self._selector.unregister(self._pty.near)
            self._pty.close()
            self._pty = None
            self._due.clear()
        if self._door is not None:
            self._selector.unregister(self._door)
            self._door.close()
            self._door = None

    # ------------------------------------------------------------------ what comes in

    def _hear_pty(self) -> None:
        if self._pty is not None:
            received = self._pty.read(READ_BYTES_MAX)
            if self.hung:
                return
            if self.plan.echo:
                self._pty.write(received)
            self._plan_answers(self._simulated.hear(received), self._pty.write)

    def _let_in(self) -> None:
        assert self._door is not None
        peer, _ = self._door.accept()
        if len(self._peers) >= CONNECTIONS_MAX:
            peer.close()
            return
        peer.settimeout(0)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        self._peers[peer] = bytearray()
        self._selector.register(peer, selectors.EVENT_READ, lambda: self._hear_peer(peer))

    def _hear_peer(self, peer: socket.socket) -> None:
        try:
            received = peer.recv(READ_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._let_go(peer)
            return
        if self.hung:
            return
        if self.plan.over == "tcp":
            self._peers[peer] += received
            answers = self._simulated.hear_tcp(self._peers[peer])
            self._plan_answers(answers, lambda frame: _send(peer, frame))
            return
        if self.plan.echo:
            self.say(received)
        # A serial server has one wire behind it: what comes late goes to whoever is connected then.
        self._plan_answers(self._simulated.hear(received), self.say)

    def _let_go(self, peer: socket.socket) -> None:
        if self._peers.pop(peer, None) is not None:
            self._selector.unregister(peer)
            peer.close()

    # ------------------------------------------------------------------ what goes out

    def _plan_answers(self, answers: list[Answer], send: Callable[[bytes], object]) -> None:
        now_s = time.monotonic()
        for answer in answers:
            free_s = max(now_s, self._free_s.get(answer.unit, 0.0))
            due_s = free_s + answer.after_ms / 1000
            self._free_s[answer.unit] = due_s
            heapq.heappush(self._due, (due_s, next(self._order), send, answer.frame))

    def _follow(self, step: Step) -> None:
        if step.do == "hang":
            self.hung = True
        elif step.do == "drop":
            self.drop()
        elif step.do == "unplug":
            self.unplug()
        else:
            named = [step.unit] if step.unit is not None else list(self.units)
            for address in named:
                _change(self.units[address], step)


def _change(unit: SimulatedUnit, step: Step) -> None:
    match step.do:
        case "die":
            unit.dead = True
        case "revive":
            unit.dead = False
        case "late":
            unit.late_ms = step.ms
        case "late_once":
            unit.late_once_ms = step.ms
        case "lose_once":
            unit.lose_once = True
        case "wrong":
            unit.wrong = step.wrong
        case "set":
            unit.registers.update({int(at): word for at, word in step.registers.items()})


def _unit(plan: UnitPlan) -> SimulatedUnit:
    registers = {int(at): word for at, word in plan.registers.items()}
    return SimulatedUnit(registers, late_ms=plan.late_ms, dead=plan.dead, wrong=plan.wrong)


def _send(peer: socket.socket, frame: bytes) -> None:
    with contextlib.suppress(OSError):  # gone, or not listening: a unit does not care
        peer.send(frame)


class RunningBus:
    """All lines of a plan, in one thread. Open it, call `turn` for ever, close it."""

    def __init__(self, plan: BusPlan, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._selector = selectors.DefaultSelector()
        self._start_s = time.monotonic()
        self.lines = {line.name: RunningLine(line, folder, self._selector) for line in plan.lines}

    def turn(self) -> None:
        now_s = time.monotonic()
        due = [at_s for line in self.lines.values() if (at_s := line.next_due_s()) is not None]
        wait_s = min(TICK_S, max(0.0, min(due, default=now_s + TICK_S) - now_s))
        for key, _ in self._selector.select(wait_s):
            key.data()
        now_s = time.monotonic()
        for line in self.lines.values():
            line.turn(now_s, now_s - self._start_s)

    def close(self) -> None:
        for line in self.lines.values():
            line.close()
        self._selector.close()


@contextlib.contextmanager
def playing(plan: BusPlan, folder: Path) -> Iterator[RunningBus]:
    """The plan, played by a thread until the block ends."""
    bus = RunningBus(plan, folder)
    stop = threading.Event()

    def play() -> None:
        while not stop.is_set():
            bus.turn()

    player = threading.Thread(target=play, name="simulated Modbus", daemon=True)
    player.start()
    try:
        yield bus
    finally:
        stop.set()
        player.join(5)
        bus.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Simulated Modbus units, until SIGTERM.")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--dir", type=Path, required=True, dest="folder")
    chosen = parser.parse_args()
    try:
        plan = load(chosen.plan)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    bus = RunningBus(plan, chosen.folder)
    for line in bus.lines.values():
        print(f"{line.plan.name}: {len(line.units)} units at {line.address}", flush=True)
    while not stop.is_set():
        bus.turn()
    bus.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
