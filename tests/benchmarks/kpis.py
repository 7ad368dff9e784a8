"""How long KPIs of a quarter take, beside reckoning them from every movement at each look.

    python -m tests.benchmarks.kpis [--bins 1000] [--days 92] [--hours] [--told 1000]

Rows of a quarter lie in a real database: four movements a day and bin, an order for each refill;
with --hours an hour of readings for each hour of each bin, too (two million of them for a thousand
bins). Beyond --told bins the others have copies of their days, weeks and orders, and no movement:
so ten thousand are looked at without laying out four million. Days are added up as whoever keeps
the store does, and the page is asked for through the door. Not a test: numbers depend on the
machine, the ratio in the same run much less.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
from fastapi.testclient import TestClient

from cloud.actions.measure import measure
from cloud.actions.review import review
from cloud.actions.sum_days import go_on, sum_marked
from cloud.core import kpis
from cloud.core.asked import Asked, Group
from cloud.core.kpis import Since
from cloud.core.quarters import quarter_of
from cloud.core.trust import INTERVALS_UNTIL_STALE
from cloud.http.site import make_site
from cloud.postgres import asking, pools, users
from tests.benchmarks.laid_out import lay_out
from tests.benchmarks.parameters import processor_s
from tests.benchmarks.serving import NAME, Server, best_s, fresh
from tests.benchmarks.serving import PASSWORD as DATABASE_PASSWORD
from tests.cloud.http.world import OPERATIONS, PASSWORD, PASSWORD_HASH, SETTINGS

DAY = timedelta(days=1)
NOW = datetime(2026, 12, 31, 15, 20, tzinfo=UTC)
PAGE_S = 1.0  # what a page of a thousand bins may take
TIMES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bins", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=92)
    parser.add_argument("--hours", action="store_true", help="hours of readings, too")
    parser.add_argument("--told", type=int, default=1_000, help="bins with movements of their own")
    chosen = parser.parse_args()
    with fresh() as server:
        run(server, chosen.bins, chosen.days, min(chosen.told, chosen.bins), hours=chosen.hours)


def run(server: Server, bins: int, days: int, told_of: int, *, hours: bool) -> None:
    options = "-c search_path=binline,public -c timezone=UTC"
    from_at = datetime.combine((NOW - (days - 1) * DAY).date(), datetime.min.time(), UTC)
    with psycopg.connect(server.dsn(database=NAME), autocommit=True, options=options) as admin:
        settle(admin, bins, days, told_of, hours=hours)
        add_up(server)
        if told_of < bins:
            for statement in _COPIES:
                admin.execute(statement, {"told": told_of})
        admin.execute("VACUUM ANALYZE")
        users.add(admin, email=OPERATIONS, password_hash=PASSWORD_HASH, role="operations")
    with psycopg.connect(server.dsn("binline_portal", DATABASE_PASSWORD, NAME)) as portal:
        asking.as_operations(portal, "bench")
        portal.execute("SET statement_timeout = 0")
        plain = best_s(lambda: plainly(portal, from_at, NOW), 1) * bins / told_of
        for group in Group:
            asked = Asked(from_at=from_at, to_at=NOW, group=group)
            told(portal, f"by {group.value}", lambda asked=asked: measure(portal, asked), plain)
        quarter = quarter_of(NOW.date())
        told(portal, "a supplier's review", lambda: review(portal, 2, quarter, NOW), plain)
        said = "every movement and hour, as it was, and no order"
        print(f"{plain * 1e3:>9.0f} ms    {said}; of {told_of:,} bins, times {bins // told_of}")  # noqa: T201
    pages(server, from_at)


def told(conn: psycopg.Connection, what: str, ask: Callable[[], object], plain_s: float) -> None:
    """On the wall, and what it takes of a processor: the program's own, and its backend's."""
    took_s = best_s(ask, TIMES)
    own, theirs = time.process_time(), processor_s(conn.info.backend_pid)
    ask()
    own, theirs = time.process_time() - own, processor_s(conn.info.backend_pid) - theirs
    print(  # noqa: T201
        f"{took_s * 1e3:>9.0f} ms    {what}, {plain_s / took_s:.0f} times;"
        f" {own + theirs:.2f} s of one core, {theirs:.2f} s of it the database"
    )


def settle(admin: psycopg.Connection, bins: int, days: int, told_of: int, *, hours: bool) -> None:
    began = time.perf_counter()
    first = NOW - days * DAY
    lay_out(admin, bins, NOW)
    for statement, values in (
        ("INSERT INTO item_prices SELECT item_id, 100 * item_id, 'EUR' FROM items", []),
        ("ALTER TABLE movements DISABLE TRIGGER movements_mark_days", []),
        (_MOVEMENTS, [first, first, first, days * 4, told_of]),
        ("ALTER TABLE movements ENABLE TRIGGER movements_mark_days", []),
        (_DUE, []),
        (_BREACHES, []),
        (_BREACHES_TOO, {"told": told_of}),
        (_ORDERS, []),
        (_EVENTS, []),
        *([(_HOURS, [first, first, first, days * 24])] if hours else []),
    ):
        admin.execute(statement, values)
    counted = {
        table: admin.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("movements", "orders", "rollups")
    }
    admin.execute("VACUUM ANALYZE")
    took = time.perf_counter() - began
    print(f"{took:>9.1f} s     to lay out {bins:,} bins: {counted}")  # noqa: T201


# Forty takes and a refill, at times and in sizes that differ from bin to bin; the fortieth empties.
_MOVEMENTS = """
INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces, event_at,
                       confirmed_at, known_at, after_refs, because)
