"""The commands of a server: what they need, how they refuse, and what they do not load."""

import os
import subprocess
import sys
from typing import Any

import pytest

COMMAND = "from cloud.cli.cloud import cloud; cloud()"


def run(*arguments: str, code: str = COMMAND, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BINLINE_")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("command", ["migrate", "ingest", "work", "serve"])
def test_without_settings_a_command_says_which_it_needs(command: str) -> None:
    done = run(command)
    assert done.returncode == 2
    assert "BINLINE_" in done.stderr
    assert "must be" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["migrate", "ingest", "work", "serve"])
def test_every_command_shows_an_example(command: str) -> None:
    assert f"binline cloud {command}" in run(command, "--help").stdout


def test_the_group_alone_loads_neither_database_driver_nor_web_server() -> None:
    loaded = run(
        code="import sys, cloud.cli.cloud; print([m for m in ('uvicorn', 'fastapi', 'paho',"
        " 'psycopg_pool', 'httpx') if m in sys.modules])"
    )
    assert loaded.stdout.strip() == "[]"


def test_migrate_runs_once_and_says_so(make_database: Any, postgres_server: Any) -> None:
    fresh = make_database(f"cli_{os.getpid()}")
    env = {
        "BINLINE_ADMIN_DSN": fresh.admin_dsn(),
        "BINLINE_INGEST_DSN": fresh.dsn("binline_ingest"),
    }
    done = run("migrate", "--set-passwords", **env)
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout
    assert "set the password of binline_ingest" in done.stdout
    assert "for-tests-only" not in done.stdout + done.stderr
    fresh.connect("binline_ingest").close()


def test_migrate_without_a_database_ends_with_4() -> None:
    done = run("migrate", BINLINE_ADMIN_DSN="postgresql://a:good-enough@127.0.0.1:1/x")
    assert done.returncode == 4
    assert "does not answer" in done.stderr
    assert "good-enough" not in done.stderr
