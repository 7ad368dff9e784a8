"""Counter values to one running total that only moves for a reason.

    value grows                      the difference was counted
    value falls, zero was near       the counter wrapped: the difference is through zero
    value falls otherwise            it restarted: nothing is invented, the total waits there

A 16-bit counter that restarts at 300 would otherwise become sixty thousand pieces; one that
restarts near its top, some hundreds. So a way through zero is believed only when so many pieces can
have come since the last look. Of a look before the agent's own start nobody knows how long ago it
was, and what took the agent's power took the counter's: then only the least is believed.
"""

from dataclasses import dataclass
from typing import Literal

# However long nobody looked, a wrap is this small a part of the whole range or less.
WRAP_SHARE = 8


@dataclass(frozen=True, kw_only=True)
class CounterState:
    """What is remembered of a counter: its last value, and the total that was stated with it."""

    value: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The most pieces that can come: in the interval or less, `step_max`; in longer, more."""

    step_max: int
    interval_ms: int

    def most_in(self, elapsed_ms: int) -> int:
        return self.step_max * max(elapsed_ms, self.interval_ms) // self.interval_ms


# Where the settings say nothing: a handful at once, ten a second for as long as nobody looked.
UNSAID_PACE = Pace(step_max=100, interval_ms=10_000)


@dataclass(frozen=True, kw_only=True)
class Counted:
    state: CounterState
    step: Literal["first", "still", "counted", "wrapped", "restarted"]
    pieces: int


def counted(
    state: CounterState | None,
    value: int,
    *,
    width: int,
    elapsed_ms: int | None = None,
    pace: Pace | None = None,
) -> Counted:
    """What a look brought, `elapsed_ms` after the one before it.

    `elapsed_ms` is None when the look before was in an earlier life of the agent. With a `pace`
    more than it allows is a restart or another device, in whichever direction; without one only
    a way through zero is doubted.
    """
    modulus = 1 << width
    assert 0 <= value < modulus, f"{value} does not fit {width} bits"
    if state is None:
        return Counted(state=CounterState(value=value, total=0), step="first", pieces=0)
    forward = value - state.value
    if forward == 0:
        return Counted(state=state, step="still", pieces=0)
    if forward > 0 and (pace is None or elapsed_ms is None or forward <= pace.most_in(elapsed_ms)):
        return _moved(state, value, forward, "counted")
    through_zero = forward + modulus
    if forward < 0 and through_zero <= _wrap_max(pace, elapsed_ms or 0, modulus):
        return _moved(state, value, through_zero, "wrapped")
    return Counted(state=CounterState(value=value, total=state.total), step="restarted", pieces=0)


def _wrap_max(pace: Pace | None, elapsed_ms: int, modulus: int) -> int:
    """The share holds what a long absence allows, not what was said to be possible at once."""
    said = pace.step_max if pace is not None else 0
    return max(said, min((pace or UNSAID_PACE).most_in(elapsed_ms), modulus // WRAP_SHARE))


def _moved(
    state: CounterState, value: int, pieces: int, step: Literal["counted", "wrapped"]
) -> Counted:
    return Counted(
        state=CounterState(value=value, total=state.total + pieces), step=step, pieces=pieces
    )
