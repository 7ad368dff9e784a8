"""Migrations: each once, in order, all or nothing, whoever else tries, however it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cloud.embedded import postgres, programs
from cloud.postgres import migrate
from cloud.postgres.migrate import Migration, MigrationRefused

ONE = Migration("0001_one", "CREATE SCHEMA a; CREATE TABLE a.one ()")
TWO = Migration("0002_two", "CREATE TABLE a.two ()")
BROKEN = Migration("0002_two", "CREATE TABLE a.two (); SELECT 1/0")
SLOW = Migration("0002_two", "CREATE TABLE a.two (); SELECT pg_sleep(600)")


@dataclass(frozen=True)
class Blank:
    """A database nobody has migrated."""

    dsn: str

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True)

    def migrate(self, migrations: list[Migration] | None = None) -> list[str]:
        with self.connect() as conn:
            return migrate.migrate(conn, migrations)

    def tables(self) -> set[str]:
        with self.connect() as conn:
            return {
                name
                for (name,) in conn.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'a'"
                )
            }

    def noted(self) -> list[str]:
        with self.connect() as conn:
            return [
                name
                for (name,) in conn.execute("SELECT name FROM public.binline_migrations ORDER BY 1")
            ]


def make_blank(server: postgres.EmbeddedPostgres, name: str) -> Blank:
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as conn:
        conn.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return Blank(server.dsn(database=name))


@pytest.fixture
def blank(postgres_server: postgres.EmbeddedPostgres) -> Blank:
    return make_blank(postgres_server, f"blank_{os.getpid()}")


def wait_for(state: Callable[[], bool], limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while not state():
        assert time.monotonic() < until, "did not come about in time"
        time.sleep(0.02)


def test_the_shipped_migrations_run_once_and_the_second_time_nothing(blank: Blank) -> None:
    names = [migration.name for migration in migrate.shipped()]
    assert blank.migrate() == names
    assert blank.migrate() == []
    assert blank.noted() == names


def test_they_are_numbered_and_no_number_is_there_twice() -> None:
    numbers = [migration.name.split("_")[0] for migration in migrate.shipped()]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_only_what_is_missing_runs(blank: Blank) -> None:
    assert blank.migrate([ONE]) == ["0001_one"]
    assert blank.migrate([ONE, TWO]) == ["0002_two"]
    assert blank.tables() == {"one", "two"}


def test_a_changed_file_is_refused(blank: Blank) -> None:
    blank.migrate([ONE])
    with pytest.raises(MigrationRefused, match="0001_one has changed since it ran here"):
        blank.migrate([ONE._replace(text=ONE.text + " -- harmless"), TWO])
    assert blank.tables() == {"one"}


def test_a_newer_database_is_refused_and_left_alone(blank: Blank) -> None:
    blank.migrate([ONE, TWO])
    with pytest.raises(MigrationRefused, match=r"newer version \(0002_two\)"):
        blank.migrate([ONE])
    assert blank.noted() == ["0001_one", "0002_two"]


def test_a_file_slipped_in_before_one_that_ran_is_refused(blank: Blank) -> None:
    blank.migrate([ONE, TWO])
    late = Migration("0001_two_and_a_half", "CREATE TABLE a.late ()")
    with pytest.raises(MigrationRefused, match="give it a higher number"):
        blank.migrate([ONE, late, TWO])
    assert blank.tables() == {"one", "two"}


def test_a_file_that_fails_leaves_nothing_of_itself_and_keeps_the_ones_before(blank: Blank) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        blank.migrate([ONE, BROKEN])
    assert blank.tables() == {"one"}
    assert blank.noted() == ["0001_one"]
    assert blank.migrate([ONE, TWO]) == ["0002_two"]


def test_two_at_once_run_everything_once(blank: Blank) -> None:
    together = threading.Barrier(4)

    def run(_: int) -> list[str]:
        together.wait(10)
        return blank.migrate()

    with ThreadPoolExecutor(4) as pool:
        ran = sorted(pool.map(run, range(4)))
    assert ran == [[], [], [], [migration.name for migration in migrate.shipped()]]


RUN_SLOWLY = """
import sys, psycopg
from cloud.postgres.migrate import Migration, migrate
with psycopg.connect(sys.argv[1]) as conn:
    migrate(conn, [Migration(*pair.split("|")) for pair in sys.argv[2:]])
