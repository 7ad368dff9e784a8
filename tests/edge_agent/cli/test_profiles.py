import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent import profiles
from edge_agent.cli.decode import decode
from edge_agent.cli.profiles import list_profiles, profile


def test_every_profile_is_listed_with_what_it_is() -> None:
    result = CliRunner().invoke(list_profiles)
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(profiles.shipped())
    assert any("counter" in line for line in lines)


def test_a_program_can_read_the_list() -> None:
    listed = json.loads(CliRunner().invoke(list_profiles, ["--json"]).stdout)
    by_name = {one["name"]: one for one in listed}
    assert by_name["laumas_tlb"]["transports"] == ["rtu", "tcp"]
    assert "kg" in by_name["laumas_tlb"]["parameters"]["unit"]["choices"]
    assert by_name["mt_sics"]["transports"] == ["serial"]
    assert by_name["mt_sics"]["evidence"][0]["level"] == "published"


def test_a_new_profile_can_be_used_as_it_was_started(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    started = CliRunner().invoke(profile, ["new", str(path), "--title", 'Acme "W1"'])
    assert started.exit_code == 0
    assert f"profile check {path}" in started.stdout
    checked = CliRunner().invoke(profile, ["check", str(path)])
    assert (checked.exit_code, checked.stdout) == (0, f"{path} can be used\n")
    assert profiles.read(str(path)).title == "Acme 'W1'"


def test_the_example_in_it_works(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    CliRunner().invoke(profile, ["new", str(path)])
    [line] = [line for line in path.read_text().splitlines() if "--hex" in line]
    result = CliRunner().invoke(decode, [str(path), "--hex", line.split('"')[1]])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["weight"] == "1.234"


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("mine")
    result = CliRunner().invoke(profile, ["new", str(path)])
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert path.read_text() == "mine"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(profile, ["new", str(tmp_path / "none" / "own.toml")])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


WRONG = """\
title = "t"
kind = "scale"
[frame]
ends = ["\\r"]

[[outcomes]]
is = "measurement"
pattern = '(?P<weight_text>\\d+'

[[outcomes]]
is = "measurement"
say = { weight = "number(wieght_text)" }
"""


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(WRONG)
    result = CliRunner().invoke(profile, ["check", str(path)])
    assert result.exit_code == 1
    assert "line 8, outcomes[0].pattern: " in result.stderr
    assert "line 12, outcomes[1].say.weight: `wieght_text` is not known here" in result.stderr


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    CliRunner().invoke(profile, ["new", str(path)])
    text = path.read_text().replace("baud = 9600", 'baud = "fast"\nbuad = 1')
    path.write_text(text.replace('is = "measurement"', 'is = "measuremnt"', 1) + "\nlet = 3\n")
    said = CliRunner().invoke(profile, ["check", str(path)]).stderr.splitlines()
    places = [line.partition(": ")[0].partition(", ")[2] for line in said]
    assert places == ["line.baud", "line.buad", "outcomes[0].is", "evidence[0].let"]
    assert all(line.startswith("line ") for line in said)
    assert any("Allowed: 'measurement'" in line for line in said)


def test_a_program_can_read_the_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(WRONG)
    found = json.loads(CliRunner().invoke(profile, ["check", str(path), "--json"]).stdout)
    assert (found["ok"], len(found["mistakes"])) == (False, 2)
    assert "outcomes[0].pattern" in found["mistakes"][0]["place"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title =", "Invalid value"),
        ('title = "t"', "missing required field `kind`"),
        ('title = "t"\nkind = "spoon"', "line 2, kind: Invalid enum value 'spoon'"),
        (
            'title = "t"\nkind = "scale"\nfrmae = 1',
            "line 3, frmae: no such key. Did you mean `frame`?",
        ),
        ('title = "t"\nkind = "scale"\nlike = "nobody"', "no shipped profile"),
    ],
)
def test_what_is_no_profile_is_told_too(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    result = CliRunner().invoke(profile, ["check", str(path)])
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize("name", profiles.shipped())
def test_every_shipped_profile_can_be_used(name: str) -> None:
    assert CliRunner().invoke(profile, ["check", name]).exit_code == 0
