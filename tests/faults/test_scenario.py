"""A scenario that does not end has a verdict all the same."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults import __main__ as harness
from tests.faults import scenario
from tests.faults.catalogue import FAULTS
from tests.faults.ground import Template


def test_a_scenario_that_hangs_ends_with_a_verdict_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(*_: object) -> None:
        while True:
            try:
                time.sleep(60)
            except Exception:  # noqa: BLE001 - as something on the way might
                continue

    monkeypatch.setattr(scenario, "_live", hangs)
    monkeypatch.setattr(scenario, "LIMIT_S", 0.1)
    report = scenario.run(
        [FAULTS["F1"]], 7, tmp_path / "world", Template(folder=tmp_path, people={})
    )
    assert (report.verdict, report.said) == ("fail", "it did not come to an end within 0.1 s")
    assert "hangs" in report.numbers["traceback"]


def test_a_world_that_dies_without_a_word_has_a_report(tmp_path: Path) -> None:
    process = subprocess.Popen((sys.executable, "-c", "import os; os.abort()"))
    process.wait()
    child = harness.Child(name="F1+F3", seed=7, process=process, since=time.monotonic())
    running = [child]
    assert harness._collect(running, tmp_path) == 1
    assert running == []
    kept = json.loads(scenario.path_of("F1+F3", 7, tmp_path).read_text())
    assert (kept["faults"], kept["verdict"]) == (["F1", "F3"], "broken")
    assert kept["said"].startswith("no verdict of its own: ended with -6")


def test_a_world_that_does_not_listen_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)"
    process = subprocess.Popen(
        (sys.executable, "-c", f"{deaf}; time.sleep(600)"), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    monkeypatch.setattr(harness, "CHILD_S_MAX", 0)
    monkeypatch.setattr(harness, "END_S_MAX", 0)
    running = [harness.Child(name="F1", seed=7, process=process, since=time.monotonic())]
    while running:
        harness._collect(running, tmp_path)
    process.stdout.close()
    assert process.returncode == -9
    assert json.loads(scenario.path_of("F1", 7, tmp_path).read_text())["verdict"] == "broken"
