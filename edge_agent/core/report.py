"""Is this outcome worth sending? When it changed, or when the last word is too long ago."""

from dataclasses import dataclass

from edge_agent.core.reading import Condition, Outcome, Total, Weight


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportLimits:
    deadband_mg: int = 500
    """A weight that changed by less is no news. 0 makes every settled weight news."""
    heartbeat_s: float = 60.0
    """After this long even the same is said again: silence must mean that something is wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """The last outcome that was sent, and when (monotonic)."""

    outcome: Outcome
    at_ms: int


def worth_sending(
    last: Reported | None, outcome: Outcome, now_ms: int, limits: ReportLimits
) -> bool:
    """Compared with what was last sent, not with what was last seen: slow drift adds up to news."""
    if last is None or now_ms - last.at_ms >= limits.heartbeat_s * 1000:
        return True
    match last.outcome, outcome:
        case Weight() as before, Weight() as after:
            moved = abs(after.weight_mg - before.weight_mg) >= limits.deadband_mg
            return moved or after.quality != before.quality
        case Total() as before, Total() as after:
            return (after.total, after.quality) != (before.total, before.quality)
        case Condition() as before, Condition() as after:
            return after.condition != before.condition
        case _:
            return True
