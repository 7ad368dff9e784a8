import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edge_agent import profiles
from edge_agent.core.reading import Sample
from edge_agent.settings import SettingsError

ROOT = Path(__file__).parents[2]
OWN = """
title = "Our old scale"
models = ["K8"]
driver = "sics_scale"
[port]
baud = 2400
parity = "even"
data_bits = 7
[evidence]
manual = "p. 1"
proved_on = "site"
"""


@pytest.mark.parametrize("name", profiles.names())
def test_every_shipped_profile_loads_and_makes_a_driver(name: str) -> None:
    driver = profiles.load(name).make_driver("s")
    assert driver.request()


def test_the_driver_of_a_profile_reads_its_scale() -> None:
    driver = profiles.load("mt_sics").make_driver("s")
    assert driver.feed(b"S S 1 g\r\n") == [Sample(sensor="s", weight_mg=1_000, stable=True)]


def test_a_profile_may_come_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    assert profiles.load(str(path)).port.baud == 2400


@pytest.mark.parametrize("name", ["", "mt_siks", "../devices/mt_sics"])
def test_a_profile_that_does_not_exist_is_refused_with_those_that_do(name: str) -> None:
    with pytest.raises(SettingsError):
        profiles.load(name)


def test_the_refusal_names_the_profiles_there_are() -> None:
    with pytest.raises(SettingsError, match="mt_sics"):
        profiles.load("mt_siks")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sics_scale", "sics_skale", "driver: there is no 'sics_skale'. Allowed: sics_scale"),
        ("even", "evn", "'none', 'even', 'odd'"),
        ("baud", "bauds", "Did you mean `baud`"),
        ("site", "hope", "'manual', 'capture', 'bench', 'site'"),
    ],
)
def test_an_error_in_a_profile_names_the_key_and_what_is_allowed(
    old: str, new: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=r"own\.toml") as refused:
        profiles.parse(OWN.replace(old, new), "own.toml")
    assert said in str(refused.value)


def test_profiles_travel_in_the_wheel_and_are_found_there(tmp_path: Path) -> None:
    """An editable install finds them beside the sources; a gateway has only the wheel."""
    build = "from hatchling.builders.wheel import WheelBuilder; import sys;"
    build += "print(next(WheelBuilder(sys.argv[1]).build(directory=sys.argv[2])))"
    subprocess.run([sys.executable, "-c", build, str(ROOT), str(tmp_path)], check=True)
    [wheel] = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    ask = "import sys; sys.path[0:0] = [sys.argv[1]];"
    ask += "from edge_agent import profiles;"
    ask += "assert profiles.__file__.startswith(sys.argv[1]), profiles.__file__;"
    ask += "from importlib import resources;"
    ask += "print(profiles.names(), resources.files('firmware_configs'))"
    asked = subprocess.run(
        [sys.executable, "-c", ask, str(tmp_path / "installed")],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "mt_sics" in asked.stdout
