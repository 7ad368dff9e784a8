"""A pulse counter that does not exist, as one Modbus unit on a line of its own.

Each read shows a value that only grows, wraps at its width, and begins at zero after a power cut.
"""

import random

from edge_agent.simulated.devices import NEVER_S, Answered, Moods
from edge_agent.simulated.modbus_units import SimulatedLine, SimulatedUnit
from edge_agent.simulated.site import Command, PulseCounter


class SimulatedPulseCounter:
    speaks_at_s = NEVER_S

    def __init__(self, plan: PulseCounter, seed: int) -> None:
        self.plan = plan
        self._moods = Moods(plan)
        self._chance = random.Random(f"{seed}/{plan.gateway}/{plan.sensor}")  # noqa: S311 - a replay, not a secret
        self._unit = SimulatedUnit(registers={})
        self._line = SimulatedLine(units={plan.unit: self._unit})
        self._value = plan.value % (1 << plan.width)
        self._answers = 0
        self._next_s = self._after(0.0)

    def command(self, command: Command, now_s: float) -> None:
        self._advance(now_s)
        if command.do == "pulse":
            self._value += command.pieces
        else:
            self._moods.command(command, now_s)

    def hear(self, sent: bytes, now_s: float) -> list[Answered]:
        self._advance(now_s)
        silent = self._moods.is_silent(now_s)
        if not silent and self._moods.has_restarted():
            self._value = 0
        count = self._value % (1 << self.plan.width)
        self._unit.registers.update(self._registers(count))
        answers = self._line.hear(sent)  # also while silent: what it was asked then is lost
        return [] if silent else [self._told(answer.frame, count, now_s) for answer in answers]

    def speak(self, now_s: float) -> list[Answered]:  # noqa: ARG002 - units speak when they are asked
        return []

    def _told(self, frame: bytes, count: int, now_s: float) -> Answered:
        self._answers += 1
        late_s = self._moods.late_s(now_s)
        return Answered(line=frame, count=count, n=self._answers, after_s=late_s)

    def _registers(self, count: int) -> dict[int, int]:
        first = self.plan.address
        if self.plan.width == 16:  # noqa: PLR2004 - bits
            return {first: count}
        halves = [count >> 16, count & 0xFFFF]
        if self.plan.word_order == "little":
            halves.reverse()
        return dict(enumerate(halves, first))

    def _advance(self, now_s: float) -> None:
        while self._next_s <= now_s:
            self._value += 1
            self._next_s = self._after(self._next_s)

    def _after(self, at_s: float) -> float:
        per_s = self.plan.pulses_per_minute / 60
        return at_s + self._chance.expovariate(per_s) if per_s else NEVER_S
