"""Counter values to one running total that only moves for a reason.

    value grows                 the difference was counted
    value falls, near the top   the counter wrapped: the difference is through zero
    value falls otherwise       the device restarted: nothing is invented, the total waits there

A 16-bit counter that restarts at 300 would otherwise become sixty thousand pieces.
"""

from dataclasses import dataclass
from typing import Literal

# A wrap is believed only when the way through zero is this small a part of the whole range.
WRAP_SHARE = 8


@dataclass(frozen=True, kw_only=True)
class CounterState:
    """What is remembered of a counter: its last value, and the total that was stated with it."""

    value: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Counted:
    state: CounterState
    step: Literal["first", "still", "counted", "wrapped", "restarted"]
    pieces: int


def counted(
    state: CounterState | None, value: int, *, width: int, step_max: int | None = None
) -> Counted:
    """`step_max` is the most that one interval can bring; more of it means a restart or a swap."""
    modulus = 1 << width
    assert 0 <= value < modulus, f"{value} does not fit {width} bits"
    if state is None:
        return Counted(state=CounterState(value=value, total=0), step="first", pieces=0)
    forward = value - state.value
    if forward == 0:
        return Counted(state=state, step="still", pieces=0)
    through_zero = forward + modulus
    limit = step_max if step_max is not None else modulus // WRAP_SHARE
    if forward > 0 and (step_max is None or forward <= step_max):
        return _moved(state, value, forward, "counted")
    if forward < 0 and through_zero <= limit:
        return _moved(state, value, through_zero, "wrapped")
    return Counted(state=CounterState(value=value, total=state.total), step="restarted", pieces=0)


def _moved(
    state: CounterState, value: int, pieces: int, step: Literal["counted", "wrapped"]
) -> Counted:
    return Counted(
        state=CounterState(value=value, total=state.total + pieces), step=step, pieces=pieces
    )