SELECT bin_id, item_id,
       CASE WHEN n = 0 THEN 'opening' WHEN p = 0 THEN 'refill' ELSE 'usage' END,
       CASE WHEN n = 0 THEN 0 WHEN p = 0 THEN 40 * q ELSE -q END,
       CASE WHEN n = 0 THEN 40 * q WHEN p = 0 THEN 0 ELSE (41 - p) * q END, (40 - p) * q,
       %s::timestamptz + at, %s::timestamptz + at, %s::timestamptz + at, '{1,1,1,1}', ''
  FROM bins, generate_series(0, %s) n,
       LATERAL (SELECT n %% 41 AS p, 1 + bin_id %% 30 AS q,
                       n * interval '6 hours' + (n * bin_id) %% 300 * interval '1 minute' AS at) x
 WHERE bin_id <= %s
"""
_DUE = "INSERT INTO bin_days_due SELECT bin_id, min(event_at) FROM movements GROUP BY bin_id"
_BREACHES = """
INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, closed_at, closed_pieces,
                      cycle)
SELECT bin_id, event_at - interval '30 hours', 5, 0, event_at, after_pieces,
       row_number() OVER (PARTITION BY bin_id ORDER BY event_at)
  FROM movements WHERE kind = 'refill'
"""
_LIKE = "JOIN bins b ON b.bin_id > %(told)s AND (b.bin_id - 1) %% %(told)s + 1 = t.bin_id"
_BREACHES_TOO = f"""
INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, closed_at, closed_pieces,
                      cycle)
SELECT b.bin_id, opened_at, opened_pieces, lowest_pieces, closed_at, closed_pieces, cycle
  FROM breaches t {_LIKE}
"""
_COPIES = (
    f"""
INSERT INTO bin_days
SELECT b.bin_id, day, b.supplier_id, b.item_id, upto_at, window_ms, known_ms, empty_ms,
       piece_hours, stock_outs, resumed_empty, held, used, filled, counts, count_hits, counted,
       counted_off, counted_net, heard_at FROM bin_days t {_LIKE}
""",
    f"""
INSERT INTO bin_periods
SELECT b.bin_id, period, first, b.supplier_id, b.item_id, last_day, upto_at, window_ms, known_ms,
       empty_ms, piece_hours, stock_outs, resumed_empty, held, used, filled, counts, count_hits,
       counted, counted_off, counted_net FROM bin_periods t {_LIKE}
""",
    f"""
INSERT INTO bin_weeks
SELECT b.bin_id, week, b.supplier_id, b.item_id, used, seen, lead_weeks, forecast, square, said_at
  FROM bin_weeks t {_LIKE}
""",
)
_ORDERS = """
WITH made AS (
    SELECT gen_random_uuid() AS order_id, br.*, b.site_id, b.item_id, b.supplier_id
      FROM breaches br JOIN bins b USING (bin_id)),
orders AS (
    INSERT INTO orders (order_id, supplier_id, site_id, state, because, drafted_at, sent_at,
                        answered_at, received_at, ended_at)
    SELECT order_id, supplier_id, site_id, 'closed', '', opened_at, opened_at,
           opened_at + bin_id %% 100 * interval '1 minute', closed_at, closed_at FROM made)
INSERT INTO order_lines (order_id, number, bin_id, item_id, breach_id, cycle, ordinal, asked,
                         quantity, shipped, received, because, evidence)
SELECT order_id, 1, bin_id, item_id, breach_id, cycle, 1, closed_pieces, closed_pieces,
       closed_pieces, closed_pieces, '', '{}' FROM made
"""
_EVENTS = """
INSERT INTO order_events (order_id, at, event, actor)
SELECT order_id, sent_at, event, 'binline' FROM orders,
       unnest(ARRAY['sent', 'acknowledged', 'closed']) AS event
