"""`binline edge decode`: what bytes or registers mean by a profile, one JSON object a line."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from edge_agent import profiles
from edge_agent.drivers import bench
from edge_agent.drivers.compiling import ProfileError
from edge_agent.drivers.declared import Declared

if TYPE_CHECKING:
    from io import BufferedReader

STDIN_PIECE_BYTES = 4096
WORD_MAX = 0xFFFF
EXIT_NOTHING_UNDERSTOOD = 1


@click.command()
@click.argument("profile")
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="What the device does not send: unit=kg, decimals=2. Repeatable.",
)
@click.option("--hex", "hex_text", metavar="HEX", help='Bytes the device sent: "53 20 53 20 ...".')
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Bytes from a file, as they are.",
)
@click.option(
    "--stdin", "from_stdin", is_flag=True, help="Bytes from standard input, decoded as they come."
)
@click.option(
    "--registers",
    metavar="A=V,...",
    help="Modbus registers by wire address (40001 is 0): 8=2050,80=0,81=132.",
)
@click.option(
    "--request",
    "request_hex",
    default="",
    metavar="HEX",
    help="The question a raw Modbus answer belongs to: it says which registers these are.",
)
def decode(  # noqa: PLR0917 - click passes by name
    profile: str,
    parameters: tuple[str, ...],
    hex_text: str | None,
    path: Path | None,
    from_stdin: bool,  # noqa: FBT001 - click passes by name
    registers: str | None,
    request_hex: str,
) -> None:
    r"""Decode what a device sent, with the same code that runs in the agent.

    PROFILE is the name of a shipped profile (`binline edge profiles`) or the path of a file. One
    JSON object is printed for each outcome: measurement, condition, tags, counter, discard ...

    \b
    Examples:
      binline edge decode mt_sics --hex "53 20 53 20 20 20 31 30 30 2E 30 30 20 67 0D 0A"
      binline edge decode laumas_tlb --param unit=kg --param decimals=2 --registers 6=2048,8=4000
      binline edge decode ./my-scale.toml --file capture.bin
      cat /dev/ttyUSB0 | binline edge decode ohaus_print --stdin

    \b
    Exit codes:
      0  at least one outcome was understood
      1  nothing was: all of it was discarded, or there was nothing
      2  the command, the profile or a parameter is wrong
    """
    if sum(source is not None for source in (hex_text, path, registers)) + from_stdin != 1:
        raise click.UsageError("give exactly one of --hex, --file, --registers and --stdin")
    try:
        declared = profiles.load(profile, pairs(parameters, "--param"), all_needed=False)
    except ProfileError as error:
        raise click.UsageError(f"{profile}:\n{error}") from error
    understood = False
    for outcome in _outcomes(declared, hex_text, path, registers, _bytes(request_hex, "--request")):
        understood |= outcome["outcome"] != "discard"
        click.echo(json.dumps(outcome, ensure_ascii=False))
    if not understood:
        raise click.exceptions.Exit(EXIT_NOTHING_UNDERSTOOD)


def _outcomes(
    declared: Declared,
    hex_text: str | None,
    path: Path | None,
    registers: str | None,
    request: bytes,
) -> Iterator[bench.Plain]:
    if registers is not None:
        if declared.profile.modbus is None:
            raise click.UsageError("this profile has no registers: use --hex, --file or --stdin")
        yield from bench.explain_registers(declared, _registers(registers))
    elif hex_text is not None:
        yield from bench.explain_bytes(declared, [_bytes(hex_text, "--hex")], request)
    elif path is not None:
        yield from bench.explain_bytes(declared, [path.read_bytes()], request)
    elif declared.frame_rule is None:
        yield from bench.explain_bytes(declared, [sys.stdin.buffer.read()], request)
    else:
        yield from _as_it_comes(declared)


def _as_it_comes(declared: Declared) -> Iterator[bench.Plain]:
    framer = declared.framer()
    stdin = cast("BufferedReader", sys.stdin.buffer)
    while piece := stdin.read1(STDIN_PIECE_BYTES):
        for frame in framer.feed(piece):
            yield from bench.as_plain(declared.decode_frame(frame))
    for frame in framer.finish():
        yield from bench.as_plain(declared.decode_frame(frame))


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{option} {text!r}: write KEY=VALUE")
        pairs[key.strip()] = value
    return pairs


def _bytes(text: str, option: str) -> bytes:
    digits = re.sub(r"(0x|[\s,:;-])", "", text)
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise click.UsageError(
            f'{option}: pairs of hex digits are wanted, as in "0D 0A": {error}'
        ) from error


def _registers(text: str) -> dict[int, int]:
    registers: dict[int, int] = {}
    for pair in filter(None, re.split(r"[,\s]+", text)):
        address, _, value = pair.partition("=")
        try:
            at, word = int(address, 0), int(value, 0)
        except ValueError as error:
            raise click.UsageError(
                f"--registers {pair!r}: write ADDRESS=VALUE, as in 80=132"
            ) from error
        if not 0 <= at <= WORD_MAX or not -WORD_MAX // 2 <= word <= WORD_MAX:
            raise click.UsageError(
                f"--registers {pair!r}: an address is 0 to 65535, a register holds 16 bits"
            )
        registers[at] = word & 0xFFFF
    return registers
