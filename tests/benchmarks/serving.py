"""A PostgreSQL for one bench: started, migrated, and taken away again, or one that was given.

With BINLINE_BENCH_DSN `fresh` works on that server instead of the wheel's.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from cloud.embedded import postgres, programs
from cloud.postgres import migrate
from tests.conftest import PASSWORD, GivenServer, Server

__all__ = ["NAME", "PASSWORD", "Server", "best_s", "fresh", "server"]

NAME = "binline_bench"
SERVER_GIVEN = "BINLINE_BENCH_DSN"
STOPS_WITHIN_S = 60


@contextmanager
def server(*users: str, options: Sequence[str] = ()) -> Iterator[postgres.EmbeddedPostgres]:
    """`users` may log in with PASSWORD. fsync is on, as in earnest. `options` are of the server."""
    with _running(options) as made:
        postgres.ensure_database(made)
        with psycopg.connect(made.dsn()) as conn:
            migrate.migrate(conn)
            migrate.set_passwords(conn, dict.fromkeys(users, PASSWORD))
        yield made


@contextmanager
def fresh() -> Iterator[Server]:
    """A server with a database NAME in which nothing is yet; every role may log in."""
    if given := os.environ.get(SERVER_GIVEN):
        _make_anew(GivenServer(given))
        yield GivenServer(given)
        return
    with _running() as made:
        _make_anew(made)
        yield made


def best_s(ask: Callable[[], object], times: int) -> float:
    """The best of some: what else the machine does is not what is measured."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return min(took)


@contextmanager
def _running(options: Sequence[str] = ()) -> Iterator[postgres.EmbeddedPostgres]:
    home = Path(tempfile.mkdtemp(prefix="binline-bench-", dir="/tmp"))
    home.chmod(0o755)
    made = postgres.prepare(home / "postgres")
    more = [word for option in options for word in ("-c", option)]
    child = programs.spawn(replace(made.program, argv=(*made.program.argv, *more)), home / "log")
    try:
        postgres.wait_until_up(made.dsn(database="postgres"), 60, gone=child)
        yield made
    finally:
        child.send_signal(made.program.stop_signal)
        child.wait(STOPS_WITHIN_S)
        shutil.rmtree(home, ignore_errors=True)


def _make_anew(server: Server) -> None:
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    postgres.ensure_database(server, NAME)
    with psycopg.connect(server.dsn(database=NAME)) as conn:
        migrate.migrate(conn)
        migrate.set_passwords(conn, dict.fromkeys(migrate.LOGIN_ROLES, PASSWORD))
