"""What outlives one life of the agent: of each sensor, as of the newest reading that was kept.

Without it a counter would begin at zero, a tag that was taken away meanwhile would be there for
ever, and a device swapped meanwhile would be believed. All of it follows from the readings, so that
whoever keeps these keeps that, in the same commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_agent.core.count import CounterState
from edge_agent.core.reading import Reading, Sighted, Total


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    counters: Mapping[str, CounterState] = field(default_factory=dict)
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Those that were said to be present, and not yet absent."""
    identities: Mapping[str, str] = field(default_factory=dict)
    """The serial number that the sensor's device gave when it was last believed."""


def remembered_after(before: Remembered, readings: Sequence[Reading]) -> Remembered:
    """`readings` in their order. A sensor without tags is not in `tags`."""
    counters, identities = dict(before.counters), dict(before.identities)
    tags = {sensor: dict.fromkeys(codes) for sensor, codes in before.tags.items()}
    for reading in readings:
        if reading.identity is not None:
            identities[reading.sensor] = reading.identity
        match reading.outcome:
            case Total(counter=CounterState() as counter):
                counters[reading.sensor] = counter
            case Sighted(code=code, change="present"):
                tags.setdefault(reading.sensor, {})[code] = None
            case Sighted(code=code, change="absent"):
                tags.get(reading.sensor, {}).pop(code, None)
    return Remembered(
        counters=counters,
        tags={sensor: tuple(codes) for sensor, codes in tags.items() if codes},
        identities=identities,
    )
