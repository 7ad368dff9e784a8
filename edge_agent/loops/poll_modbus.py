"""One thread per Modbus line: whose turn it is, which registers, and what they mean.

    turn ─▶ blocks ─▶ link ─registers─▶ driver ─answers─▶ stating ─Reading─▶ queue

A unit that does not answer costs its time-out, and everyone behind it waits: after a few misses it
is asked rarely, until it answers again. A line that is gone is nobody's fault among the units.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from edge_agent.core.reading import Identity
from edge_agent.core.turns import Turn, after, next_turn
from edge_agent.drivers.base import RegisterDriver
from edge_agent.loops.stating import DeviceStating, Outlet, Reopening
from edge_agent.transports.base import PortGone
from edge_agent.transports.modbus_link import NoAnswer

log = logging.getLogger(__name__)


class RegisterLink(Protocol):
    """What a Modbus line promises to the loop: as a `Transport`, with registers for bytes."""

    @property
    def name(self) -> str: ...

    @property
    def is_open(self) -> bool: ...

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(
        self, unit: int, table: Literal["holding", "input"], first: int, count: int
    ) -> list[int] | NoAnswer: ...


@dataclass(kw_only=True, slots=True)
class Unit:
    """A device on the line, and where it stands in its turn."""

    number: int
    driver: RegisterDriver
    stating: DeviceStating
    poll_ms: int
    turn: Turn


class ModbusPoller:
    """Run it in a thread. It ends when `stop` is set; a thread that ends before that has failed."""

    def __init__(self, *, link: RegisterLink, units: Sequence[Unit], outlet: Outlet) -> None:
        self._link = link
        self._units = units
        self._outlet = outlet
        self._stop = outlet.stop
        self._clock = outlet.clock
        self._reopening = Reopening(link.name, outlet.clock)

    @property
    def name(self) -> str:
        return self._link.name

    def run(self) -> None:
        for unit in self._units:
            unit.turn = Turn(interval_ms=unit.poll_ms, due_ms=self._clock.monotonic_ms())
        try:
            while not self._stop.is_set():
                self.turn()
                due_ms = min(unit.turn.due_ms for unit in self._units)
                self._stop.wait(max(0, due_ms - self._clock.monotonic_ms()) / 1000)
        except Exception:
            log.exception("the poll loop of %s broke and has ended", self.name)
        finally:
            self._link.close()

    def turn(self) -> None:
        """One look at the unit whose turn it is, and what follows from it."""
        with self._outlet.together():
            self._turn()

    def _turn(self) -> None:
        unit = self._units[next_turn([unit.turn for unit in self._units])]
        # When it was asked, not when the answer was read: the loop may have been held up between.
        asked_ms = self._clock.wall_ms()
        try:
            if self._link.is_open or self._open():
                answered = self._ask(unit, asked_ms)
            else:
                answered = self._is_missing(unit, asked_ms)
        except PortGone as gone:
            self._reopening.lost(str(gone))
            answered = self._is_missing(unit, asked_ms)
        unit.turn = after(unit.turn, self._clock.monotonic_ms(), answered=answered)

    def _open(self) -> bool:
        if not self._reopening.is_due:
            return False
        self._link.open()
        log.info("opened %s", self.name)
        for unit in self._units:
            unit.stating.opened()
        return True

    def _is_missing(self, unit: Unit, at_ms: int) -> bool:
        """No unit is to blame for its line: all are asked as before when it is back."""
        unit.stating.miss(self._reopening.because, at_ms)
        return True

    def _ask(self, unit: Unit, asked_ms: int) -> bool:
        if not unit.stating.identified:
            return self._ask_identity(unit, asked_ms)
        registers: dict[int, int] = {}
        for block in unit.driver.blocks:
            words = self._link.read(unit.number, unit.driver.table, block.first, block.count)
            if isinstance(words, NoAnswer):
                return self._take_no(unit, words, asked_ms)
            registers |= dict(enumerate(words, block.first))
        self._reopening.heard()
        unit.stating.hear(unit.driver.answers(registers), asked_ms)
        unit.stating.pass_time(asked_ms)
        return True

    def _ask_identity(self, unit: Unit, asked_ms: int) -> bool:
        block = unit.driver.identity_block
        assert block is not None, "settings with a serial number were held to the profile"
        words = self._link.read(unit.number, unit.driver.table, block.first, block.count)
        if isinstance(words, NoAnswer):
            return self._take_no(unit, words, asked_ms)
        self._reopening.heard()
        unit.stating.hear([Identity(serial_number=identity_of(words))], asked_ms)
        return True

    def _take_no(self, unit: Unit, no: NoAnswer, asked_ms: int) -> bool:
        if no.refused:
            self._reopening.heard()
            unit.stating.fault_all(no.because, asked_ms)
            return True
        unit.stating.miss(no.because, asked_ms)
        return len(self._units) == 1  # nobody waits behind it, so it is not asked less


def identity_of(words: Sequence[int]) -> str:
    """Registers as a text that fits settings: `12AB 0003`."""
    return " ".join(f"{word:04X}" for word in words)
