"""How fast the store is read, each question beside the plain way of asking it, in one run.

    python -m tests.benchmarks.reads [--bins 100000] [--each 20] [--days 30]

Not a test: numbers depend on the machine, the ratios much less. With BINLINE_BENCH_DSN it runs on
that server instead of the wheel's, in TimescaleDB where the server has it.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from cloud.embedded import postgres, programs
from cloud.postgres import asking, history, migrate, partitions, rollups, timescale, wall
from cloud.settings import Keeping
from tests.conftest import PASSWORD, GivenServer, Server

SITE_BINS = 100
CHARTED = 20  # bins with a whole month of readings
TIMES = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bins", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=20, help="readings of each bin")
    parser.add_argument("--days", type=int, default=30, help="at one reading a minute")
    chosen = parser.parse_args()
    with started() as server:
        with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as conn:
            conn.execute("DROP DATABASE IF EXISTS binline_bench WITH (FORCE)")
        postgres.ensure_database(server, "binline_bench")
        with psycopg.connect(server.dsn(database="binline_bench")) as conn:
            migrate.migrate(conn)
            migrate.set_passwords(conn, dict.fromkeys(migrate.LOGIN_ROLES, PASSWORD))
            if isinstance(server, GivenServer):
                with suppress(timescale.NotPossible):
                    timescale.adopt(conn)
            print(f"readings are kept as {timescale.store_of(conn).value}")  # noqa: T201
        measure(server, chosen.bins, chosen.each, chosen.days)


@contextmanager
def started() -> Iterator[Server]:
    if given := os.environ.get("BINLINE_BENCH_DSN"):
        yield GivenServer(given)
        return
    home = Path(tempfile.mkdtemp(prefix="binline-bench-", dir="/tmp"))
    home.chmod(0o755)
    server = postgres.prepare(home / "postgres")
    child = programs.spawn(server.program, home / "log")
    try:
        postgres.wait_until_up(server.dsn(database="postgres"), 60, gone=child)
        yield server
    finally:
        child.send_signal(server.program.stop_signal)
        child.wait(60)
        shutil.rmtree(home, ignore_errors=True)


def measure(server: Server, bins: int, each: int, days: int) -> None:
    now = datetime.now(UTC)
    options = "-c search_path=binline,public -c timezone=UTC"
    name = "binline_bench"
    with (
        psycopg.connect(server.dsn(database=name), autocommit=True, options=options) as admin,
        psycopg.connect(server.dsn("binline_jobs", PASSWORD, name), autocommit=True) as jobs,
        psycopg.connect(server.dsn("binline_portal", PASSWORD, name)) as portal,
    ):
        settle(admin, bins, each, days, now)
        if timescale.store_of(jobs) is timescale.Store.WEEKS:
            partitions.make_ahead(jobs, now, now - Keeping().readings)
        roll_up(admin, jobs, now)
        admin.execute("VACUUM ANALYZE")
        asking.as_operations(portal, "bench")
        portal.execute("SET statement_timeout = 0")
        charts(portal, days, now)
        levels(portal, admin, bins)


def settle(admin: psycopg.Connection, bins: int, each: int, days: int, now: datetime) -> None:
    sites = max(1, bins // SITE_BINS)
    for statement, values in (
        (_SITES, [sites]),
        (_SUPPLIERS, []),
        (_ITEMS, []),
        (_GATEWAYS, [sites]),
        (_BINS, [SITE_BINS, sites * SITE_BINS]),
        (_SENSORS, []),
        (_STREAMS, []),
        (_STATE, [now, now, now]),
        (_READINGS, [now, "1 minute", each, CHARTED + 1, sites * SITE_BINS]),
        (_READINGS, [now, "1 minute", days * 1440, 1, CHARTED]),
    ):
        admin.execute(statement, values)
    print(f"{sites * SITE_BINS:,} bins; {CHARTED} of them with {days * 1440:,} readings each")  # noqa: T201


_SITES = "INSERT INTO sites (name) SELECT 'site ' || n FROM generate_series(1, %s) n"
_SUPPLIERS = "INSERT INTO suppliers (name) SELECT 'supplier ' || n FROM generate_series(1, 20) n"
_ITEMS = """
INSERT INTO items (sku, name, unit_weight_ug)
SELECT 'sku ' || n, 'part ' || n, 1000000 FROM generate_series(1, 500) n
"""
_GATEWAYS = """
INSERT INTO gateways (name, site_id) SELECT 'gw-' || n, n FROM generate_series(1, %s) n
"""
_BINS = """
INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum)
SELECT 'B-' || n, (n - 1) / %s + 1, n %% 500 + 1, n %% 20 + 1, 'R' || n, 2000, 100
  FROM generate_series(1, %s) n
