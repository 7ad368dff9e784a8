"""The systemd units: systemd understands every line, and they stay as closed as they are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy").glob("*/*.service"))

# By systemd's own measure, from 0 (closed) to 10; a unit that closes nothing has 9.6.
EXPOSURE_MAX = {"binline-edge.service": 2.1}  # serial lines, and asking the clock
EXPOSURE_MAX_OTHERS = 1.3

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


@pytest.fixture(params=UNITS, ids=lambda unit: unit.name)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """With a program that exists here: where Binline will be installed is empty."""
    copy = tmp_path / request.param.name
    text, changed = re.subn(r"/opt/binline/bin/binline", "/bin/true", request.param.read_text())
    assert changed
    copy.write_text(text)
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("systemd-analyze", *arguments), capture_output=True, text=True, timeout=60, check=False
    )


def test_there_is_a_unit_for_every_process() -> None:
    assert {unit.stem for unit in UNITS} == {
        "binline-edge",
        "binline-ingest",
        "binline-work",
        "binline-serve",
    }


def test_systemd_understands_every_line(unit: Path) -> None:
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_stays_as_closed_as_it_is(unit: Path) -> None:
    told = analyze("security", "--offline=true", "--no-pager", str(unit)).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert found is not None, told
    assert float(found[1]) <= EXPOSURE_MAX.get(unit.name, EXPOSURE_MAX_OTHERS)


def test_no_secret_stands_in_a_unit() -> None:
    for unit in UNITS:
        text = unit.read_text()
        assert not re.search(r"^Environment=", text, re.MULTILINE), unit.name
        assert "://" not in text, unit.name
