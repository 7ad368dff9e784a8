"""What every driver promises, and what it may answer: bytes in, answers out, nothing touched."""

from typing import Protocol

from edge_agent.core.reading import Answer, Fault, Identity, Sample

__all__ = ["Answer", "Driver", "Fault", "Identity", "Sample"]


class Driver(Protocol):
    """One device family's language, for one sensor.

    `feed` never raises and never guesses: bytes it does not know become a `Fault` with a reason,
    and how the bytes were cut on their way makes no difference to its answers.
    """

    def __init__(self, sensor: str) -> None: ...

    def request(self) -> bytes:
        """The question for one weight."""

    def identify(self) -> bytes | None:
        """The question for the serial number; None when the family has no such question."""

    def feed(self, received: bytes) -> list[Answer]:
        """The answers that are complete with these bytes, oldest first."""

    def reset(self) -> None:
        """Forget half a frame: the line was quiet, flushed or closed since."""
