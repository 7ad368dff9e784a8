"""The promise of a channel: it tells one notice to one addressee, once per call, and says how.

A channel waits a limited time and never retries: when to try again is decided by whoever asked.
The outside misbehaving is an answer (`Failed`), not an exception; an exception is a defect.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cloud.core.notices import Notice


@dataclass(frozen=True, kw_only=True)
class Sent:
    detail: str  # what the receiver said, in a few words, fit to show


@dataclass(frozen=True, kw_only=True)
class Failed:
    because: str  # fit to show; no secret and nothing a stranger's server wrote
    retry: bool  # False: it would fail the same way for ever
    wait_s: int = 0  # the receiver asked to be left alone for this long


class Channel(Protocol):
    def send(self, notice: Notice, now: datetime) -> Sent | Failed:
        """Send `notice`. The same notice again carries the same id, so it is one message."""
        ...


@dataclass(frozen=True, kw_only=True)
class MailServer:
    host: str
    port: int
    tls: bool  # from the first byte; otherwise STARTTLS when the server offers it
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """What the channels need to know; each takes its own."""

    mail_server: MailServer
    mail_from: str
    webhook_allowed_hosts: frozenset[str] = frozenset()
