"""How long the list of what needs a person takes, beside looking at every bin, in one run.

    python -m tests.benchmarks.cases [--bins 20000]

Of the bins a twentieth is low and on order, as many have an order on its way that goes as it
should, and each has decisions and a count of its past; one in a hundred has something that needs a
person. Then the worst day: every gateway is away. Not a test: numbers depend on the machine, the
ratios much less.
"""

import argparse
from datetime import UTC, datetime

import psycopg

from cloud.actions.look_for_cases import look_at, look_for_cases
from cloud.http import views
from cloud.postgres import asking, wall
from cloud.postgres.cases import candidates
from tests.benchmarks.laid_out import lay_out
from tests.benchmarks.serving import NAME, PASSWORD, Server, best_s, fresh

NOW = datetime(2026, 12, 31, 15, 20, tzinfo=UTC)
TIMES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bins", type=int, default=20_000)
    chosen = parser.parse_args()
    with fresh() as server:
        run(server, chosen.bins)


def run(server: Server, bins: int) -> None:
    options = "-c search_path=binline,public -c timezone=UTC"
    with psycopg.connect(server.dsn(database=NAME), autocommit=True, options=options) as admin:
        settle(admin, bins)
        with psycopg.connect(server.dsn("binline_portal", PASSWORD, NAME)) as portal:
            asking.as_operations(portal, "bench")
            portal.execute("SET statement_timeout = 0")
            compare(portal, "one bin in a hundred needs a person")
        admin.execute("UPDATE bin_state SET heard_at = heard_at - interval '1 day'")
        admin.execute("UPDATE gateways SET presence = 'offline', presence_at = %s", [NOW])
        admin.execute("VACUUM ANALYZE bin_state")
        with psycopg.connect(server.dsn("binline_portal", PASSWORD, NAME)) as portal:
            asking.as_operations(portal, "bench")
            portal.execute("SET statement_timeout = 0")
            compare(portal, "every gateway is away")


def compare(portal: psycopg.Connection, what: str) -> None:
    every = [row[0] for row in portal.execute("SELECT bin_id FROM bins").fetchall()]
    found = look_for_cases(portal, NOW).cases.open
    assert found == look_at(portal, every, NOW).cases.open, "one of them has overlooked something"
    closer = candidates(portal, NOW)
    said = f"{len(found):,} cases, {len(closer):,} of {len(every):,} bins looked at more closely"
    print(f"{what}: {said}")  # noqa: T201
    plain = best_s(lambda: look_at(portal, every, NOW), TIMES)
    for name, ask in (
        ("which bins can have one", lambda: candidates(portal, NOW)),
        ("the list", lambda: look_for_cases(portal, NOW)),
        ("every bin looked at", lambda: look_at(portal, every, NOW)),
        ("the wall's tiles", lambda: [views.tile_of(row, NOW) for row in wall.all_bins(portal)]),
    ):
        took = best_s(ask, TIMES)
        print(f"{took * 1e3:>9.0f} ms    {name}, {plain / took:.1f} times")  # noqa: T201


def settle(admin: psycopg.Connection, bins: int) -> None:
    lay_out(admin, bins, NOW)
    for statement, values in (
        ("UPDATE gateways SET presence = 'online'", []),
        (_LEVELS, [NOW, NOW]),
        ("UPDATE bin_state SET condition = 'overload' WHERE bin_id %% 100 = 7", []),
        (_DECISIONS, [NOW]),
        (_COUNTS, [NOW, NOW]),
        (_BREACHES, [NOW]),
        (_ORDERS, [NOW, NOW, NOW, NOW]),
        (_LINES, [NOW]),
    ):
        admin.execute(statement, values)
    admin.execute("VACUUM ANALYZE")


_LEVELS = """
INSERT INTO bin_levels (bin_id, pieces, exact, level_at, plateau_since, followed_at, usage_per_day,
                        usage_sd, usage_days)
SELECT bin_id, 1000, true, %s, %s::timestamptz - interval '1 hour', NULL, 40, 5, 28 FROM bins
"""
_DECISIONS = """
INSERT INTO decisions (bin_id, at, policy, version, inputs, outcome, because, sameness)
SELECT bin_id, %s::timestamptz - n * interval '1 day', 'min_max', 1, '{}', 'wait', 'enough', n::text
  FROM bins, generate_series(1, 12) n
"""
_COUNTS = """
INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)
SELECT bin_id, item_id, 'cycle', 900, %s::timestamptz - interval '9 days', %s, 'ada', 'turn'
  FROM bins
"""
_BREACHES = """
INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, cycle)
SELECT bin_id, %s::timestamptz - interval '5 hours', 90, 90, 1 FROM bins WHERE bin_id %% 20 = 1
"""
_ORDERS = """
INSERT INTO orders (site_id, supplier_id, because, drafted_at, sent_at, answered_at, due_at, state,
                    drafted_by)
SELECT site_id, supplier_id, 'low', %s, %s::timestamptz - interval '5 hours', %s,
       %s::timestamptz + interval '3 days', 'confirmed', bin_id::text
  FROM bins WHERE bin_id %% 10 = 1
"""
_LINES = """
INSERT INTO order_lines (order_id, number, bin_id, item_id, cycle, ordinal, asked, quantity,
                         promised_at, because, evidence)
SELECT order_id, 1, bin_id, item_id, 1, 1, 900, 900, %s::timestamptz + interval '3 days', 'low',
       '{}' FROM orders o JOIN bins b ON b.bin_id::text = o.drafted_by
"""

if __name__ == "__main__":
    main()
