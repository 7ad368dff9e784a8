import pytest
from click.testing import CliRunner

from edge_agent.cli.edge import edge


@pytest.mark.parametrize("name", ["run", "check", "simulate"])
def test_every_command_of_the_table_is_there_and_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(edge, [name, "--help"])
    assert shown.exit_code == 0
    assert "Examples:\n  binline edge " in shown.output
