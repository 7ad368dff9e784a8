"""What every simulated device does: hear, perhaps speak by itself, obey, be silent, be late."""

from dataclasses import dataclass
from math import inf
from typing import Protocol

from edge_agent.simulated.site import Command, DevicePlan, Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """One answer, as sent, and what of it goes to the ledger: the weight, the code or the count.

    Each is None when the answer holds none.
    """

    line: bytes
    weight_mg: int | None = None
    stable: bool = False
    n: int = 0
    code: str | None = None
    count: int | None = None
    after_s: float = 0.0


class SimulatedDevice(Protocol):
    @property
    def plan(self) -> DevicePlan: ...

    def hear(self, sent: bytes, now_s: float) -> list[Answered]:
        """Answers to every question that is complete by now."""

    def speak(self, now_s: float) -> list[Answered]:
        """What it says unasked, when `speaks_at_s` has come."""

    @property
    def speaks_at_s(self) -> float: ...

    def command(self, command: Command, now_s: float) -> None: ...


class Moods:
    """Silent, restarted, late: as planned, and as commanded."""

    def __init__(self, plan: DevicePlan) -> None:
        self._plan = plan
        self._silent_until_s = 0.0
        self._late_until_s = 0.0
        self._late_s = plan.late_ms / 1000
        self._restarted = False

    def command(self, command: Command, now_s: float) -> None:
        match command.do:
            case "silence":
                self._silent_until_s = now_s + command.seconds
            case "speak":
                self._silent_until_s = now_s
            case "restart":
                self._restarted = True
            case "late":
                self._late_until_s = now_s + command.seconds
            case _:
                pass  # the others concern what is measured

    def is_silent(self, now_s: float) -> bool:
        silent = now_s < self._silent_until_s or within(self._plan.silences, now_s)
        self._restarted |= silent
        return silent

    def has_restarted(self) -> bool:
        """Once for each restart."""
        restarted, self._restarted = self._restarted, False
        return restarted

    def late_s(self, now_s: float) -> float:
        late = now_s < self._late_until_s or within(self._plan.lates, now_s)
        return self._late_s if late else 0.0


NEVER_S = inf


def next_beat_s(beat_s: float, every_s: float, now_s: float) -> float:
    """When to speak again: by the beat, and beats that were missed are not made up for."""
    following_s = beat_s + every_s
    return following_s if following_s > now_s - every_s else now_s + every_s


def within(windows: tuple[Window, ...], now_s: float) -> bool:
    return any(start <= now_s < start + length for start, length in windows)