"""
_HOURS = """
INSERT INTO rollups (sensor_id, hour, readings, conditions, heard_first_at, heard_last_at, weights)
SELECT sensor_id, date_trunc('hour', %s + n * interval '1 hour'), 60, 0,
       date_trunc('hour', %s + n * interval '1 hour'),
       date_trunc('hour', %s + n * interval '1 hour') + interval '59 min', 60
  FROM generate_series(0, %s) n, sensors
 WHERE (n + sensor_id * 7) %% 500 > 5
"""


def add_up(server: Server) -> None:
    with psycopg.connect(
        server.dsn("binline_jobs", DATABASE_PASSWORD, NAME), autocommit=True
    ) as jobs:
        began, count = time.perf_counter(), 0
        while done := sum_marked(jobs, NOW):
            count += done
        took = time.perf_counter() - began
        print(f"{took:>9.1f} s     to add up all days of {count:,} bins, once")  # noqa: T201
        later = NOW + timedelta(hours=1, minutes=5)
        began = time.perf_counter()
        go_on(jobs, later)
        while sum_marked(jobs, later):
            pass
        took = time.perf_counter() - began
        print(f"{took:>9.1f} s     to add up today again, of each of them")  # noqa: T201


def plainly(conn: psycopg.Connection, from_at: datetime, to_at: datetime) -> int:
    """Every movement and every hour at each look: how KPIs were measured before days were kept."""
    moved, silent, used = defaultdict(list), defaultdict(list), defaultdict(int)
    for bin_id, kind, pieces, after, at in conn.execute(_PLAIN_MOVED, (from_at, from_at, to_at)):
        moved[bin_id].append(Since(at=max(from_at, at), pieces=after))
        if kind in {"usage", "put_back"} and at >= from_at:
            used[bin_id] -= pieces
    values = {"from": from_at, "to": to_at, "intervals": INTERVALS_UNTIL_STALE}
    for bin_id, begun, ended in conn.execute(_PLAIN_SILENCES, values):
        silent[bin_id].append((max(from_at, begun), min(to_at, ended)))
    outs = 0
    for bin_id, levels in moved.items():
        known = kpis.without_silences(levels, silent[bin_id], from_at)
        outs += kpis.availability(known, to_at).stock_outs
        kpis.empty_times(known, to_at)
    return outs


_PLAIN_MOVED = """
SELECT bin_id, kind, pieces, after_pieces, event_at AS at FROM
 (SELECT DISTINCT ON (bin_id) bin_id, kind, pieces, after_pieces, event_at, movement_id
    FROM movements WHERE replaced_at IS NULL AND event_at < %s
   ORDER BY bin_id, event_at DESC, movement_id DESC) before
UNION ALL
SELECT bin_id, kind, pieces, after_pieces, event_at FROM movements
 WHERE replaced_at IS NULL AND event_at >= %s AND event_at < %s ORDER BY at
"""
_PLAIN_SILENCES = """
SELECT bin_id, stale_at, next_at FROM
 (SELECT r.bin_id, r.heard_last_at + %(intervals)s * b.interval_s * interval '1 s' AS stale_at,
         lead(r.heard_first_at) OVER (PARTITION BY r.bin_id ORDER BY r.hour) AS next_at
    FROM portal_rollups r JOIN bins b USING (bin_id)
   WHERE r.hour >= %(from)s - interval '7 days' AND r.hour < %(to)s) heard
 WHERE next_at > stale_at AND next_at > %(from)s
"""


def pages(server: Server, from_at: datetime) -> None:
    def dsn(role: str) -> str:
        return server.dsn(role, DATABASE_PASSWORD, NAME)

    with (
        pools.make_pool(dsn("binline_portal"), name="portal", size_max=4) as portal_pool,
        pools.make_pool(dsn("binline_auth"), name="auth", size_max=2) as auth_pool,
    ):
        site = make_site(SETTINGS, portal_pool, auth_pool, now=lambda: NOW)
        client = TestClient(site, headers={"origin": "http://testserver", "accept": "text/html"})
        client.post("/login", data={"email": OPERATIONS, "password": PASSWORD})
        for path in (
            f"/kpis?from={from_at.date()}",
            f"/kpis?from={from_at.date()}&group=item",
            f"/kpis?from={from_at.date()}&group=month",
            f"/kpis/bins?from={from_at.date()}&name=site+1",
            "/review?supplier=supplier+2&quarter=2026Q4",
            "/review.pdf?supplier=supplier+2&quarter=2026Q4",
        ):
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text[:500])
            took = best_s(lambda path=path: client.get(path), 3)
            print(f"{took * 1e3:>9.0f} ms    {path}: {took / PAGE_S:.2f} of {PAGE_S:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
