"""How long the nightly estimate takes, from the database and back into it.

    python -m tests.benchmarks.parameters [--bins 10000] [--days 364] [--weeks-of-readings 52]

Bins are used on some days and not on others, from daily to a few times a year, and filled when they
run low; some run empty. Readings lie beside them, for as far back as readings are kept, because
silences are looked up there. What is printed is the processor's time of one estimate on one
connection, the program's own and that of its backend in the database, and beside it the plain way:
the demand of a hundred bins asked for one by one, as often as there are bins.

Not a test: numbers depend on the machine. The limit that was set is a minute for 10,000 bins.
"""

import argparse
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from cloud.actions.estimate_parameters import DAYS, estimate_parameters
from cloud.embedded import postgres
from cloud.postgres import partitions, usage
from tests.benchmarks.serving import PASSWORD, server
from tests.cloud import ingest_cases

SENSORS = 500  # of one gateway
PLAINLY = 100
_MOVEMENTS = """
INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces, event_at,
                       confirmed_at, known_at, after_refs, because)
SELECT b.bin_id, b.item_id, t.kind, t.pieces, 500 - least(0, t.pieces),
       500 - least(0, t.pieces) + t.pieces, t.at, t.at, t.at, '{1,1,1,1}', ''
  FROM bins b, LATERAL (
    SELECT 'opening' AS kind, 900 AS pieces, %(now)s - (%(days)s + 3) * interval '1 day' AS at
    UNION ALL
    SELECT 'usage', -(1 + (random() * 20)::int), %(now)s - day * interval '1 day'
      FROM generate_series(1, %(days)s) day
     WHERE random() < 0.02 + 0.9 * (b.bin_id %% 100) / 100.0
    UNION ALL
    SELECT 'refill', 400, %(now)s - (day * interval '1 day' + interval '3 hours')
      FROM generate_series(30, %(days)s, 30) day) t
"""
_READINGS = """
INSERT INTO readings (sensor_id, measured_at, stream_no, seq, received_at, weight_mg, stability,
                      quality, clock_trusted)
SELECT s.sensor_id, %(now)s - n * interval '1 day', 1, s.sensor_id * 1000 + n, %(now)s, 1000,
       0, 0, true
  FROM sensors s, generate_series(1, %(days)s) n
"""
# As whoever keeps the store adds them up; estimates look in them for what was heard.
_BIN_DAYS = """
INSERT INTO bin_days (bin_id, day, supplier_id, item_id, upto_at, window_ms, known_ms, empty_ms,
                      piece_hours, stock_outs, resumed_empty, held, used, filled, counts,
                      count_hits, counted, counted_off, counted_net, heard_at)
SELECT bin_id, day, supplier_id, item_id, day + interval '1 day', 86400000, 86400000, 0, 9600, 0,
       false, 400, 0, 0, 0, 0, 0, 0, 0, day + interval '2 hours'
  FROM bins, generate_series(date_trunc('day', %(now)s) - %(days)s * interval '1 day',
                             date_trunc('day', %(now)s), interval '1 day') day
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bins", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--weeks-of-readings", type=int, default=52)
    chosen = parser.parse_args()
    with server("binline_jobs") as made:
        measure(made, chosen)


def measure(made: postgres.EmbeddedPostgres, chosen: argparse.Namespace) -> None:
    now = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0)
    options = "-c search_path=binline -c timezone=UTC -c statement_timeout=0"
    with (
        psycopg.connect(made.dsn(), autocommit=True, options=options) as admin,
        psycopg.connect(made.dsn("binline_jobs", PASSWORD), autocommit=True) as jobs,
    ):
        fill(admin, jobs, chosen, now)
        (moved,) = admin.execute("SELECT count(*) FROM movements").fetchone() or (0,)
        print(f"{chosen.bins:,} bins, {moved:,} movements in {chosen.days} days")  # noqa: T201
        backend = jobs.info.backend_pid
        began, own, theirs = time.monotonic(), time.process_time(), processor_s(backend)
        done = estimate_parameters(jobs, now)
        took, own = time.monotonic() - began, time.process_time() - own
        theirs = processor_s(backend) - theirs
        print(  # noqa: T201
            f"estimated {done.bins:,}, of which {done.learning:,} learn: {own + theirs:.1f} s of"
            f" one core ({own:.1f} s the program, {theirs:.1f} s the database),"
            f" {took:.1f} s on the wall"
        )
        ids = [
            number for (number,) in admin.execute("SELECT bin_id FROM bins LIMIT %s", (PLAINLY,))
        ]
        before = processor_s(backend)
        for bin_id in ids:
            usage.demand(jobs, bin_id, chosen.days, now)
        plainly = (processor_s(backend) - before) * chosen.bins / len(ids)
        print(f"one statement per bin would take the database {plainly:.0f} s")  # noqa: T201


def processor_s(pid: int) -> float:
    """What a process has had of the processor so far: its backend runs on this machine, too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(
    admin: psycopg.Connection, jobs: psycopg.Connection, chosen: argparse.Namespace, now: datetime
) -> None:
    gateways = max(1, chosen.bins // SENSORS)
    for number in range(gateways):
        ingest_cases.make_site(admin, f"bench-{number}", chosen.bins // gateways)
    admin.execute("UPDATE bins SET capacity = 2000, minimum = 300")
    for week in range(chosen.weeks_of_readings + 1):
        partitions.make_ahead(jobs, now - timedelta(weeks=week), now)
    admin.execute(
        "INSERT INTO streams (gateway_id, stream, first_heard_at)"
        " SELECT min(gateway_id), gen_random_uuid(), now() FROM gateways"
    )
    admin.execute(_READINGS, {"now": now, "days": chosen.weeks_of_readings * 7})
    admin.execute(_MOVEMENTS, {"now": now, "days": chosen.days})
    admin.execute("SET session_replication_role = replica")  # none of a million keys is looked up
    admin.execute(_BIN_DAYS, {"now": now, "days": chosen.days})
    admin.execute("RESET session_replication_role")
    admin.execute(
        "INSERT INTO bin_levels (bin_id, pieces, level_at) SELECT bin_id, 400, %s FROM bins", (now,)
    )
    admin.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    main()
