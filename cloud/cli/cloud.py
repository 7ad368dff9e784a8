"""`binline cloud …`: the processes of a server, and what prepares its database.

Each reads its settings from the environment and imports its world only when it is called.
"""

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from cloud.settings import SettingsError

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
def migrate(*, set_passwords: bool) -> None:
    """Bring the database to the schema of this version. Safe to repeat.

    Reads BINLINE_ADMIN_DSN, a log-in that may make roles.

    \b
    Examples:
      binline cloud migrate
      binline cloud migrate --set-passwords
    """  # noqa: D301 - as above
    from cloud.cli.migrate import run  # noqa: PLC0415 - only when asked for
    from cloud.settings import migrate_settings  # noqa: PLC0415 - as above

    run(_settings(migrate_settings), set_passwords=set_passwords)


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
    """Assess bins, place orders, send notices.

    Reads BINLINE_JOBS_DSN, BINLINE_PUBLIC_URL, BINLINE_SECRET_KEY, BINLINE_SMTP_URL,
    BINLINE_MAIL_FROM and, if set, BINLINE_WEBHOOK_ALLOWED_HOSTS and BINLINE_METRICS_PORT.

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


def _settings(load: Callable[[Mapping[str, str]], Settings]) -> Settings:
    try:
        return load(os.environ)
    except SettingsError as error:
        click.echo(f"{error}.", err=True)
        raise SystemExit(EXIT_USAGE) from None
