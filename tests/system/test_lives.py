"""How the demo starts, stops, dies and starts again."""

import http.server
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

STOP_S_MAX = 10


def eventually(reached: Callable[[], object], what: str, limit_s: float = 60) -> None:
    until = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < until, f"not within {limit_s} s: {what}"
        time.sleep(0.05)


def still_there(pids: list[int]) -> list[int]:
    """A process that ended and is not yet collected is there no more."""
    stats = {pid: Path(f"/proc/{pid}/stat") for pid in pids}
    return [pid for pid, stat in stats.items() if stat.exists() and ") Z " not in stat.read_text()]


def log_ins(output: str) -> list[str]:
    return sorted(line for line in output.splitlines() if "@demo.binline" in line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_every_process_within_ten_seconds(start, number: signal.Signals) -> None:
    demo = start()
    everybody = demo.everybody()
    assert len(everybody) >= 9, everybody
    began = time.monotonic()
    assert demo.stop(number) == 0, demo.output
    assert time.monotonic() - began < STOP_S_MAX
    assert not still_there(everybody)
    assert "killing it" not in demo.output


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_works(start) -> None:
    demo = start()
    everybody = demo.everybody()
    readings = demo.count()
    demo.process.kill()
    demo.process.wait()
    # Not waiting for the others: the next start must cope with what is still stopping.
    again = start()
    assert again.count() >= readings
    eventually(lambda: not still_there(everybody), "the old ones to be gone")
    assert again.stop() == 0


def test_a_second_start_keeps_the_data_and_the_log_ins(start) -> None:
    first = start()
    eventually(lambda: first.count() > 100, "readings")
    kept = first.count()
    assert first.stop() == 0
    second = start()
    assert second.count() >= kept
    assert log_ins(first.output) == log_ins(second.output) != []
    assert second.count("SELECT count(*) FROM binline.bins") == 6


def test_a_start_beside_a_running_one_says_where_it_is(start, port: int) -> None:
    demo = start()
    beside = start(up=False)
    assert beside.process.wait(20) == 1
    eventually(lambda: beside.lines, "its word", 5)
    assert beside.lines[-1] == (
        f"already running (pid {demo.process.pid}): open http://127.0.0.1:{port}"
    )


def test_a_taken_port_is_named_with_its_holder(start, port: int) -> None:
    server = http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        demo = start(up=False)
        assert demo.process.wait(20) == 1
        eventually(lambda: demo.lines, "its word", 5)
        assert demo.lines[-1].startswith(f"port {port} is taken by pid {os.getpid()} (")
        assert "--port" in demo.lines[-1]
    finally:
        server.shutdown()
        server.server_close()
