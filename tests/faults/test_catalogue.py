"""The catalogue is whole, and every fault point in it exists in the product."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import launched, points
from tests.faults.catalogue import FAULTS
from tests.faults.checker import TITLES

HERE = Path(__file__).parent
WANTED = [
    *range(1, 23),
    *range(24, 35),
    *(42, 55, 56, 57, 59),
]


def test_every_fault_that_is_to_be_there_is_there() -> None:
    assert [n for n in WANTED if f"F{n}" not in FAULTS] == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_an_entry_says_what_is_done_and_what_must_hold(fault) -> None:
    assert len(fault.how) > 40
    assert fault.must
    assert set(fault.must) <= set(TITLES)
    assert not set(fault.must) & set(fault.waives)


@pytest.mark.parametrize("point", points.POINTS, ids=lambda point: point.name)
def test_a_fault_point_names_a_function_that_is_there(point: points.Point) -> None:
    holder, name = points.resolve(point)
    assert callable(getattr(holder, name))


def test_every_fault_point_is_used_and_every_one_used_is_listed() -> None:
    source = (HERE / "catalogue.py").read_text()
    named = set(re.findall(r'"((?:agent|ingest|work|serve)\.[a-z_]+)"', source))
    assert named | {"agent.after_spool_commit"} == {point.name for point in points.POINTS}


def test_a_point_fires_as_often_as_it_was_armed(tmp_path: Path) -> None:
    name = points.POINTS[0].name
    points.arm(tmp_path, name, "raise", times=2)
    for _ in range(2):
        with pytest.raises(Exception, match="disk I/O"):
            points.fire(tmp_path / name)
    points.fire(tmp_path / name)
    assert points.fired(tmp_path, name) == 2


def test_an_armed_point_kills_the_program_that_passes_it(tmp_path: Path) -> None:
    name = points.POINTS[0].name
    points.arm(tmp_path, name)
    code = (
        "from pathlib import Path; from tests.faults import points;"
        f"points.fire(Path({str(tmp_path / name)!r}))"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), cwd=HERE.parents[1], check=False, timeout=30
    )
    assert done.returncode == -signal.SIGKILL


def test_a_constant_that_is_not_there_cannot_be_tuned() -> None:
    with pytest.raises(AttributeError):
        launched.tune({"edge_agent.mqtt.uplink:NO_SUCH_CONSTANT": 1})
