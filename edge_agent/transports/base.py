"""What every cable promises to the poll loop."""

from typing import Protocol


class PortGone(Exception):  # noqa: N818 - it names what happened, and an unplugged cable is no error of ours
    """The port is not there, or no longer: unplugged, switched off, or held by another program."""


class Transport(Protocol):
    """Every method may raise `PortGone`, and nothing else, when the outside is away.

    After `PortGone` the transport is closed; `open` tries again.
    """

    @property
    def name(self) -> str:
        """What a person calls this port, for logs."""

    @property
    def is_open(self) -> bool: ...

    def open(self) -> None: ...

    def close(self) -> None:
        """Never raises; closing what is closed is fine."""

    def flush(self) -> None:
        """Throw away what has come in: it answers an older question."""

    def write(self, request: bytes) -> None: ...

    def read(self) -> bytes:
        """What has come in; waits a moment for the first byte, and returns b"" if none comes."""
