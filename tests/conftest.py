"""What the tests share: one real PostgreSQL for the run, a fresh database for each that asks."""

import contextlib
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
from psycopg.conninfo import make_conninfo

from cloud.embedded import postgres, programs
from cloud.postgres import migrate, timescale
from cloud.postgres.timescale import Store

PASSWORD = "for-tests-only"
TEMPLATE = "binline_template"
# The DSN of a superuser on a server of one's own, for instance one that has TimescaleDB.
SERVER_GIVEN = "BINLINE_TEST_DSN"

TESTS = Path(__file__).parent
# Whole files that start, kill and wait for real processes, or try thousands of cases: minutes.
SLOW = frozenset(
    (
        "cloud/embedded/test_broker.py",
        "cloud/embedded/test_postgres.py",
        "cloud/embedded/test_supervisor.py",
        "cloud/intake/test_jetstream.py",
        "cloud/intake/test_mqtt.py",
        "cloud/loops/test_ingest.py",
        "cloud/test_app.py",
        "counting/test_all_stories.py",
        "edge_agent/sqlite/test_salvage.py",
        "edge_agent/test_app.py",
        "edge_agent/transports/test_modbus_link.py",
        "power_cuts/test_power_cuts.py",
        "simulation/test_simulation.py",
        "year/test_lived.py",
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not shown is said, also to who does not ask for the reasons of skips."""
    skipped = terminalreporter.stats.get("skipped", [])
    without = sum("NO TIMESCALEDB:" in str(one.longrepr) for one in skipped)
    if without:
        terminalreporter.write_line(
            f"!!! NO TIMESCALEDB: {without} tests were skipped. Give a server that has it in"
            f" {SERVER_GIVEN}, see tests/README.md.",
            yellow=True,
        )


@dataclass(frozen=True)
class Database:
    """A migrated, empty database; `dsn(role)` logs in as one of the processes."""

    server: "Server"
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


@dataclass(frozen=True)
class GivenServer:
    """A server that was there before us, and that we may do with as we like: `SERVER_GIVEN`."""

    admin_dsn: str

    def dsn(
        self, user: str | None = None, password: str | None = None, database: str = "postgres"
    ) -> str:
        changes = {"dbname": database} | ({"user": user} if user else {})
        return make_conninfo(self.admin_dsn, **changes, **({"password": password} if user else {}))


Server = postgres.EmbeddedPostgres | GivenServer


def prepare_template(server: Server) -> Store:
    """The database that each test gets a copy of; in TimescaleDB, where a given server has it."""
    postgres.ensure_database(server, TEMPLATE)
    with psycopg.connect(server.dsn(database=TEMPLATE)) as conn:
        migrate.migrate(conn)
        migrate.set_passwords(conn, dict.fromkeys(migrate.LOGIN_ROLES, PASSWORD))
        if isinstance(server, GivenServer):
            with contextlib.suppress(timescale.NotPossible):
                timescale.adopt(conn)
        return timescale.store_of(conn)


@pytest.fixture(scope="session")
def postgres_server(public_tmp: Path) -> Iterator[Server]:
    given = os.environ.get(SERVER_GIVEN)
    if given:
        server = GivenServer(given)
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        prepare_template(server)
        yield server
    else:
        yield from _started(public_tmp / "postgres")


def _started(home: Path) -> Iterator[postgres.EmbeddedPostgres]:
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
        prepare_template(server)
        yield server
    finally:
        child.send_signal(program.stop_signal)
        child.wait(30)


@pytest.fixture(scope="session")
def make_database(postgres_server: Server) -> Callable[[str], Database]:
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
