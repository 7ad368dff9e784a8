"""How fast the store is read, each question beside the plain way of asking it, in one run.

    python -m tests.benchmarks.reads [--bins 100000] [--each 20] [--days 30]

Not a test: numbers depend on the machine, the ratios much less. With BINLINE_BENCH_DSN it runs on
that server instead of the wheel's, in TimescaleDB where the server has it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg

from cloud.postgres import asking, history, partitions, rollups, timescale, wall
from cloud.settings import Keeping
from tests.benchmarks.laid_out import SITE_BINS, lay_out
from tests.benchmarks.serving import NAME, PASSWORD, Server, fresh
from tests.conftest import GivenServer

CHARTED = 20  # bins with a whole month of readings
TIMES = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bins", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=20, help="readings of each bin")
    parser.add_argument("--days", type=int, default=30, help="at one reading a minute")
    chosen = parser.parse_args()
    with fresh() as server:
        with psycopg.connect(server.dsn(database=NAME)) as conn:
            if isinstance(server, GivenServer):
                with suppress(timescale.NotPossible):
                    timescale.adopt(conn)
            print(f"readings are kept as {timescale.store_of(conn).value}")  # noqa: T201
        measure(server, chosen.bins, chosen.each, chosen.days)


def measure(server: Server, bins: int, each: int, days: int) -> None:
    now = datetime.now(UTC)
    options = "-c search_path=binline,public -c timezone=UTC"
    with (
        psycopg.connect(server.dsn(database=NAME), autocommit=True, options=options) as admin,
        psycopg.connect(server.dsn("binline_jobs", PASSWORD, NAME), autocommit=True) as jobs,
        psycopg.connect(server.dsn("binline_portal", PASSWORD, NAME)) as portal,
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
    lay_out(admin, sites * SITE_BINS, now)
    admin.execute(_READINGS, [now, "1 minute", each, CHARTED + 1, sites * SITE_BINS])
    admin.execute(_READINGS, [now, "1 minute", days * 1440, 1, CHARTED])
    print(f"{sites * SITE_BINS:,} bins; {CHARTED} of them with {days * 1440:,} readings each")  # noqa: T201


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
