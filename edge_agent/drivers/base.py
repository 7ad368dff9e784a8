"""What every driver promises: bytes or registers in, answers out, nothing touched.

A driver speaks to one device. Its answers name the sensor they belong to, as the settings map the
device's channels; what concerns the device as a whole (`Identity`, `Restarted`, `Told`) names none.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Literal, Protocol

from edge_agent.core.blocks import Block
from edge_agent.core.reading import (
    Answer,
    CounterValue,
    Fault,
    Identity,
    Restarted,
    Sample,
    Sighting,
    Told,
)

__all__ = [
    "Answer",
    "CounterValue",
    "Fault",
    "Identity",
    "LineDriver",
    "Mode",
    "RegisterDriver",
    "Restarted",
    "Sample",
    "Sighting",
    "Told",
]

Mode = Literal["poll", "stream", "both"]


class LineDriver(Protocol):
    """A device at the end of a line of bytes.

    `feed` never raises and never guesses, and how the bytes were cut on their way makes no
    difference to its answers. What it cannot read is no answer; it is counted, and
    `unread` says why.
    """

    @property
    def mode(self) -> Mode:
        """Who speaks first: we (poll), the device (stream), or either (both)."""

    @property
    def silence_is_normal(self) -> bool:
        """It speaks only when there is something to say: a tag, a scan."""

    @property
    def unread(self) -> str:
        """Why bytes since the last `reset` were no answer; empty when there were none such."""

    @property
    def counts(self) -> Counter[str]:
        """What it has heard so far, by kind, for a diagnosis."""

    def before(self) -> tuple[bytes, ...]:
        """What is sent once after opening."""

    def request(self) -> bytes:
        """The question for what its sensors show."""

    def identify(self) -> bytes | None:
        """The question for the serial number; None when the device has no such question."""

    def feed(self, received: bytes) -> list[Answer]:
        """The answers that are complete with these bytes, oldest first."""

    def finish(self) -> list[Answer]:
        """The answers that are complete because nothing more has come."""

    def reset(self, *, mid_stream: bool = False) -> None:
        """Forget half a frame: the line was quiet, flushed or closed since.

        `mid_stream` says that the next bytes may begin inside a frame; the first is then dropped.
        """


class RegisterDriver(Protocol):
    """A device whose values are in Modbus registers."""

    @property
    def table(self) -> Literal["holding", "input"]: ...

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The requests that together read all that is wanted."""

    @property
    def identity_block(self) -> Block | None:
        """The registers that hold a number of its own; None when there are none."""

    def answers(self, registers: Mapping[int, int]) -> list[Answer]:
        """What the registers of one look mean: an answer for each sensor."""
