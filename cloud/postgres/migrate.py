"""Brings a database to the schema of this version: numbered plain SQL files, each once, in order.

Written by hand because the well-known runners hold their lock in a table, so that a runner killed
in the middle leaves a lock for a person to break, and because a changed old file must be refused.
Here the lock is an advisory lock, which dies with its connection; each file is one transaction
together with the note that it ran, so a cut leaves either both or neither.
"""

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

import psycopg
from psycopg import sql

OWNER = "binline_owner"  # owns every table; nobody logs in as it
VIEW_OWNER = "binline_view"  # owns the views over readings; nobody logs in as it
LOGIN_ROLES = ("binline_ingest", "binline_jobs", "binline_portal", "binline_auth")

_LOCK = 0x62696E6C696E65  # "binline" in ASCII: any number, as long as it is always the same


class MigrationRefused(Exception):
    """The database is not one this version may touch: what was found and what to do."""


class Migration(NamedTuple):
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def shipped() -> list[Migration]:
    folder = resources.files("cloud.postgres") / "migrations"
    return sorted(
        Migration(entry.name.removesuffix(".sql"), entry.read_text())
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    )


def migrate(conn: psycopg.Connection, migrations: list[Migration] | None = None) -> list[str]:
    """Run what is missing; the names of what ran. `conn` must be allowed to create roles."""
    wanted = shipped() if migrations is None else migrations
    conn.autocommit = True
    conn.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        _prepare_roles(conn)
        conn.execute(
            "CREATE TABLE IF NOT EXISTS public.binline_migrations ("
            " name text PRIMARY KEY, checksum text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now())"
        )
        return _run_missing(conn, wanted)
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def set_passwords(conn: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    """Give the log-in roles their passwords. Sent hashed, so no log of the server holds one."""
    for role, password in passwords.items():
        hashed = conn.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        ).decode()
        conn.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(hashed))
        )


def _prepare_roles(conn: psycopg.Connection) -> None:
    """Roles belong to the whole server, so another database may have made them already."""
    have = {name for (name,) in conn.execute("SELECT rolname FROM pg_roles").fetchall()}
    for role in (OWNER, VIEW_OWNER, *LOGIN_ROLES):
        if role not in have:
            conn.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    for role in LOGIN_ROLES:
        conn.execute(
            sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS").format(
                sql.Identifier(role)
            )
        )
        for setting, value in (
            ("search_path", "binline"),
            ("statement_timeout", "30s"),
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "30s"),
            ("timezone", "UTC"),
        ):
            conn.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    sql.Identifier(role), sql.Identifier(setting), sql.Literal(value)
                )
            )


def _run_missing(conn: psycopg.Connection, wanted: list[Migration]) -> list[str]:
    ran = dict(conn.execute("SELECT name, checksum FROM public.binline_migrations").fetchall())
    unknown = sorted(set(ran) - {migration.name for migration in wanted})
    if unknown:
        raise MigrationRefused(
            f"This database was migrated by a newer version ({', '.join(unknown)}). "
            "Install that version or newer."
        )
    fresh: list[str] = []
    for migration in wanted:
        if migration.name in ran:
            if ran[migration.name] != migration.checksum:
                raise MigrationRefused(
                    f"{migration.name} has changed since it ran here. "
                    "Migrations are never edited: put the change into a new one."
                )
            continue
        with conn.transaction():
            database = sql.Identifier(conn.info.dbname)
            owner = sql.Identifier(OWNER)
            conn.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, owner))
            conn.execute(
                sql.SQL("GRANT {} TO {}, CURRENT_USER").format(sql.Identifier(VIEW_OWNER), owner)
            )
            conn.execute(sql.SQL("SET LOCAL ROLE {}").format(owner))
            conn.execute(migration.text)  # type: ignore[call-overload]
            conn.execute("RESET ROLE")
            conn.execute(
                "INSERT INTO public.binline_migrations (name, checksum) VALUES (%s, %s)",
                migration[:1] + (migration.checksum,),
            )
        fresh.append(migration.name)
    return fresh
