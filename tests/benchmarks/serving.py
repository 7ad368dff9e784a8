"""A PostgreSQL of its own for one bench: started, migrated, and taken away again."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from cloud.embedded import postgres, programs
from cloud.postgres import migrate

PASSWORD = "for-tests-only"


@contextmanager
def server(*users: str, options: Sequence[str] = ()) -> Iterator[postgres.EmbeddedPostgres]:
    """`users` may log in with PASSWORD. fsync is on, as in earnest. `options` are of the server."""
    home = Path(tempfile.mkdtemp(prefix="binline-bench-", dir="/tmp"))
    home.chmod(0o755)
    made = postgres.prepare(home / "postgres")
    more = [word for option in options for word in ("-c", option)]
    child = programs.spawn(replace(made.program, argv=(*made.program.argv, *more)), home / "log")
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
