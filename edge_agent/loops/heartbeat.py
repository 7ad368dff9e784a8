"""Says every half minute that the gateway is there, and how much it still has to send."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from edge_agent.wire.messages import Presence

log = logging.getLogger(__name__)


class Line(Protocol):
    """What the loop needs of the uplink."""

    def say(self, presence: Presence) -> bool: ...


def run(
    line: Line, presence: Callable[[], Presence], interval_s: float, stop: threading.Event
) -> None:
    try:
        while not stop.wait(interval_s):
            line.say(presence())  # unheard while the line is down, and said again when it is up
    except Exception:
        log.exception("the heartbeat broke and has ended")
