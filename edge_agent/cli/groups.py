"""Command groups that import a command only when it is asked for, and one look for every help.

A gateway does not carry the cloud's libraries, and `binline edge run` should not pay for a
simulator that it never starts.
"""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass

import click

OURS = ("edge_agent", "cloud", "firmware_configs")
EXAMPLES = "\b\nExamples:\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Later:
    """A command that is not imported yet. `extra` is what pip calls the rest of it."""

    where: str
    short_help: str
    extra: str


class LazyGroup(click.Group):
    """A group whose commands stand in a table."""

    def __init__(self, *args: object, later: Mapping[str, Later], **attrs: object) -> None:
        super().__init__(*args, **attrs)  # type: ignore[arg-type] # passed on as they come
        self._later = later

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._later, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        later = self._later.get(cmd_name)
        if later is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = later.where.partition(":")
        try:
            command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name is None or (error.name != module and error.name.startswith(OURS)):
                raise  # a defect of ours, and no extra would help
            raise click.UsageError(
                f"{ctx.command_path} {cmd_name} needs more: pip install 'binline[{later.extra}]'"
            ) from error
        dress(command)
        return command  # type: ignore[no-any-return] # the table says that it is a command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        wanted = args[0]
        names = self.list_commands(ctx)
        if wanted in names or wanted.startswith("-"):
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(wanted, names, n=1)
        hint = (
            f"Did you mean `{ctx.command_path} {near[0]}`?"
            if near
            else f"Allowed: {', '.join(names)}"
        )
        raise click.UsageError(f"there is no command {wanted!r}. {hint}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that help works where an extra is not installed."""
        names = (name for name in self.list_commands(ctx) if name in self._later)
        rows = [(name, self._later[name].short_help) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Help(click.HelpFormatter):
    """Examples get a section of their own, before the options; headings stand out on a terminal."""

    def write_heading(self, heading: str) -> None:
        super().write_heading(click.style(heading, bold=True))

    def write_text(self, text: str) -> None:
        before, mark, after = text.partition(EXAMPLES)
        super().write_text(before.rstrip())
        if not mark:
            return
        examples, _, rest = after.partition("\n\n")
        self.write_paragraph()
        self.write(click.style("Examples", bold=True) + ":\n")
        for line in examples.splitlines():
            self.write(f"{line}\n")
        if rest.strip():
            self.write_paragraph()
            super().write_text(rest.strip())


class Context(click.Context):
    formatter_class = Help


def dress(command: click.Command) -> None:
    """Give a command and all below it our help, wherever it comes from."""
    command.context_class = Context
    if command.help:
        # click's mark for "do not wrap", as a raw docstring writes it
        command.help = command.help.replace("\\b\n", "\b\n")
    if isinstance(command, click.Group):
        for below in command.commands.values():
            dress(below)
