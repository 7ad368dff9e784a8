"""The nouns between a device and the spool: what it said, and what the gateway states of it.

    Sample, Fault, Pieces,
    CounterValue, Sighting                    what a sensor said, as its driver understood it
    Identity, Restarted, Told                 what its device said of itself
    Reading                                   what the poll loop hands to the spool, to be numbered

Weights are whole milligrams and totals whole counts: no float on the way from cable to database.
"""

from dataclasses import dataclass
from typing import Literal

from edge_agent.core.count import CounterState
from edge_agent.wire.messages import Quality, Stability

ConditionWord = Literal["silent", "unstable", "overload", "underload", "fault", "restarted", "back"]

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
class Pieces:
    """What a counting scale reckons, from a weight of one piece that was keyed in there.

    Beside a weight it says nothing; where it is all there is, that is a fault: the cloud reckons
    from weights, and nobody would know that the wrong piece was keyed in.
    """

    sensor: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CounterValue:
    """What a counter shows: it wraps at `width` bits, and starts again when its power was away."""

    sensor: str
    value: int
    width: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """One tag or code seen. A tag is there for a while and read often; a scan is an event."""

    sensor: str
    code: str
    kind: Literal["tag", "scan"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A device said who it is: when it was asked, or unasked because it has just restarted."""

    serial_number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Restarted:
    """A device said that it has just started: what it said before no longer counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An answer with nothing in it to state (no tag there): it proves the device alive."""

    what: str


Answer = Sample | Fault | Pieces | CounterValue | Sighting | Identity | Restarted | Told


@dataclass(frozen=True, kw_only=True, slots=True)
class Weight:
    """A settled weight."""

    weight_mg: int
    stability: Stability
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """A counter's running total: it only grows.

    `counter` is what the next difference is taken from. Whoever keeps the reading keeps it too, and
    hands it back to the loop after a restart of the agent, so that nothing is counted twice.
    """

    total: int
    quality: Quality = Quality.GOOD
    counter: CounterState | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighted:
    """A tag came or went, or a code was scanned."""

    code: str
    change: Literal["present", "absent", "scanned"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Something is to be said, and it is not a number: silence is never zero."""

    condition: ConditionWord
    because: str


Outcome = Weight | Total | Sighted | Condition


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One outcome of one sensor.

    `measured_ms` is when the device was asked, in epoch ms, UTC; of a device that speaks by
    itself, when its word arrived.
    """

    sensor: str
    measured_ms: int
    clock_trusted: bool
    outcome: Outcome
    identity: str | None = None
    """Of the device, where that is remembered. Not sent: whoever keeps the reading keeps it too."""
