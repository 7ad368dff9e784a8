"""`binline edge profiles`, `binline edge profile new|check`: the models we know, and a new one."""

import json
from pathlib import Path

import click

from edge_agent import profiles
from edge_agent.drivers.compiling import ProfileError
from edge_agent.drivers.profile_format import ProfileFile

START = """\
# A new device, as data. Every key is in the schema beside the shipped profiles; an editor that
# knows TOML schemas completes them. Try it at once:
#
#   binline edge profile check {path}
#   binline edge decode {path} --hex "53 54 2C 2B 30 30 30 31 2E 32 33 34 20 6B 67 0D 0A"

title = "{title}"
kind = "scale"
covers = ["maker and models, as printed on the box"]

[line]
baud = 9600

[ask]
mode = "poll"               # or "stream", when it sends by itself
request = "Q\\r\\n"

[frame]
ends = ["\\r", "\\n"]

# The first outcome whose pattern fits the whole frame says what it means.
[[outcomes]]
is = "measurement"
pattern = '(?P<flag>ST|US),(?P<weight_text>[+-][ \\d.]+?) *(?P<unit_text>kg|g|lb)'
[outcomes.say]
weight = "number(weight_text)"
unit = "unit_text"
stable = "flag == 'ST'"
overload = "False"

[[outcomes]]
is = "condition"
pattern = 'OL,(?P<sign>[+-]).*'
[outcomes.say]
weight = "None"
overload = "sign == '+'"
underload = "sign == '-'"

[[evidence]]
level = "published"         # derived | published | capture | bench
source = "manual, revision, page"
"""


@click.command("profiles")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
def list_profiles(as_json: bool) -> None:  # noqa: FBT001 - click passes by name
    r"""List every shipped device profile.

    \b
    Examples:
      binline edge profiles
      binline edge profiles --json | jq -r '.[] | select(.kind == "rfid").name'
    """
    known = {name: profiles.read(name) for name in profiles.shipped()}
    if as_json:
        click.echo(json.dumps([_described(name, profile) for name, profile in known.items()]))
        return
    width = max(map(len, known), default=0)
    for name, profile in known.items():
        click.echo(f"{name:<{width}}  {profile.kind:<9}  {profile.title}")


def _described(name: str, profile: ProfileFile) -> dict[str, object]:
    return {
        "name": name,
        "title": profile.title,
        "kind": profile.kind,
        "covers": profile.covers,
        "transports": list(profile.modbus.transports) if profile.modbus else ["serial"],
        "parameters": {
            key: {"why": parameter.why, "type": parameter.type, "choices": parameter.choices}
            for key, parameter in profile.parameters.items()
        },
        "evidence": [{"level": one.level, "source": one.source} for one in profile.evidence],
    }


@click.group()
def profile() -> None:
    r"""Write a profile for a model nobody has described yet: a file, no code.

    \b
    Examples:
      binline edge profile new my-scale.toml --title "Acme W1"
      binline edge profile check my-scale.toml
    """


@profile.command(short_help="Start a file to fill in.")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--title", default="Maker and model", show_default=True, help="What it is called.")
def new(path: Path, title: str) -> None:
    r"""Start a profile at PATH. A file that is there is never overwritten.

    \b
    Examples:
      binline edge profile new my-scale.toml --title "Acme W1"
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(START.format(path=path, title=title.replace('"', "'")))
    except FileExistsError as error:
        raise click.UsageError(f"{path} is there already: choose another name") from error
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error}") from error
    click.echo(f"{path} started. Next: binline edge profile check {path}")


@profile.command(short_help="Every mistake, with its line.")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def check(file: str, as_json: bool) -> None:  # noqa: FBT001 - click passes by name
    r"""Check the profile FILE and say every mistake with its line and what is allowed.

    \b
    Examples:
      binline edge profile check my-scale.toml

    \b
    Exit codes:
      0  the profile can be used
      1  it has mistakes
    """
    mistakes: list[tuple[str, str]] = []
    try:
        profiles.load(file, all_needed=False)
    except ProfileError as error:
        mistakes = error.mistakes
    if as_json:
        found = [{"place": place, "why": why} for place, why in mistakes]
        click.echo(json.dumps({"file": file, "ok": not mistakes, "mistakes": found}))
    elif mistakes:
        for place, why in mistakes:
            click.echo(f"{place}: {why}", err=True)
    else:
        click.echo(f"{file} can be used")
    if mistakes:
        raise click.exceptions.Exit(1)
