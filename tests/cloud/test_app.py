"""The three processes, started as they are in earnest: up, told to stop, gone in time, exit 0."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud.embedded import programs

KEY = bytes(range(32)).hex()
LIMIT_S = 30


def start(command: str, env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", "from cloud.cli.cloud import cloud; cloud()", command],
            env={**os.environ, **env},
            stdout=output,
            stderr=output,
        )


def eventually(reached: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)


def stop_in_time(child: subprocess.Popen[bytes], number: signal.Signals, log: Path) -> None:
    began = time.monotonic()
    child.send_signal(number)
    assert child.wait(10) == 0, log.read_text()
    assert time.monotonic() - began < 10
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ingest_stops_in_time_with_neither_broker_nor_database(
    tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "log"
    metrics = programs.free_port()
    env = {
        "BINLINE_INGEST_DSN": "postgresql://a:good-enough@127.0.0.1:1/x",
        "BINLINE_BROKER_URL": "mqtt://ingest:good-enough@127.0.0.1:1",
        "BINLINE_METRICS_PORT": str(metrics),
    }
    child = start("ingest", env, log)
    try:
        eventually(lambda: "no connection to the broker" in log.read_text(), log)
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as answer:
            page = answer.read().decode()
        for name in ("readings_committed", "batches_repeated", "dead_letters", "commit_seconds"):
            assert f"binline_{name}" in page
        assert "binline_seconds_since_commit" in page
        stop_in_time(child, number, log)
    finally:
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_work_stops_in_time(database: Any, tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    metrics = programs.free_port()
    env = {
        "BINLINE_JOBS_DSN": database.dsn("binline_jobs"),
        "BINLINE_PUBLIC_URL": "http://localhost:8420",
        "BINLINE_SECRET_KEY": KEY,
        "BINLINE_SMTP_URL": "smtp://127.0.0.1:1",
        "BINLINE_MAIL_FROM": "orders@example.com",
        "BINLINE_METRICS_PORT": str(metrics),
    }
    child = start("work", env, log)
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{metrics}/metrics"), log)
        stop_in_time(child, number, log)
    finally:
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_in_time(database: Any, tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    port = programs.free_port()
    env = {
        "BINLINE_PORTAL_DSN": database.dsn("binline_portal"),
        "BINLINE_AUTH_DSN": database.dsn("binline_auth"),
        "BINLINE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "BINLINE_SECRET_KEY": KEY,
        "BINLINE_HTTP_PORT": str(port),
    }
    child = start("serve", env, log)
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/api/health"), log)
        stop_in_time(child, number, log)
    finally:
        child.kill()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
