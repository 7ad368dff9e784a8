import threading

import pytest

from edge_agent.loops import heartbeat
from edge_agent.wire.messages import Presence

STREAM = "0" * 32


class FakeLine:
    """Hears three heartbeats and then has enough."""

    def __init__(self, stop: threading.Event) -> None:
        self.heard: list[Presence] = []
        self._stop = stop

    def say(self, presence: Presence) -> bool:
        self.heard.append(presence)
        if len(self.heard) == 3:
            self._stop.set()
        return False  # not heard is no reason to end


def test_it_says_each_time_what_is_so_then_and_ends_when_told() -> None:
    stop = threading.Event()
    line = FakeLine(stop)
    backlogs = iter([5, 3, 0])
    heartbeat.run(
        line,
        lambda: Presence(state="online", stream=STREAM, backlog_batches=next(backlogs)),
        0.001,
        stop,
    )
    assert [presence.backlog_batches for presence in line.heard] == [5, 3, 0]


def test_a_defect_ends_it_with_a_trace(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()

    def broken() -> Presence:
        raise ZeroDivisionError

    heartbeat.run(FakeLine(stop), broken, 0.001, stop)
    assert "the heartbeat broke" in caplog.text
