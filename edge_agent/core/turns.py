"""Whose turn it is on a shared line: every device by its own interval, a dead one out of the way.

A device that does not answer costs its whole time-out. Asked like the others it would take most of
a line of thirty-two, so after a few misses it is asked rarely, until it answers again.
"""

from dataclasses import dataclass, replace

MISSES_UNTIL_RARE = 3
RARE_MS = 30_000


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One device's place in the line; all times are monotonic milliseconds."""

    interval_ms: int
    due_ms: int
    misses: int = 0

    @property
    def is_rare(self) -> bool:
        return self.misses >= MISSES_UNTIL_RARE


def next_turn(turns: list[Turn]) -> int:
    """The index of the most overdue; equals go by their place."""
    return min(range(len(turns)), key=lambda place: (turns[place].due_ms, place))


def after(turn: Turn, now_ms: int, *, answered: bool) -> Turn:
    """The device's next turn. Late ones are not made up for: it would make the line later."""
    misses = 0 if answered else turn.misses + 1
    pause_ms = max(RARE_MS, turn.interval_ms) if misses >= MISSES_UNTIL_RARE else turn.interval_ms
    return replace(turn, misses=misses, due_ms=max(turn.due_ms + pause_ms, now_ms))
