"""The six faults that say most, each in a world of its own. `make faults` plays them all."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import ground, scenario
from tests.faults.catalogue import FAULTS
from tests.faults.ground import Template

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SEED = 7


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    home = Path(tempfile.mkdtemp(prefix="binline-faults-", dir="/tmp"))
    home.chmod(0o755)
    yield ground.make_template(home / "template")
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("name", ["F8", "F13", "F18", "F26", "F31", "F55"])
def test_nothing_is_lost_repeated_or_invented(name: str, template: Template) -> None:
    folder = template.folder.parent / name
    report = scenario.run([FAULTS[name]], SEED, folder, template)
    wrong = [v for v in report.verdicts if v["verdict"] == "fail"]
    assert report.verdict == "pass", f"{report.said}\n{wrong}\nagain: {report.replay}"
