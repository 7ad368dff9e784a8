"""A scenario that does not end has a verdict all the same."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import __main__ as harness
from tests.faults import scenario
from tests.faults.catalogue import FAULTS
from tests.faults.ground import Template
from tests.faults.world import WorldError


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


class Clockwork:
    """What a script needs of a world to be played."""

    def __init__(self) -> None:
        self.numbers: dict[str, float] = {}
        self.notes: list[dict[str, object]] = []

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def record(self, entry: dict[str, object]) -> None:
        self.notes.append(entry)


def faults_of(*scripts: scenario.Script) -> list[scenario.Fault]:
    return [
        scenario.Fault(name=f"F{n}", title="", how="", script=script, must=())
        for n, script in enumerate(scripts, 1)
    ]


def test_while_one_fault_waits_the_other_one_goes_on() -> None:
    healed: list[bool] = []

    def waits(*_: object) -> Iterator[scenario.Step]:
        yield scenario.Until(lambda: healed, 5.0, "what the other one heals")

    def heals(*_: object) -> Iterator[scenario.Step]:
        yield 0.1
        healed.append(True)

    world: Any = Clockwork()
    report = scenario.Report(faults=["F1", "F2"], seed=7, verdict="broken")
    scenario._play(world, faults_of(waits, heals), [0.0, 0.0], report)
    assert [note["fault"] for note in world.notes] == ["F2", "F1"]
    assert world.numbers["F1 what the other one heals"] >= 0.1


def test_what_does_not_come_within_its_limit_ends_the_scenario() -> None:
    def waits(*_: object) -> Iterator[scenario.Step]:
        yield scenario.Until(lambda: False, 0.05, "what never comes")

    world: Any = Clockwork()
    report = scenario.Report(faults=["F1"], seed=7, verdict="broken")
    with pytest.raises(WorldError, match="F1: what never comes"):
        scenario._play(world, faults_of(waits), [0.0], report)
