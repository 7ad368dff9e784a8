"""`binline cloud …`: the processes of a server, and what prepares its database.

Each reads its settings from the environment and imports its world only when it is called.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from cloud.settings import SettingsError

if TYPE_CHECKING:
    from uuid import UUID

EXIT_USAGE = 2

Settings = TypeVar("Settings")


@click.group(name="cloud")
def cloud() -> None:
    """Store readings, decide, order, tell, show.

    \b
    Examples:
      BINLINE_ADMIN_DSN=postgresql://… binline cloud migrate
      binline cloud ingest
      binline cloud work
      binline cloud serve
    """  # noqa: D301 - \b is click's mark for "do not wrap"


@cloud.command()
@click.option(
    "--set-passwords",
    is_flag=True,
    help="Also give the log-in roles the passwords found in BINLINE_INGEST_DSN, "
    "BINLINE_JOBS_DSN, BINLINE_PORTAL_DSN and BINLINE_AUTH_DSN.",
)
@click.option(
    "--timescaledb",
    is_flag=True,
    help="Also move the readings into TimescaleDB, which the server must have loaded. "
    "There is no way back.",
)
def migrate(*, set_passwords: bool, timescaledb: bool) -> None:
    """Bring the database to the schema of this version. Safe to repeat.

    Reads BINLINE_ADMIN_DSN, a log-in that may make roles, and extensions if it is asked to.

    \b
    Examples:
      binline cloud migrate
      binline cloud migrate --set-passwords
      binline cloud migrate --timescaledb
    """  # noqa: D301 - as above
    from cloud.cli.migrate import run  # noqa: PLC0415 - only when asked for
    from cloud.settings import migrate_settings  # noqa: PLC0415 - as above

    run(_settings(migrate_settings), set_passwords=set_passwords, timescaledb=timescaledb)


@cloud.command()
def ingest() -> None:
    """Take in what gateways say, store it, and acknowledge what is stored.

    Reads BINLINE_INGEST_DSN and BINLINE_BROKER_URL; serves metrics on BINLINE_METRICS_PORT if set.

    \b
    Examples:
      binline cloud ingest
      BINLINE_METRICS_PORT=9101 binline cloud ingest
    """  # noqa: D301 - as above
    from cloud import app  # noqa: PLC0415 - only when asked for
    from cloud.settings import ingest_settings  # noqa: PLC0415 - as above

    settings = _settings(ingest_settings)
    app.log_to_stderr()
    with app.stopping_on_signals() as stop:
        app.ingest(settings, stop)


@cloud.command()
def work() -> None:
    """Assess bins, place orders, send notices, keep the store of readings.

    Reads BINLINE_JOBS_DSN, BINLINE_PUBLIC_URL, BINLINE_SECRET_KEY, BINLINE_SMTP_URL,
    BINLINE_MAIL_FROM and, if set, BINLINE_WEBHOOK_ALLOWED_HOSTS and BINLINE_METRICS_PORT; and
    how long what is kept: BINLINE_READINGS_DAYS (400), BINLINE_ROLLUPS_DAYS (1100),
    BINLINE_ACCEPTED_DAYS (as readings) and BINLINE_PACKED_AFTER_DAYS (35, TimescaleDB).

    \b
    Examples:
      binline cloud work
    """  # noqa: D301 - as above
    from cloud import app  # noqa: PLC0415 - only when asked for
    from cloud.settings import jobs_settings  # noqa: PLC0415 - as above

    settings = _settings(jobs_settings)
    app.log_to_stderr()
    with app.stopping_on_signals() as stop:
        app.work(settings, stop)


@cloud.command()
def serve() -> None:
    """Show the pages and answer the API.

    Reads BINLINE_PORTAL_DSN, BINLINE_AUTH_DSN, BINLINE_PUBLIC_URL, BINLINE_SECRET_KEY and, if
    set, BINLINE_HTTP_HOST (127.0.0.1) and BINLINE_HTTP_PORT (8420).

    \b
    Examples:
      binline cloud serve
      BINLINE_HTTP_HOST=0.0.0.0 BINLINE_HTTP_PORT=8080 binline cloud serve
    """  # noqa: D301 - as above
    from cloud import app  # noqa: PLC0415 - only when asked for
    from cloud.settings import http_settings  # noqa: PLC0415 - as above

    settings = _settings(http_settings)
    app.log_to_stderr()
    # The web server listens itself as soon as it runs; until then, and when it hangs, this does.
    with app.stopping_on_signals() as stop:
        app.serve(settings, stop)


@cloud.command()
@click.option(
    "--data",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder with the demand sets: at least one of man, carparts and online_retail.",
)
@click.option(
    "--lead-time",
    "lead_times",
    multiple=True,
    type=click.IntRange(0, 26),
    default=(1, 2, 3, 4),
    show_default=True,
    help="In periods of the set; may be given several times.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("stock-against-fill.svg"),
    show_default=True,
    help="Where the picture is written.",
)
@click.option(
    "--compare",
    "expected",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Numbers of another simulator, as JSON: the deviation from them is printed, too.",
)
def replay(*, folder: Path, lead_times: tuple[int, ...], plot: Path, expected: Path | None) -> None:
    """Replay real demand with our parameters and with those of others: stock against service.

    Prints what stock each method needs for the same fill, ours by SES with a normal error, the
    fill that was achieved of what was asked, and whether the gate is passed. Exit 1: it is not.

    \b
    Examples:
      binline cloud replay --data demand-sets
      binline cloud replay --data demand-sets --lead-time 2 --plot two.svg
    """  # noqa: D301 - as above
    from cloud.cli.replay import run  # noqa: PLC0415 - only when asked for

    run(folder, lead_times, plot, expected)


@cloud.group()
def letters() -> None:
    """Look at what could not be taken in, try it again, or give it up.

    Reads BINLINE_JOBS_DSN, and BINLINE_INGEST_DSN to replay.

    \b
    Examples:
      binline cloud letters list
      binline cloud letters replay 17 18
    """  # noqa: D301 - \b is click's mark for "do not wrap"


@letters.command("list")
@click.option("--gateway", help="Only of this gateway.")
def letters_list(*, gateway: str | None) -> None:
    """List what nobody has settled yet, and how many there were too many of to keep.

    \b
    Examples:
      binline cloud letters list --gateway lindau-1
    """  # noqa: D301 - as above
    from cloud.cli.letters import run_list  # noqa: PLC0415 - only when asked for
    from cloud.settings import operating_settings  # noqa: PLC0415 - as above

    run_list(_settings(operating_settings), gateway)


@letters.command("show")
@click.argument("number", type=int)
def letters_show(*, number: int) -> None:
    """Show one with its topic and its bytes.

    \b
    Examples:
      binline cloud letters show 17
    """  # noqa: D301 - as above
    from cloud.cli.letters import run_show  # noqa: PLC0415 - only when asked for
    from cloud.settings import operating_settings  # noqa: PLC0415 - as above

    run_show(_settings(operating_settings), number)


@letters.command("replay")
@click.argument("numbers", type=int, nargs=-1, required=True)
@click.option("--by", help="Who does it, for the record. Default: who is logged in here.")
def letters_replay(*, numbers: tuple[int, ...], by: str | None) -> None:
    """Put letters through ingest again, after what was wrong has been put right.

    \b
    Examples:
      binline cloud letters replay 17 18
    """  # noqa: D301 - as above
    from cloud.cli.letters import operator, run_replay  # noqa: PLC0415 - only when asked for
    from cloud.settings import operating_settings  # noqa: PLC0415 - as above

    settings = _settings(operating_settings)
    _settings(lambda _: settings.needed_ingest_dsn())
    run_replay(settings, numbers, by or operator())


@letters.command("discard")
@click.argument("numbers", type=int, nargs=-1, required=True)
@click.option("--by", help="Who does it, for the record. Default: who is logged in here.")
def letters_discard(*, numbers: tuple[int, ...], by: str | None) -> None:
    """Give letters up. They stay in the database, marked, and make room for others.

    \b
    Examples:
      binline cloud letters discard 17
    """  # noqa: D301 - as above
    from cloud.cli.letters import operator, run_discard  # noqa: PLC0415 - only when asked for
    from cloud.settings import operating_settings  # noqa: PLC0415 - as above

    run_discard(_settings(operating_settings), numbers, by or operator())


@cloud.group()
def gateway() -> None:
    """See how gateways fare, and settle whose a name is. Reads BINLINE_JOBS_DSN.

    \b
    Examples:
      binline cloud gateway list
    """  # noqa: D301 - as above


@gateway.command("list")
def gateway_list() -> None:
    """List gateways: whether they are there, over their quota, or two under one name.

    \b
    Examples:
      binline cloud gateway list
    """  # noqa: D301 - as above
    from cloud.cli.gateways import run_list  # noqa: PLC0415 - only when asked for
    from cloud.settings import operating_settings  # noqa: PLC0415 - as above

    run_list(_settings(operating_settings))


@gateway.command("settle")
@click.argument("name")
@click.option("--keep", required=True, type=click.UUID, help="The stream that goes on.")
@click.option("--by", help="Who does it, for the record. Default: who is logged in here.")
def gateway_settle(*, name: str, keep: "UUID", by: str | None) -> None:
    """Say which of two machines a name belongs to; the other one is refused.

    \b
    Examples:
      binline cloud gateway settle lindau-1 --keep 0123456789abcdef0123456789abcdef
    """  # noqa: D301 - as above
    from cloud.cli.gateways import run_settle  # noqa: PLC0415 - only when asked for
    from cloud.cli.letters import operator  # noqa: PLC0415 - as above
    from cloud.settings import operating_settings  # noqa: PLC0415 - as above

    run_settle(_settings(operating_settings), name, keep, by or operator())


@cloud.command()
def aside() -> None:
    """List readings that are set aside because their time cannot be. Reads BINLINE_JOBS_DSN.

    \b
    Examples:
      binline cloud aside
    """  # noqa: D301 - as above
    from cloud.cli.gateways import run_aside  # noqa: PLC0415 - only when asked for
    from cloud.settings import operating_settings  # noqa: PLC0415 - as above

    run_aside(_settings(operating_settings))


@cloud.command()
@click.argument("order")
def verify(*, order: str) -> None:
    """Check the chain of what an order rests on, and make its decision again.

    Says 1 where something does not fit, or where there is nothing to check. Reads BINLINE_JOBS_DSN.

    \b
    Examples:
      binline cloud verify RO-1004
    """  # noqa: D301 - as above
    from cloud.cli.evidence import run_verify  # noqa: PLC0415 - only when asked for
    from cloud.settings import operating_settings  # noqa: PLC0415 - as above

    run_verify(_settings(operating_settings), order)


@cloud.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apply", is_flag=True, help="Do it. Without this it is only shown.")
@click.option("--by", help="Who does it, for the record. Default: who is logged in here.")
def import_file(*, file: Path, apply: bool, by: str | None) -> None:
    """Show what a file of customers, sites, places, items or bins would change, and do it.

    A CSV file is named for what it holds, as bins.csv; a workbook has a sheet for each. All of it
    is taken in, or nothing. Reads BINLINE_PORTAL_DSN.

    \b
    Examples:
      binline cloud import bins.csv
      binline cloud import binline.xlsx --apply
    """  # noqa: D301 - as above
    from cloud.cli.letters import operator  # noqa: PLC0415 - only when asked for
    from cloud.cli.sheets import run_import  # noqa: PLC0415 - as above
    from cloud.settings import editing_dsn  # noqa: PLC0415 - as above

    run_import(_settings(editing_dsn), file, by or operator(), apply=apply)


@cloud.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def export(*, folder: Path) -> None:
    """Write customers, sites, places, suppliers, items and bins as CSV files and one workbook.

    Reads BINLINE_PORTAL_DSN. What is written can be taken in again with `import`.

    \b
    Examples:
      binline cloud export ./nouns
    """  # noqa: D301 - as above
    from cloud.cli.letters import operator  # noqa: PLC0415 - only when asked for
    from cloud.cli.sheets import run_export  # noqa: PLC0415 - as above
    from cloud.settings import editing_dsn  # noqa: PLC0415 - as above

    run_export(_settings(editing_dsn), folder, operator())


def _settings(load: Callable[[Mapping[str, str]], Settings]) -> Settings:
    try:
        return load(os.environ)
    except SettingsError as error:
        click.echo(f"{error}.", err=True)
        raise SystemExit(EXIT_USAGE) from None
