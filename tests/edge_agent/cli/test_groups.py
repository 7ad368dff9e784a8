import click
import pytest
from click.testing import CliRunner

from edge_agent.cli.groups import Later, LazyGroup, dress

TABLE = {
    "run": Later(where="edge_agent.cli.run:run", short_help="Runs.", extra="edge"),
    "bare": Later(where="cloud.cli.is_not_here:bare", short_help="Not here.", extra="cloud"),
    "poor": Later(where="antigravity_is_not_installed:x", short_help="Poor.", extra="demo"),
}


@pytest.fixture
def group() -> LazyGroup:
    @click.group(cls=LazyGroup, name="tool", later=TABLE)
    def tool() -> None:
        """A tool."""

    dress(tool)
    return tool


def test_help_lists_every_command_without_importing_any(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["--help"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()[-3:]] == ["run", "bare", "poor"]


@pytest.mark.parametrize(("name", "extra"), [("bare", "cloud"), ("poor", "demo")])
def test_a_command_whose_extra_is_missing_says_how_to_get_it(
    group: LazyGroup, name: str, extra: str
) -> None:
    result = CliRunner().invoke(group, [name])
    assert result.exit_code == 2
    assert f"tool {name} needs more: pip install 'binline[{extra}]'" in result.output


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("runn", "Did you mean `tool run`?"), ("xyzzy", "Allowed: run, bare, poor")],
)
def test_a_typo_is_answered_with_what_was_meant_or_what_there_is(
    group: LazyGroup, typed: str, answer: str
) -> None:
    result = CliRunner().invoke(group, [typed])
    assert result.exit_code == 2
    assert answer in result.output


def test_examples_come_before_the_options_one_to_a_line(group: LazyGroup) -> None:
    lines = CliRunner().invoke(group, ["run", "--help"]).output.splitlines()
    examples = lines.index("Examples:")
    assert lines[examples + 1].startswith("  binline edge run --settings")
    assert examples < lines.index("Options:")
    assert any(line.strip() == "Exit codes:" for line in lines)


def test_commands_of_a_plain_group_get_the_same_help() -> None:
    @click.group()
    def plain() -> None:
        pass

    @plain.command()
    def below() -> None:
        r"""Do it.

        \b
        Examples:
          plain below
        """

    dress(plain)
    assert "\nExamples:\n  plain below\n" in CliRunner().invoke(plain, ["below", "--help"]).output
