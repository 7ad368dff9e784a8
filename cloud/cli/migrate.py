"""`binline cloud migrate`: what it does, once its settings are read."""

import click
import psycopg

from cloud.postgres import migrate, pools, timescale
from cloud.settings import MigrateSettings

EXIT_FAILED = 1
EXIT_CLOUD_AWAY = 4


def run(settings: MigrateSettings, *, set_passwords: bool, timescaledb: bool) -> None:
    try:
        conn = pools.connect(settings.admin_dsn, name="migrate")
    except psycopg.OperationalError as error:
        click.echo(f"the database does not answer: {error}", err=True)
        raise SystemExit(EXIT_CLOUD_AWAY) from None
    with conn:
        try:
            ran = migrate.migrate(conn)
        except migrate.MigrationRefused as refusal:
            click.echo(str(refusal), err=True)
            raise SystemExit(EXIT_FAILED) from None
        for name in ran:
            click.echo(f"ran {name}")
        if timescaledb:
            _adopt_timescaledb(conn)
        if set_passwords:
            _set_passwords(conn, settings)
    if not ran:
        click.echo("nothing to do, the schema is current")


def _adopt_timescaledb(conn: psycopg.Connection) -> None:
    try:
        store = timescale.adopt(conn)
    except timescale.NotPossible as error:
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_FAILED) from None
    click.echo(f"readings are kept as {store.value}")


def _set_passwords(conn: psycopg.Connection, settings: MigrateSettings) -> None:
    ours = {
        role: password
        for role, password in settings.passwords.items()
        if role in migrate.LOGIN_ROLES
    }
    migrate.set_passwords(conn, ours)
    for role in ours:
        click.echo(f"set the password of {role}")
