from pathlib import Path

from click.testing import CliRunner

from edge_agent.cli.run import run


def test_settings_that_cannot_be_read_are_a_wrong_use(tmp_path: Path) -> None:
    result = CliRunner().invoke(run, ["--settings", str(tmp_path / "absent.toml")])
    assert result.exit_code == 2
    assert "absent.toml" in result.output
