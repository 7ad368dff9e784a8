import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edge_agent import profiles
from edge_agent.drivers.compiling import ProfileError

ROOT = Path(__file__).parents[2]
OWN = """
like = "mt_sics"
title = "Our old scale"
kind = "scale"
covers = ["K8"]
[line]
baud = 2400
parity = "even"
bits = 7
"""


@pytest.mark.parametrize("name", profiles.shipped())
def test_every_shipped_profile_has_no_mistake_and_says_how_we_know(name: str) -> None:
    profiles.load(name, all_needed=False)
    assert profiles.read(name).evidence


def test_a_profile_may_come_from_a_path_and_be_like_another(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    declared = profiles.load(str(path))
    assert (declared.profile.line.baud, declared.profile.ask.request) == (2400, "SI\r\n")
    assert declared.profile.identity is not None


@pytest.mark.parametrize("name", ["", "mt_siks", "../devices/mt_sics"])
def test_a_profile_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ProfileError, match="no shipped profile"):
        profiles.load(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has 0 bytes. Allowed: 1 to 100000"),
        ("#" * 100_001, "has 100001 bytes"),
        (f"title = {'9' * 5_000}", "file"),
        (f"title = {'[' * 5_000}", "file"),
        (OWN + "[let]\n" + "".join(f"a{n} = '1'\n" for n in range(65)), "line 10, let: "),
        (OWN + "[frame]\nbytes_max = 5000\n", "line 11, frame.bytes_max: Expected `int` <= 4096"),
        (OWN + "[tables.t]\na = 0x" + "f" * 99, "tables"),
    ],
)
def test_a_profile_beyond_all_bounds_is_refused_with_the_place(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ProfileError) as refused:
        profiles.load(str(path))
    assert said in str(refused.value)


def test_a_file_that_has_no_end_is_not_read() -> None:
    with pytest.raises(ProfileError, match="has 0 bytes"):
        profiles.load("/proc/self/maps")


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ('ask = "I4"', "say `ask` and `pattern`, or `registers`"),
        ('ask = "I4"\npattern = "x"\nregisters = [1, 2]', "say `ask` and `pattern`"),
        ('ask = "I4"\npattern = "x"', "(?P<serial>...)"),
        ("registers = [1, 99]", "16"),
        ('question = "I4"', "question"),
    ],
)
def test_an_identity_is_a_question_with_its_answer_or_registers(
    tmp_path: Path, identity: str, said: str
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN.replace('like = "mt_sics"', "") + f"[identity]\n{identity}\n")
    with pytest.raises(ProfileError) as refused:
        profiles.load(str(path))
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
    ask += "print(list(profiles.shipped()), resources.files('firmware_configs'))"
    asked = subprocess.run(
        [sys.executable, "-c", ask, str(tmp_path / "installed")],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "mt_sics" in asked.stdout
