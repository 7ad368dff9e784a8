"""Brings a database to the schema of this version: numbered plain SQL files, each once, in order.

Written by hand because the well-known runners hold their lock in a table, so that a runner killed
in the middle leaves a lock for a person to break, and because a changed old file must be refused.
Here the lock is an advisory lock, which dies with its connection; each file is one transaction
together with the note that it ran, so a cut leaves either both or neither.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import NamedTuple

import psycopg
from psycopg import sql

OWNER = "binline_owner"  # owns every table; nobody logs in as it
VIEW_OWNER = "binline_view"  # owns the views over readings; nobody logs in as it
LOGIN_ROLES = ("binline_ingest", "binline_jobs", "binline_portal", "binline_auth")

LOCK_S_MAX = 600
_LOCK = 0x62696E6C696E65  # "binline" in ASCII: any number, as long as it is always the same

# What a log-in role may never be, by its column in pg_roles and its word in ALTER ROLE.
_NEVER = {
    "rolsuper": sql.SQL("NOSUPERUSER"),
    "rolcreatedb": sql.SQL("NOCREATEDB"),
    "rolcreaterole": sql.SQL("NOCREATEROLE"),
    "rolbypassrls": sql.SQL("NOBYPASSRLS"),
}
_SETTINGS = {
    "search_path": "binline",
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
}


class MigrationRefused(Exception):  # noqa: N818 - a no with its reason, not a defect
    """The database is not one this version may touch: what was found and what to do."""


class Migration(NamedTuple):
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def shipped() -> tuple[Migration, ...]:
    folder = resources.files("cloud.postgres") / "migrations"
    return tuple(
        sorted(
            Migration(entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
            for entry in folder.iterdir()
            if entry.name.endswith(".sql")
        )
    )


def migrate(conn: psycopg.Connection, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Run what is missing; the names of what ran. `conn` must be allowed to create roles."""
    wanted = shipped() if migrations is None else migrations
    conn.autocommit = True
    with locked(conn):
        conn.execute(
            "CREATE TABLE IF NOT EXISTS public.binline_migrations ("
            " name text PRIMARY KEY,"
            " checksum text NOT NULL,"
            " ran_at timestamptz NOT NULL DEFAULT now())"
        )
        fresh = missing(_ran(conn), wanted)
        _prepare_roles(conn)
        for migration in fresh:
            _run(conn, migration)
        conn.execute("GRANT SELECT ON public.binline_migrations TO binline_portal")
        return [migration.name for migration in fresh]


def still_to_run(conn: psycopg.Connection) -> list[str]:
    """What this version needs and the database has not; what it has beyond that does no harm."""
    ran = _ran(conn)
    return [migration.name for migration in shipped() if migration.name not in ran]


def missing(ran: Mapping[str, str], wanted: Sequence[Migration]) -> list[Migration]:
    """What is to be run, given the names and checksums of what ran; or a refusal."""
    unknown = sorted(ran.keys() - {migration.name for migration in wanted})
    if unknown:
        raise MigrationRefused(
            f"This database was migrated by a newer version ({', '.join(unknown)}). "
            "Install that version or newer."
        )
    fresh: list[Migration] = []
    for migration in wanted:
        if migration.name not in ran:
            if migration.name < max(ran, default=""):
                raise MigrationRefused(
                    f"{migration.name} comes before {max(ran)}, which has already run here. "
                    "Migrations run in order: give it a higher number."
                )
            fresh.append(migration)
        elif ran[migration.name] != migration.checksum:
            raise MigrationRefused(
                f"{migration.name} has changed since it ran here. "
                "Migrations are never edited: put the change into a new one."
            )
    return fresh


def set_passwords(conn: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    """Give the log-in roles their passwords. Sent hashed, so no log of the server holds one."""
    for role, password in passwords.items():
        hashed = conn.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        ).decode()
        conn.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(hashed))
        )


@contextmanager
def locked(conn: psycopg.Connection) -> Iterator[None]:
    """Nobody else changes the schema meanwhile."""
    _lock(conn)
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


@contextmanager
def as_owner(conn: psycopg.Connection) -> Iterator[None]:
    """Act as the owner of the tables until the end, or that of the transaction."""
    database, owner, view_owner = map(sql.Identifier, (conn.info.dbname, OWNER, VIEW_OWNER))
    conn.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, owner))
    # The owner hands views over to their owner; who is no superuser must be a member to act.
    conn.execute(sql.SQL("GRANT {} TO {}").format(view_owner, owner))
    conn.execute(sql.SQL("GRANT {}, {} TO CURRENT_USER").format(owner, view_owner))
    conn.execute(sql.SQL("SET LOCAL ROLE {}").format(owner))
    yield
    conn.execute("RESET ROLE")


def _ran(conn: psycopg.Connection) -> dict[str, str]:
    return dict(conn.execute("SELECT name, checksum FROM public.binline_migrations").fetchall())


def _lock(conn: psycopg.Connection) -> None:
    # Else the server finishes the statement of a killed runner first, and holds the lock that long.
    conn.execute("SET client_connection_check_interval = '1s'")
    conn.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(f"{LOCK_S_MAX}s")))
    try:
        conn.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationRefused(
            f"Somebody else has been migrating this database for {LOCK_S_MAX} s. "
            "Wait for them, or end their connection."
        ) from error
    finally:
        conn.execute("RESET lock_timeout")


def _prepare_roles(conn: psycopg.Connection) -> None:
    """Make them what they are to be; touch nothing that is right.

    Roles belong to the whole server, so another database may have made them already. And only a
    superuser may change some of this, so who is no superuser can still migrate.
    """
    have = {name for (name,) in conn.execute("SELECT rolname FROM pg_roles").fetchall()}
    for role in (OWNER, VIEW_OWNER, *LOGIN_ROLES):
        if role not in have:
            conn.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    for role in LOGIN_ROLES:
        _correct(conn, role)


def _correct(conn: psycopg.Connection, role: str) -> None:
    row = conn.execute(
        sql.SQL(
            "SELECT rolcanlogin, coalesce(rolconfig, '{{}}'), {} FROM pg_roles WHERE rolname = %s"
        ).format(sql.SQL(", ").join(map(sql.Identifier, _NEVER))),
        (role,),
    ).fetchone()
    assert row is not None, "made a moment ago"
    can_log_in, settings, *has = row
    kept = {setting.lower() for setting in settings}  # the server writes TimeZone=UTC
    words = [] if can_log_in else [sql.SQL("LOGIN")]
    words += [word for word, wrong in zip(_NEVER.values(), has, strict=True) if wrong]
    if words:
        conn.execute(
            sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(role), sql.SQL(" ").join(words))
        )
    for setting, value in _SETTINGS.items():
        if f"{setting}={value}".lower() not in kept:
            conn.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    sql.Identifier(role), sql.Identifier(setting), sql.Literal(value)
                )
            )


def _run(conn: psycopg.Connection, migration: Migration) -> None:
    with conn.transaction():
        with as_owner(conn):
            conn.execute(migration.text)
        conn.execute(
            "INSERT INTO public.binline_migrations (name, checksum) VALUES (%s, %s)",
            (migration.name, migration.checksum),
        )
