"""`binline edge run`: the agent, for a service manager to start and to start again."""

import logging
import signal
import sys
import threading
from pathlib import Path

import click

from edge_agent import app, settings
from edge_agent.core.typed_toml import SettingsError


@click.command(
    epilog="""\b
Exit codes:
  0    stopped by SIGTERM or Ctrl-C, everything taken is on disk
  1    a part of it failed: start it again
  2    the settings cannot be used
"""
)
@click.option(
    "--settings",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The gateway's settings, a TOML file.",
)
def run(path: Path) -> int:
    r"""Poll what the settings name and publish what it says, until SIGTERM or Ctrl-C.

    Readings are on disk before they are sent, and stay there until the cloud says that it has them.

    \b
    Examples:
      binline edge run --settings /etc/binline/gateway.toml
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        return app.run(settings.load(path), stop)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
