"""What a proposal would do, from the bin's own past: the same for both sides."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.foresee import foresee
from cloud.core.agreements import Limit
from cloud.postgres import agreements, asking, usage
from tests.cloud.http.world import NOW, OPERATIONS, World

LOW = "LND-R04-B2"
DAY = timedelta(days=1)


@pytest.fixture
def bin_id(database: Any) -> int:
    """100 are used a day, for 40 days; a delivery takes two."""
    world = World(database).settle()
    world.weigh(LOW, 412)
    with database.admin() as admin:
        row = admin.execute("SELECT bin_id, item_id FROM bins WHERE code = %s", (LOW,)).fetchone()
        assert row is not None
        for day in range(41):
            kind, pieces = ("opening", 900) if day == 0 else ("usage", -100)
            at = NOW - (41 - day) * DAY
            admin.execute(
                "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces,"
                " after_pieces, event_at, confirmed_at, known_at, after_refs, because)"
                " VALUES (%s, %s, %s, %s, 5000, %s, %s, %s, %s, '{1,1,1,1}', '')",
                (*row, kind, pieces, 5000 + pieces, at, at, at),
            )
        admin.execute(
            "UPDATE item_suppliers SET lead_time_days = 2 WHERE item_id = %s AND supplier_id = 1",
            (row[1],),
        )
        return int(row[0])


def ask(conn: psycopg.Connection, bin_id: int, minimum: int) -> Any:
    there = agreements.bins_of(conn, supplier_id=1, site_id=1)
    before = [Limit(bin_id=bin_id, minimum=100, order_up_to=1_000)]
    after = [Limit(bin_id=bin_id, minimum=minimum, order_up_to=1_000)]
    return foresee(conn, there, before, after, NOW)


def test_both_sides_are_told_the_same_from_the_same_past(database: Any, bin_id: int) -> None:
    with database.connect("binline_portal") as conn:
        told = []
        for who in ("operations", "supplier"):
            with conn.transaction():
                if who == "operations":
                    asking.as_operations(conn, OPERATIONS)
                else:
                    asking.as_supplier(conn, 1)
                told.append(ask(conn, bin_id, 300))
                assert ask(conn, bin_id, 100) is None, "nothing is moved"
                with database.connect("binline_jobs") as jobs:
                    assert usage.demand_seen(conn, bin_id, 50, NOW) == usage.demand(
                        jobs, bin_id, 50, NOW
                    )
    one, other = told
    assert one == other
    assert (one.days, one.bins, one.bins_unknown) == (40, 1, 0)
    assert one.before_fill_per_mille < one.fill_per_mille == 1_000
    assert one.before_stock < one.stock


def test_where_too_little_is_known_nothing_is_foretold(database: Any, bin_id: int) -> None:
    with database.admin() as admin:
        admin.execute(
            "DELETE FROM movements WHERE kind = 'usage' OR event_at < %s", (NOW - 20 * DAY,)
        )
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, OPERATIONS)
        assert ask(conn, bin_id, 300) is None


def test_who_is_not_shown_levels_is_foretold_nothing(database: Any, bin_id: int) -> None:
    with database.admin() as admin:
        admin.execute(
            "INSERT INTO agreements (site_id, supplier_id) VALUES (1, 1);"
            "INSERT INTO agreement_versions (agreement_id, number, mode, draft_hours,"
            " escalate_after_hours, ownership, answer_hours, grace_hours, band_quantity_percent,"
            " band_postpone_days, band_limits_percent, shared, valid_from, proposed_by, author,"
            " because, agreed_at, accepted_by) VALUES (1, 1, 'auto', 24, 8, 'owned', 24, 24, 0, 0,"
            " 0, '{}', '2026-01-01', 'customer', 'ada', 'contract', now(), '')"
        )
    with database.connect("binline_portal") as conn:
        asking.as_supplier(conn, 1)
        assert ask(conn, bin_id, 300) is None
