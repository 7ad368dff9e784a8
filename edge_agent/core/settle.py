"""Samples to a settled weight: what lies still may be stated, what moves may not.

A device that says "stable" is believed after a few such samples in a row that agree; the flag of
one alone may be a lull under a hand. One that cannot say has settled when its weight has stayed
within a band for a while. Moving samples never count, and the last good weight is never said again
because time has passed.
"""

from collections import deque
from dataclasses import dataclass

from edge_agent.core.reading import Condition, Fault, Sample, Weight
from edge_agent.wire.messages import Stability


@dataclass(frozen=True, kw_only=True, slots=True)
class SettleLimits:
    samples: int = 2
    """How many answers in a row must agree; a fault is believed after as many. 1 is at once."""
    band_mg: int = 500
    """How far agreeing weights may lie apart."""
    held_s: float = 2.0
    """How long a device without a stable flag must stay within the band."""
    unstable_after_s: float = 30.0
    """How long nothing may settle before that itself is worth saying."""


class Settling:
    """One sensor's samples, in order; `now_ms` counts from anywhere and never goes back."""

    def __init__(self, limits: SettleLimits) -> None:
        self._limits = limits
        self._agreeing: deque[int] = deque(maxlen=limits.samples)
        self._held: _Held | None = None
        self._faults = 0
        self._fault_word = ""
        self._restless_since_ms: int | None = None

    def reset(self) -> None:
        """What was before does not bear on what comes: silence, another cable, a restart."""
        self._agreeing.clear()
        self._held = None
        self._faults = 0
        self._restless_since_ms = None

    def feed(self, answer: Sample | Fault, now_ms: int) -> Weight | Condition | None:
        """What may be stated now that this was answered; None while that is open."""
        stated = self._weigh(answer, now_ms) if isinstance(answer, Sample) else self._fail(answer)
        if stated is not None:
            self._restless_since_ms = None
            return stated
        if self._restless_since_ms is None:
            self._restless_since_ms = now_ms
        restless_ms = now_ms - self._restless_since_ms
        if restless_ms < self._limits.unstable_after_s * 1000:
            return None
        because = f"nothing has come to rest for {self._limits.unstable_after_s:g} s"
        return Condition(condition="unstable", because=because)

    def _weigh(self, sample: Sample, now_ms: int) -> Weight | None:
        self._faults = 0
        if sample.stable is None:
            return self._hold(sample.weight_mg, now_ms)
        if not sample.stable:
            self._agreeing.clear()
            return None
        self._agreeing.append(sample.weight_mg)
        full = len(self._agreeing) == self._limits.samples
        if full and max(self._agreeing) - min(self._agreeing) <= self._limits.band_mg:
            return Weight(weight_mg=sample.weight_mg, stability=Stability.STATED)
        return None

    def _hold(self, weight_mg: int, now_ms: int) -> Weight | None:
        held = self._held.with_(weight_mg) if self._held else None
        if held is None or held.high_mg - held.low_mg > self._limits.band_mg:
            held = _Held(low_mg=weight_mg, high_mg=weight_mg, since_ms=now_ms)
        self._held = held
        if now_ms - held.since_ms < self._limits.held_s * 1000:
            return None
        return Weight(weight_mg=weight_mg, stability=Stability.HELD)

    def _fail(self, fault: Fault) -> Condition | None:
        self._agreeing.clear()
        self._held = None
        if fault.condition == "unstable":  # busy is no news: only to go on like that is
            self._faults = 0
            return None
        self._faults = self._faults + 1 if fault.condition == self._fault_word else 1
        self._fault_word = fault.condition
        if self._faults < self._limits.samples:
            return None
        return Condition(condition=fault.condition, because=fault.because)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """The band in which a weight has stayed."""

    low_mg: int
    high_mg: int
    since_ms: int

    def with_(self, weight_mg: int) -> "_Held":
        return _Held(
            low_mg=min(self.low_mg, weight_mg),
            high_mg=max(self.high_mg, weight_mg),
            since_ms=self.since_ms,
        )