"""
_SENSORS = """
INSERT INTO sensors (gateway_id, name, bin_id)
SELECT site_id, 's' || bin_id, bin_id FROM bins ORDER BY bin_id
"""
_STREAMS = """
INSERT INTO streams (gateway_id, stream, first_heard_at)
SELECT gateway_id, gen_random_uuid(), now() FROM gateways ORDER BY 1
"""
_STATE = """
INSERT INTO bin_state (bin_id, sensor_id, heard_at, received_at, measured_at, weight_mg, stability,
                       quality, clock_trusted, stream_no, seq)
SELECT bin_id, sensor_id, %s, %s, %s, 1000000, 0, 0, true, gateway_id, 1 FROM sensors
"""
_READINGS = """
INSERT INTO readings (sensor_id, measured_at, stream_no, seq, received_at, weight_mg, stability,
                      quality, clock_trusted)
SELECT s, %s::timestamptz - n * %s::interval, (s - 1) / 100 + 1, n * 1000000::bigint + s, now(),
       1500000 - n %% 1000 * 1000 - s, 0, 0, true
  FROM generate_series(1, %s) n, generate_series(%s::int, %s) s
"""


def roll_up(admin: psycopg.Connection, jobs: psycopg.Connection, now: datetime) -> None:
    admin.execute(
        "INSERT INTO rollups_due SELECT date_trunc('hour', measured_at) AS hour,"
        " array_agg(DISTINCT sensor_id) FROM readings GROUP BY hour"
    )
    over = now.replace(minute=0, second=0, microsecond=0)
    began, hours, sensors = time.perf_counter(), 0, 0
    if timescale.store_of(jobs) is timescale.Store.COLUMNSTORE:
        admin.execute("TRUNCATE rollups_due")
        timescale.refresh(jobs, over - Keeping().accepted, over)
    while (count := rollups.keep_next(jobs, over)) is not None:
        hours, sensors = hours + 1, sensors + count
    took = time.perf_counter() - began
    print(f"{took:>9.1f} s     to roll up {hours:,} hours, {sensors:,} (sensor, hour)")  # noqa: T201


def charts(portal: psycopg.Connection, days: int, now: datetime) -> None:
    month = now - timedelta(days=days)
    beside(
        f"chart of {days} days, from the hours",
        lambda: history.by_hours(portal, 7, month, now),
        "the same from the readings, as a plain page would ask",
        lambda: portal.execute(
            "SELECT measured_at, weight_mg FROM portal_readings"
            " WHERE bin_id = 7 AND measured_at >= %s ORDER BY measured_at",
            (month,),
        ).fetchall(),
    )
    beside(
        "chart of 24 hours, by the minute",
        lambda: history.by_minutes(portal, 7, now - timedelta(days=1), now),
        "the newest 1,440 readings, without bounds",
        lambda: portal.execute(
            "SELECT * FROM portal_readings WHERE bin_id = 7 ORDER BY at DESC LIMIT 1440"
        ).fetchall(),
    )


def levels(portal: psycopg.Connection, admin: psycopg.Connection, bins: int) -> None:
    beside(
        f"the {SITE_BINS} levels of a site",
        lambda: portal.execute(
            "SELECT b.code, s.measured_at, s.weight_mg FROM bin_state s JOIN bins b USING (bin_id)"
            " WHERE b.site_id = 3"
        ).fetchall(),
        "DISTINCT ON of their readings",
        lambda: admin.execute(
            "SELECT DISTINCT ON (r.sensor_id) b.code, measured_at, weight_mg FROM readings r"
            " JOIN sensors USING (sensor_id) JOIN bins b USING (bin_id) WHERE b.site_id = 3"
            " ORDER BY r.sensor_id, measured_at DESC"
        ).fetchall(),
    )
    beside(
        f"all {bins:,} levels",
        lambda: portal.execute("SELECT bin_id, measured_at, weight_mg FROM bin_state").fetchall(),
        "DISTINCT ON of all readings",
        lambda: admin.execute(
            "SELECT DISTINCT ON (sensor_id) sensor_id, measured_at, weight_mg FROM readings"
            " ORDER BY sensor_id, measured_at DESC"
        ).fetchall(),
        times=3,
    )
    took, rows = timed(lambda: wall.all_bins(portal), 2)
    print(f"{took * 1e3:>9.1f} ms    the whole wall, {rows:,} bins with all a tile shows")  # noqa: T201


def beside(
    what: str,
    ours: Callable[[], list[object]],
    plainly: str,
    plain: Callable[[], list[object]],
    *,
    times: int = TIMES,
) -> None:
    fast, rows = timed(ours, times)
    slow, plain_rows = timed(plain, max(3, times // 5))
    print(f"{fast * 1e3:>9.1f} ms    {what}: {rows:,} rows")  # noqa: T201 - its whole purpose
    print(f"{slow * 1e3:>9.1f} ms    {plainly}: {plain_rows:,} rows, {slow / fast:.0f} times")  # noqa: T201


def timed(ask: Callable[[], list[object]], times: int) -> tuple[float, int]:
    """The median, and how many rows came; the first time warms up."""
    rows, took = len(ask()), []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took), rows


if __name__ == "__main__":
    main()
