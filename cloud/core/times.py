"""When a reading was measured, as well as we know: corrected, or set aside because it cannot be.

A gateway stamps with the clock it has. When that clock is set later, it says by how much it was
off, and every unsure time before is moved by that, also of readings that come later than the news.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from cloud.core.readings import Reading

AHEAD_MAX = timedelta(minutes=10)
_MS = timedelta(milliseconds=1)
# What a database can hold and a person can read; beyond it a step is a defect, not a time.
_AT_MS_MIN, _AT_MS_MAX = 0, 2**47


class StepAt(NamedTuple):
    seq: int
    step_ms: int


class Span(NamedTuple):
    """The times that are believed, in milliseconds since 1970."""

    earliest_ms: int
    latest_ms: int


def believed(now_ms: int, age_max: timedelta) -> Span:
    return Span(now_ms - age_max // _MS, now_ms + AHEAD_MAX // _MS)


def corrected_ms(reading: Reading, steps: Sequence[StepAt]) -> int | None:
    """The corrected time; None: there is nothing to correct."""
    if reading.clock_trusted or not steps or steps[-1].seq <= reading.seq:
        return None
    at_ms = reading.at_ms + sum(step.step_ms for step in steps if step.seq > reading.seq)
    return min(max(at_ms, _AT_MS_MIN), _AT_MS_MAX)


def aside_because(at_ms: int, span: Span) -> str | None:
    """Why a reading of this time is not believed; None: it is."""
    if at_ms > span.latest_ms:
        return "it is dated in the future"
    if at_ms < span.earliest_ms:
        return "it is dated further back than readings are accepted"
    return None
