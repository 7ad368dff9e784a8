"""What the tests share: one real PostgreSQL for the run, a fresh database for each that asks."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

from cloud.embedded import postgres, programs
from cloud.postgres import migrate

PASSWORD = "for-tests-only"
TEMPLATE = "binline_template"

TESTS = Path(__file__).parent
# Whole files that start, kill and wait for real processes: minutes together.
SLOW = frozenset(
    (
        "cloud/embedded/test_broker.py",
        "cloud/embedded/test_postgres.py",
        "cloud/embedded/test_supervisor.py",
        "cloud/loops/test_ingest.py",
        "cloud/test_app.py",
        "edge_agent/test_app.py",
        "edge_agent/transports/test_modbus_link.py",
    )
)

# How long one example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("binline", deadline=None)
hypothesis.settings.load_profile("binline")


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: their driver leaves an event loop running in the process."""
    for item in items:
        if item.path.relative_to(TESTS).as_posix() in SLOW:
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@dataclass(frozen=True)
class Database:
    """A migrated, empty database; `dsn(role)` logs in as one of the processes."""

    server: postgres.EmbeddedPostgres
    name: str

    def dsn(self, role: str) -> str:
        return self.server.dsn(role, PASSWORD, self.name)

    def admin_dsn(self) -> str:
        return self.server.dsn(database=self.name)

    def connect(self, role: str) -> psycopg.Connection:
        return psycopg.connect(self.dsn(role))

    def admin(self) -> psycopg.Connection:
        """Sees and changes everything: to arrange and to check, never for the thing under test."""
        return psycopg.connect(
            self.admin_dsn(), autocommit=True, options="-c search_path=binline -c timezone=UTC"
        )


@pytest.fixture(scope="session")
def public_tmp() -> Iterator[Path]:
    """A folder that the account PostgreSQL runs as may enter; pytest's own is closed to it."""
    path = Path(tempfile.mkdtemp(prefix="binline-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(public_tmp: Path) -> Iterator[postgres.EmbeddedPostgres]:
    home = public_tmp / "postgres"
    server = postgres.prepare(home)
    # Tests prove what the SQL does; what a power cut does is proven elsewhere, with fsync on.
    program = programs.Program(
        name="postgres",
        argv=(*server.program.argv, "-c", "fsync=off"),
        account=server.program.account,
        stop_signal=server.program.stop_signal,
    )
    child = programs.spawn(program, home / "log")
    try:
        postgres.wait_until_up(server.dsn(database="postgres"), 60, gone=child)
        postgres.ensure_database(server, TEMPLATE)
        with psycopg.connect(server.dsn(database=TEMPLATE)) as conn:
            migrate.migrate(conn)
            migrate.set_passwords(conn, dict.fromkeys(migrate.LOGIN_ROLES, PASSWORD))
        yield server
    finally:
        child.send_signal(program.stop_signal)
        child.wait(30)


@pytest.fixture(scope="session")
def make_database(postgres_server: postgres.EmbeddedPostgres) -> Callable[[str], Database]:
    def make(name: str) -> Database:
        with psycopg.connect(postgres_server.dsn(database="postgres"), autocommit=True) as conn:
            conn.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(TEMPLATE)
                )
            )
        return Database(postgres_server, name)

    return make


@pytest.fixture
def database(make_database: Callable[[str], Database]) -> Database:
    """Empty and migrated, made anew for each test: a few tens of milliseconds."""
    return make_database(f"test_{os.getpid()}")
