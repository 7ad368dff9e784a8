import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.cli.check import check

SETTINGS = """
gateway = "gw-1"
[broker]
url = "mqtt://broker.example:1883"
user = "gw-1"
password_file = "password"
[spool]
path = "spool/spool.db"
[[ports]]
address = "/dev/is-not-here"
[[ports.devices]]
profile = "mt_sics"
[[ports.devices.sensors]]
name = "s01"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("for-tests-only\n")
    path = tmp_path / "gateway.toml"
    path.write_text(SETTINGS)
    return path


def test_good_settings_are_told_in_sentences_without_the_password(settings: Path) -> None:
    result = CliRunner().invoke(check, ["--settings", str(settings)], standalone_mode=False)
    assert result.return_value == 0
    assert "Gateway gw-1 would send to broker.example:1883, without TLS." in result.output
    assert "/dev/is-not-here (not plugged in now)" in result.output
    assert "s01: mt_sics, every" in result.output
    assert "for-tests-only" not in result.output


def test_a_program_can_read_it(settings: Path) -> None:
    argv = ["--settings", str(settings), "--json"]
    found = json.loads(CliRunner().invoke(check, argv, standalone_mode=False).output)
    assert found["ok"] is True
    assert found["ports"][0]["present"] is False
    assert found["spool"]["path"] == str(settings.parent / "spool/spool.db")


def test_nothing_is_opened_or_made(settings: Path) -> None:
    before = sorted(settings.parent.rglob("*"))
    CliRunner().invoke(check, ["--settings", str(settings)])
    assert sorted(settings.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("old", "new", "because"),
    [
        ('"password"', '"absent"', "broker.password_file"),
        ("mt_sics", "mt_sixs", "mt_sics"),
        ("mqtt://", "http://", "broker.url"),
        ("gateway =", "gatewya =", "Did you mean `gateway`?"),
        ("1883", '8883"\nca_file = "absent', "ca_file"),
    ],
)
def test_what_is_wrong_is_said_and_the_check_fails(
    settings: Path, old: str, new: str, because: str
) -> None:
    settings.write_text(SETTINGS.replace(old, new))
    argv = ["--settings", str(settings)]
    for more in ([], ["--json"]):
        result = CliRunner().invoke(check, argv + more, standalone_mode=False)
        assert result.return_value == 1
        assert because in result.output
    assert json.loads(result.output)["ok"] is False
