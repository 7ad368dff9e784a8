"""What a gateway said, once its bytes are understood: the values that ingest works on.

Where it came from is known from the topic alone, which the broker holds to the log-in; nothing
inside a payload names a gateway.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from cloud.core.ranges import Range


class Reading(NamedTuple):
    """One settled statement of one sensor: exactly one of weight, total, condition and code.

    A tuple, not a dataclass: some hundred thousand a second are made of these.
    """

    sensor: str
    seq: int
    measured_at: datetime
    weight_mg: int | None
    total: int | None
    condition: str | None
    because: str | None
    stability: int
    quality: int
    clock_trusted: bool
    code: str | None = None  # a tag or barcode, and what became of it
    change: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Readings sent together. The same first seq always means the same content."""

    stream: UUID
    range: Range
    checksum: int
    readings: tuple[Reading, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A range that will never come as readings, and why."""

    stream: UUID
    range: Range
    checksum: int
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PresenceSaid:
    state: Literal["online", "offline"]
    version: str
    backlog_batches: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """Kept aside whole. `claim` is the range it would have filled, when that much can be told.

    With a claim the gateway is told that the range is safe: it is, as a dead letter, and a
    gateway that sends one bad batch for ever would never get to the next.
    """

    because: str
    claim: Missing | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """One message as it came: who, the bytes, and what they mean."""

    topic: str
    payload: bytes
    gateway: str | None  # None: the topic is not one of ours
    content: Batch | Missing | PresenceSaid | Unreadable
    kept: bool = False  # the broker kept it from earlier: it is no sign of life


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamCommitted:
    """What may be forgotten of a stream: everything up to `upto`, except `holes`."""

    gateway: str
    stream: UUID
    upto: int
    holes: tuple[Range, ...]


def set_aside(failed: Arrival, because: str) -> Arrival:
    """The same message, not to be stored as what it says; its range counts as dealt with."""
    claim = None
    if isinstance(failed.content, Batch | Missing):
        claim = Missing(
            stream=failed.content.stream,
            range=failed.content.range,
            checksum=failed.content.checksum,
            because=because,
        )
    return replace(failed, content=Unreadable(because=because, claim=claim))
