"""`binline cloud import` and `export`: shown first, done when asked to, and again it is nothing."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cloud.cli.cloud import cloud
from tests.cloud.http.world import World


@pytest.fixture
def run(database: Any, monkeypatch: pytest.MonkeyPatch):
    World(database).settle()
    monkeypatch.setenv("BINLINE_PORTAL_DSN", database.dsn("binline_portal"))
    return lambda *words: CliRunner().invoke(cloud, [str(word) for word in words])


def test_what_is_exported_is_imported_as_it_is(run, tmp_path: Path) -> None:
    assert "bins.csv: 8 rows" in run("export", tmp_path).output
    done = run("import", tmp_path / "bins.csv")
    assert "0 new, 0 changed, 8 as they are, 0 wrong" in done.output
    assert done.exit_code == 0


def test_it_is_shown_then_done_and_the_second_time_nothing(run, tmp_path: Path) -> None:
    file = tmp_path / "bins.csv"
    file.write_text("code;minimum\nLND-R04-B2;400\n")
    shown = run("import", file)
    assert "changes  bin LND-R04-B2: Minimum: 500 -> 400" in shown.output
    assert "say --apply" in shown.output
    assert "taken in" in run("import", file, "--apply", "--by", "Ada").output
    assert "nothing to do" in run("import", file).output


def test_what_is_wrong_is_told_and_nothing_is_done(run, tmp_path: Path) -> None:
    file = tmp_path / "bins.csv"
    file.write_text("code;minimum\nLND-R04-B2;4000\n")
    done = run("import", file, "--apply")
    assert done.exit_code == 1
    assert "wrong    bins, row 2, minimum: “4000”; allowed: less than the capacity 2000" in (
        done.output
    )
