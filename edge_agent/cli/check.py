"""`binline edge check`: are these settings good, and what would the agent do with them?"""

import json
import os
from pathlib import Path

import click

from edge_agent import app, settings
from edge_agent.core.typed_toml import SettingsError
from edge_agent.settings import Port, Settings

EXIT_CHECK_FAILED = 1


@click.command(
    epilog="""\b
Exit codes:
  0    `run` could start
  1    it could not
"""
)
@click.option(
    "--settings",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The gateway's settings, a TOML file.",
)
@click.option("--json", "as_json", is_flag=True, help="For a program to read.")
def check(path: Path, *, as_json: bool) -> int:
    r"""Read the settings as `run` would, without opening a port or sending anything.

    A device that is not plugged in is named and is no failure: the agent waits for it.

    \b
    Examples:
      binline edge check --settings gateway.toml
      binline edge check --settings gateway.toml --json
    """
    try:
        found = settings.load(path)
        app.prepare(found)
        _spool_folder_is_ours(found)
    except SettingsError as error:
        click.echo(json.dumps({"ok": False, "because": str(error)}) if as_json else str(error))
        return EXIT_CHECK_FAILED
    click.echo(json.dumps(_plan(found), indent=2) if as_json else _sentences(found))
    return 0


def _spool_folder_is_ours(found: Settings) -> None:
    """The nearest folder that exists must take what is made in it."""
    folder = found.spool.path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"spool.path: {folder} cannot be written. Allowed: a folder of ours")


def _plan(found: Settings) -> dict[str, object]:
    return {
        "ok": True,
        "gateway": found.gateway,
        "broker": {"host": found.broker.host, "port": found.broker.port, "tls": found.broker.tls},
        "spool": {"path": str(found.spool.path), "bytes_max": found.spool.bytes_max},
        "ports": [
            {
                "address": port.address,
                "present": _is_there(port),
                "devices": [
                    {
                        "profile": device.profile,
                        "unit": device.unit,
                        "poll_s": device.poll_s,
                        "sensors": [sensor.name for sensor in device.sensors],
                    }
                    for device in port.devices
                ],
            }
            for port in found.ports
        ],
    }


def _sentences(found: Settings) -> str:
    tls = "with TLS" if found.broker.tls else "without TLS"
    lines = [
        f"Gateway {found.gateway} would send to {found.broker.host}:{found.broker.port}, {tls}.",
        f"Readings wait in {found.spool.path}, at most {found.spool.bytes_max // 2**20} MiB.",
    ]
    for port in found.ports:
        absent = " (not plugged in now)" if _is_there(port) is False else ""
        lines.append(f"  {port.address}{absent}")
        for device in port.devices:
            unit = "" if device.unit is None else f" unit {device.unit}"
            names = ", ".join(sensor.name for sensor in device.sensors)
            lines.append(f"    {names}: {device.profile}{unit}, every {device.poll_s:g} s")
    return "\n".join(lines)


def _is_there(port: Port) -> bool | None:
    """Whether the cable is plugged in; None for one that is reached over the network."""
    return Path(port.address).exists() if port.is_serial else None
