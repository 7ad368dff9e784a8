"""The command around the demo. That it runs, stops and survives is shown in tests/system."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloud.cli import demo
from cloud.embedded import broker, demo_site, postgres

SITE = demo_site.believable()


@pytest.fixture
def programs(public_tmp: Path) -> list:
    """Every program of ours, as it would be started; none is."""
    home = public_tmp / "programs"
    home.mkdir(exist_ok=True)
    secrets = demo._secrets(home, SITE)
    ours = demo._Programs(
        home=home,
        secrets=secrets,
        addresses=demo.Addresses(port=1, catcher_port=2, smtp_port=3),
        database=postgres.prepare(home / "postgres"),
        broker=broker.prepare(home / "broker", SITE.gateways),
    )
    kept = [secrets.secret_key, secrets.webhook_secret, ours.database.password]
    kept += [*secrets.database.values(), *secrets.people.values(), *ours.broker.passwords.values()]
    return [[*ours.cloud(), ours.simulator(SITE, {}), *ours.agents(SITE)], kept]


def test_no_secret_is_on_a_command_line(programs: list) -> None:
    started, secrets = programs
    assert len(started) == 5 + len(SITE.gateways)
    words = " ".join(word for program in started for word in program.argv)
    assert not [secret for secret in secrets if secret in words]


def test_a_process_gets_only_the_log_in_that_is_its_own(programs: list) -> None:
    given = {
        program.name: {name for name in program.env if name.endswith(("_DSN", "_BROKER_URL"))}
        for program in programs[0]
    }
    assert given == {
        "serve": {"BINLINE_PORTAL_DSN", "BINLINE_AUTH_DSN"},
        "ingest": {"BINLINE_INGEST_DSN", "BINLINE_BROKER_URL"},
        "work": {"BINLINE_JOBS_DSN"},
        "catcher": set(),
        "simulator": set(),
        **{gateway: set() for gateway in SITE.gateways},
    }


def test_secrets_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    first = demo._secrets(tmp_path, SITE)
    assert demo._secrets(tmp_path, SITE) == first
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert len(set(first.people.values())) == 4
    for password in first.people.values():
        assert re.fullmatch(r"[a-z2-9]{4}(-[a-z2-9]{4}){2}", password)


def test_fresh_forgets_only_what_a_demo_made(tmp_path: Path) -> None:
    for name in ("thesis.txt", "secrets", "photos/one.jpg", "postgres/data/base", "logs/a.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    demo._forget(tmp_path)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["photos", "photos/one.jpg", "thesis.txt"]


def test_the_help_shows_examples_and_hides_what_is_for_tests() -> None:
    text = CliRunner().invoke(demo.demo, ["--help"]).output
    assert "binline demo --port 9000 --no-open" in text
    assert "--counting" not in text