"""


def test_killed_in_the_middle_leaves_no_half_and_no_lock(blank: Blank) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", RUN_SLOWLY, blank.dsn, *("|".join(m) for m in (ONE, SLOW))]
    )
    try:
        with blank.connect() as watcher:
            wait_for(
                lambda: bool(
                    watcher.execute(
                        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                        " AND wait_event = 'PgSleep'"
                    ).fetchone()
                ),
                20,
            )
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    began = time.monotonic()
    assert blank.migrate([ONE, TWO]) == ["0002_two"]
    assert time.monotonic() - began < 10
    assert blank.tables() == {"one", "two"}


def test_who_waits_too_long_is_told_why(blank: Blank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_S_MAX", 1)
    with blank.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (migrate._LOCK,))
        with pytest.raises(MigrationRefused, match="Somebody else has been migrating"):
            blank.migrate([ONE])
    assert blank.migrate([ONE]) == ["0001_one"]


def test_a_login_role_that_somebody_made_too_strong_is_brought_back(
    blank: Blank, postgres_server: postgres.EmbeddedPostgres
) -> None:
    with blank.connect() as conn:
        conn.execute("ALTER ROLE binline_portal SUPERUSER BYPASSRLS")
        conn.execute("ALTER ROLE binline_portal SET statement_timeout = 0")
        migrate.migrate(conn, [ONE])
        row = conn.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin, rolconfig"
            " FROM pg_roles WHERE rolname = 'binline_portal'"
        ).fetchone()
    assert row is not None
    assert row[:5] == (False, False, False, False, True)
    assert "statement_timeout=30s" in row[5]


def test_no_login_role_may_become_an_owner(blank: Blank) -> None:
    blank.migrate()
    with blank.connect() as conn:
        members = conn.execute(
            "SELECT m.rolname, o.rolname FROM pg_auth_members a"
            " JOIN pg_roles m ON m.oid = a.member JOIN pg_roles o ON o.oid = a.roleid"
            " WHERE m.rolname = ANY(%s)",
            (list(migrate.LOGIN_ROLES),),
        ).fetchall()
    assert members == []


def test_a_password_reaches_the_server_only_as_its_hash(blank: Blank) -> None:
    with blank.connect() as conn:
        conn.execute("CREATE ROLE somebody LOGIN")
        try:
            migrate.set_passwords(conn, {"somebody": "pass'word \\ with all"})
            row = conn.execute(
                "SELECT rolpassword FROM pg_authid WHERE rolname = 'somebody'"
            ).fetchone()
            assert row is not None
            assert row[0].startswith("SCRAM-SHA-256$")
            psycopg.connect(blank.dsn, user="somebody", password="pass'word \\ with all").close()
        finally:
            conn.execute("DROP ROLE somebody")


@pytest.fixture(scope="module")
def fresh_server(public_tmp: Path) -> Iterator[postgres.EmbeddedPostgres]:
    """A server on which no role of ours has ever been."""
    home = public_tmp / "postgres-fresh"
    server = postgres.prepare(home)
    child = programs.spawn(server.program, home / "log")
    try:
        postgres.wait_until_up(server.dsn(database="postgres"), 60, gone=child)
        yield server
    finally:
        child.send_signal(server.program.stop_signal)
        child.wait(30)


def test_an_administrator_who_is_no_superuser_can_migrate(
    fresh_server: postgres.EmbeddedPostgres,
) -> None:
    """A rented database gives its customer CREATEROLE and a database, and no more."""
    with psycopg.connect(fresh_server.dsn(database="postgres"), autocommit=True) as conn:
        conn.execute("CREATE ROLE customer LOGIN CREATEROLE PASSWORD 'rented'")
        conn.execute("CREATE DATABASE rented OWNER customer")
    rented = Blank(fresh_server.dsn("customer", "rented", "rented"))
    assert rented.migrate() == [migration.name for migration in migrate.shipped()]
    assert rented.migrate() == []
    with rented.connect() as conn:
        migrate.set_passwords(conn, {"binline_portal": "for-tests-only"})
    with psycopg.connect(fresh_server.dsn("binline_portal", "for-tests-only", "rented")) as portal:
        assert portal.execute("SELECT count(*) FROM bins").fetchone() == (0,)
