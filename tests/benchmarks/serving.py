"""A PostgreSQL of its own for one bench: started, migrated, and taken away again."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from cloud.embedded import postgres, programs
from cloud.postgres import migrate

PASSWORD = "for-tests-only"


@contextmanager
def server(*users: str) -> Iterator[postgres.EmbeddedPostgres]:
    """`users` may log in with PASSWORD. fsync is on, as in earnest."""
    home = Path(tempfile.mkdtemp(prefix="binline-bench-", dir="/tmp"))
    home.chmod(0o755)
    made = postgres.prepare(home / "postgres")
    child = programs.spawn(made.program, home / "log")
    try:
        postgres.wait_until_up(made.dsn(database="postgres"), 60, gone=child)
        postgres.ensure_database(made)
        with psycopg.connect(made.dsn()) as conn:
            migrate.migrate(conn)
            migrate.set_passwords(conn, dict.fromkeys(users, PASSWORD))
        yield made
    finally:
        child.send_signal(made.program.stop_signal)
        child.wait(30)
        shutil.rmtree(home, ignore_errors=True)
