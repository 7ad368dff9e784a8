"""`binline edge simulate`: devices that do not exist, for the demo, for tests and for training."""

import logging
import signal
import sys
import threading
import time
from pathlib import Path

import click

from edge_agent.core.typed_toml import SettingsError
from edge_agent.simulated import running, site


@click.command()
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Which devices, and what happens to them (JSON or TOML).",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where their ports appear, as <gateway>-<sensor>.",
)
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append every answer to this file, one JSON object per line.",
)
def simulate(plan_path: Path, folder: Path, ledger: Path | None) -> None:
    r"""Run simulated scales, readers and counters until Ctrl-C or SIGTERM.

    Each is a port in DIR that any program may open; `device` in the plan names the profile that
    reads it. Append a JSON line to DIR/commands to change one while it runs, or put it into the
    plan's `script` with the second it is due: `do` is set, take, refill, usage, zero, tare, unit,
    overload, silence, speak, late, restart, come, go, scan or pulse.

    \b
    Examples:
      binline edge simulate --plan site.json --dir /tmp/ports
      binline edge simulate --plan site.json --dir /tmp/ports --ledger truth.jsonl
      echo '{"gateway":"lindau-1","sensor":"s01","do":"take","pieces":50}' >> /tmp/ports/commands
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        plan = site.load(plan_path)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    with running.SimulatedSite(
        plan,
        folder,
        ledger=ledger,
        now_s=time.monotonic,
        wall_ms=lambda: time.time_ns() // 1_000_000,
    ) as simulated:
        click.echo(f"{len(plan.scales)} simulated scales in {folder}")
        while not stop.is_set():
            simulated.turn()
