"""The nouns between a device and the spool: what it said, and what the gateway states of it.

    Sample, Fault, Identity     a device's answer, as its driver understood it
    Reading                     what the poll loop hands to the spool, ready to be numbered

Weights are whole milligrams and totals whole counts: no float on the way from cable to database.
"""

from dataclasses import dataclass
from typing import Literal

from edge_agent.wire.messages import Quality, Stability

ConditionWord = Literal["silent", "unstable", "overload", "underload", "fault"]

BECAUSE_CHARS_MAX = 200  # the wire's limit for a reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One weight, raw. `stable` is None when the device has no way to say."""

    sensor: str
    weight_mg: int
    stable: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An answer that is no weight, and why: the world misbehaves as it will."""

    sensor: str
    condition: ConditionWord
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A device said who it is: when it was asked, or unasked because it has just restarted."""

    sensor: str
    serial_number: str


Answer = Sample | Fault | Identity


@dataclass(frozen=True, kw_only=True, slots=True)
class Weight:
    """A settled weight."""

    weight_mg: int
    stability: Stability
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """A counter's running total: it only grows."""

    total: int
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Something is to be said, and it is not a number: silence is never zero."""

    condition: ConditionWord
    because: str


Outcome = Weight | Total | Condition


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One outcome of one sensor. `measured_ms` is when the device was asked, in epoch ms, UTC."""

    sensor: str
    measured_ms: int
    clock_trusted: bool
    outcome: Outcome
