"""What a gateway said, once its bytes are understood: the values that ingest works on.

Where it came from is known from the topic alone, which the broker holds to the log-in; nothing
inside a payload names a gateway.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from cloud.core.ranges import Range

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Reading(NamedTuple):
    """One settled statement of one sensor: exactly one of weight, total, condition and code.

    A tuple of plain numbers, not a dataclass: some hundred thousand a second are made of these.
    """

    sensor: int  # its place in the batch's `sensors`
    seq: int
    at_ms: int  # measured at, since 1970, by the gateway's clock
    weight_mg: int | None
    total: int | None
    condition: str | None
    because: str | None
    stability: int
    quality: int
    clock_trusted: bool
    code: str | None = None  # a tag or barcode, and what became of it
    change: str | None = None

    @property
    def measured_at(self) -> datetime:
        return from_ms(self.at_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Readings sent together. The same first seq always means the same content.

    Of a thinned one `given_up` readings were dropped on the gateway, and `because` says why.
    """

    stream: UUID
    range: Range
    checksum: int
    sensors: tuple[str, ...]
    readings: Sequence[Reading]
    life: int = 0
    given_up: int = 0
    because: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A range that will never come as readings, and why."""

    stream: UUID
    range: Range
    checksum: int
    because: str
    life: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The gateway's clock was set: unsure times before this `seq` were off by `step_ms`."""

    stream: UUID
    range: Range  # its own seq, twice
    checksum: int
    step_ms: int
    because: str
    life: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptSaid:
    """What the gateway holds of a stream though it was acknowledged."""

    stream: UUID
    ranges: tuple[Range, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PresenceSaid:
    state: Literal["online", "offline"]
    version: str
    backlog_batches: int
    stream: UUID
    at_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """Kept aside whole. `claim` is the range it would have filled, when that much can be told.

    With a claim the gateway is told that the range is safe: it is, as a dead letter, and a
    gateway that sends one bad batch for ever would never get to the next.
    """

    because: str
    claim: Missing | None = None


Wants = Batch | Missing | Step  # what fills a range of the ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """One message as it came: who, the bytes, and what they mean."""

    topic: str
    payload: bytes
    gateway: str | None  # None: the topic is not one of ours
    content: Wants | KeptSaid | PresenceSaid | Unreadable
    kept: bool = False  # the broker kept it from earlier: it is no sign of life


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamCommitted:
    """What may be forgotten of a stream: everything up to `upto`, except `holes`."""

    gateway: str
    stream: UUID
    upto: int
    holes: tuple[Range, ...]
    exact: bool = True  # nothing in a hole, nor beyond `upto`, is committed


def set_aside(failed: Arrival, because: str) -> Arrival:
    """The same message, not to be stored as what it says; its range counts as dealt with."""
    claim = None
    if isinstance(failed.content, Batch | Missing | Step):
        claim = Missing(
            stream=failed.content.stream,
            range=failed.content.range,
            checksum=failed.content.checksum,
            because=because,
            life=failed.content.life,
        )
    return replace(failed, content=Unreadable(because=because, claim=claim))


def from_ms(at_ms: int) -> datetime:
    # Whole milliseconds as a timedelta: a float of seconds would round them.
    return EPOCH + timedelta(milliseconds=at_ms)


def to_ms(at: datetime) -> int:
    return (at - EPOCH) // _MS
