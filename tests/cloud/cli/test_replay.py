"""The command from end to end, on small sets made by a seed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud.cli.replay_sets import write_sets

COMMAND = "from cloud.cli.cloud import cloud; cloud()"


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "replay", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(scope="module")
def replayed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("sets")
    write_sets(folder)
    theirs = {"fixed": 10, "resized": 9, "best_classic": [8, "x"]}
    keys = ("stock@0.95", "stock@0.98", "stock@line.95", "stock@line.98")
    (folder / "theirs.json").write_text(
        json.dumps([{"data": "man", "lead_time": 2, **dict.fromkeys(keys, theirs)}])
    )
    done = _run(
        "--data",
        folder,
        "--lead-time",
        2,
        "--plot",
        folder / "p.svg",
        "--compare",
        folder / "theirs.json",
    )
    return folder, done


def test_the_gate_is_printed_whole(replayed: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = replayed
    assert "Traceback" not in done.stderr, done.stderr
    for name in ("man", "carparts", "retail"):
        assert f"replayed {name}, lead time 2" in done.stderr
        assert done.stdout.count(f"{name:<10}    2  value 95 %") == 1
    assert "Deviation from theirs.json" in done.stdout
    assert "parameters for 10000 items in" in done.stdout
    gate = done.stdout.split("The gate, at 95 % value fill\n")[1].splitlines()
    assert len(gate) == 6


def test_its_exit_says_whether_the_gate_was_passed(
    replayed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = replayed
    gate = done.stdout.split("The gate, at 95 % value fill\n")[1]
    assert done.returncode == (1 if "FAIL" in gate else 0)


def test_the_picture_is_drawn(replayed: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = replayed
    assert (folder / "p.svg").read_text().startswith("<svg ")


def test_a_folder_without_sets_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    done = _run("--data", tmp_path)
    assert done.returncode == 2
    assert "at least one of these must be: man_items.csv" in done.stderr


def test_numbers_that_cannot_be_compared_with_are_said(tmp_path: Path) -> None:
    write_sets(tmp_path, items=12)
    (tmp_path / "theirs.json").write_text("[{}]")
    done = _run("--data", tmp_path, "--lead-time", 1, "--compare", tmp_path / "theirs.json")
    assert done.returncode == 2
    assert "cannot be compared with" in done.stderr
    assert not list(tmp_path.glob("*.svg"))
