"""What one supplier can see of another: nothing. Held to the catalogue, so a new table is noticed.

A table that is added without row level security, a right that is granted in passing, a view that
forgets the filter: each fails a test here, by name, before anybody has to think of it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from cloud.postgres import asking, migrate, pools, timescale, wall
from cloud.postgres.timescale import Store

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

# The tables without row level security, and why. No portal role has any right on them.
WITHOUT_ROW_SECURITY = {
    "readings": "COPY is refused under it; portals read the view portal_readings",
    "streams": "joined by that view alone, and names no supplier",
    "ledger": "bookkeeping of ingest",
    "dead_letters": "whoever settles them sees all; no portal right",
    "dead_letter_counts": "as dead_letters",
    "clock_steps": "bookkeeping of ingest",
    "readings_aside": "as readings",
    "readings_kept": "bookkeeping of whoever keeps the store",
    "rollups": "portals read the view portal_rollups, which may read an aggregate instead",
    "rollups_due": "bookkeeping of whoever keeps the store",
    "follow_due": "bookkeeping of ingest",
    "bin_tracks": "bookkeeping of whoever follows bins",
    "checkpoints": "bookkeeping of whoever follows bins",
    "bin_days_due": "bookkeeping of whoever keeps the store",
}
# What runs with the rights of the owner of all tables: only this, and only for these.
RUN_AS_OWNER = {
    Store.WEEKS: {"readings_drop", "readings_make_week", "readings_weeks_wanted"},
    Store.HYPERTABLE: {"readings_drop"},
    Store.COLUMNSTORE: {"readings_drop", "readings_pack"},
}
# Beside these the triggers that remember what changed, or have it looked at; nobody may call them.
REMEMBER = {
    "agreement_holds",
    "ask_operations",
    "bin_days_mark",
    "bins_follow",
    "bins_follow_no_longer",
    "bins_remember",
    "items_remember",
    "note_change",
    "sensors_remember",
}
VIEWS = ("portal_calibrations", "portal_readings", "portal_rollups")

# What a supplier is meant to see of its own; everywhere else it sees nothing at all.
SUPPLIER_SEES = {
    "agreements",
    "agreement_versions",
    "agreement_limits",
    "agreement_proposals",
    "agreement_proposal_limits",
    "customers",
    "sites",
    "places",
    "item_suppliers",
    "bin_items",
    "changes",
    "portal_calibrations",
    "suppliers",
    "supplier_channels",
    "items",
    "bins",
    "bin_state",
    "bin_levels",
    "bin_days",
    "bin_periods",
    "bin_weeks",
    "movements",
    "breaches",
    "orders",
    "order_acts",
    "order_events",
    "order_evidence",
    "order_lines",
    "order_receipts",
    "supplier_calendars",
    "notices",
    "attempts",
    "portal_readings",
    "portal_rollups",
}

# Every right of every log-in. A change here is a change of who may do what: say so in the commit.
RIGHTS = {
    "binline_auth": {
        "login_failures": "DELETE INSERT SELECT",
        "sessions": "DELETE INSERT SELECT UPDATE",
        "users": "INSERT SELECT UPDATE",
    },
    "binline_ingest": {
        "bin_due": "INSERT SELECT",
        "bin_state": "INSERT SELECT UPDATE",
        "bins": "SELECT",
        "clock_steps": "INSERT SELECT UPDATE(todo_from)",
        "dead_letter_counts": "INSERT SELECT UPDATE",
        "dead_letters": "INSERT",
        "follow_due": "INSERT",
        "gateways": "SELECT UPDATE(backlog_batches,presence,presence_at,shed_at,shed_messages,"
        "twin_held,twin_kept,twin_since,version)",
        "ledger": "INSERT SELECT UPDATE(gap_because,given_up)",
        "readings": "INSERT SELECT UPDATE(corrected_at)",
        "readings_aside": "DELETE INSERT SELECT",
        "rollups_due": "INSERT",
        "sensors": "INSERT SELECT",
        "streams": "INSERT SELECT UPDATE",
    },
    "binline_jobs": {
        "agreement_limits": "SELECT",
        "agreement_proposal_limits": "SELECT",
        "agreement_proposals": "SELECT",
        "agreement_versions": "SELECT",
        "agreements": "SELECT",
        "attempts": "DELETE INSERT SELECT",
        "bin_days": "DELETE INSERT SELECT UPDATE",
        "bin_days_due": "DELETE INSERT SELECT",
        "bin_due": "DELETE INSERT SELECT UPDATE",
        "bin_follow": "DELETE INSERT SELECT UPDATE",
        "bin_items": "SELECT",
        "bin_levels": "DELETE INSERT SELECT UPDATE",
        "bin_parameters": "DELETE INSERT SELECT UPDATE",
        "bin_periods": "DELETE INSERT SELECT UPDATE",
        "bin_policies": "SELECT UPDATE(parameters)",
        "bin_sensors": "SELECT",
        "bin_state": "DELETE SELECT UPDATE(changed_xid)",
        "bin_tracks": "DELETE INSERT SELECT UPDATE",
        "bin_watches": "INSERT SELECT UPDATE",
        "bin_weeks": "DELETE INSERT SELECT UPDATE",
        "bins": "SELECT UPDATE(margin,minimum,order_up_to)",
        "breaches": "INSERT SELECT UPDATE",
        "checkpoints": "DELETE INSERT SELECT UPDATE",
        "clock_steps": "SELECT",
        "counts": "INSERT SELECT",
        "customers": "SELECT",
        "dead_letter_counts": "SELECT UPDATE",
        "dead_letters": "DELETE SELECT UPDATE(settled,settled_at,settled_by)",
        "decisions": "INSERT SELECT",
        "findings": "INSERT SELECT UPDATE(answered_at,answered_because,answered_by,state)",
        "follow_due": "DELETE SELECT UPDATE",
        "gateways": "SELECT UPDATE(twin_held,twin_kept,twin_settled,twin_since)",
        "item_calibrations": "SELECT",
        "item_prices": "SELECT",
        "item_suppliers": "SELECT",
        "items": "SELECT UPDATE(unit_error_ug,unit_sd_ug,unit_weight_ug)",
        "ledger": "DELETE SELECT",
        "movements": "INSERT SELECT UPDATE",
        "notices": "INSERT SELECT UPDATE",
        "order_acts": "INSERT SELECT UPDATE",
        "order_events": "INSERT SELECT",
        "order_evidence": "INSERT SELECT",
        "order_lines": "INSERT SELECT UPDATE",
        "order_receipts": "INSERT SELECT",
        "orders": "INSERT SELECT UPDATE",
        "places": "SELECT",
        "planned_usage": "SELECT",
        "portal_rollups": "SELECT",
        "readings": "SELECT",
        "readings_aside": "DELETE SELECT",
        "readings_kept": "SELECT",
        "restatements": "INSERT SELECT",
        "rollups": "DELETE INSERT SELECT",
        "rollups_due": "DELETE SELECT UPDATE",
        "sensors": "SELECT",
        "shadow_orders": "INSERT SELECT",
        "sites": "SELECT",
        "streams": "SELECT UPDATE(refused,returned_at,returns)",
        "supplier_calendars": "SELECT",
        "supplier_channels": "SELECT",
        "suppliers": "SELECT",
    },
    "binline_portal": {
        "agreement_limits": "INSERT SELECT",
        "agreement_proposal_limits": "INSERT SELECT",
        "agreement_proposals": "INSERT SELECT UPDATE(answered_at,answered_by,state)",
        "agreement_versions": "INSERT SELECT",
        "agreements": "INSERT SELECT",
        "attempts": "SELECT",
        "bin_days": "SELECT",
        "bin_due": "INSERT SELECT",
        "bin_items": "SELECT",
        "bin_levels": "SELECT",
        "bin_parameters": "SELECT",
        "bin_periods": "SELECT",
        "bin_policies": "INSERT SELECT UPDATE",
        "bin_sensors": "SELECT",
        "bin_state": "SELECT UPDATE(changed_xid)",
        "bin_weeks": "SELECT",
        "bins": "INSERT SELECT UPDATE",
        "breaches": "SELECT",
        "case_snoozes": "INSERT SELECT",
        "changes": "SELECT",
        "counts": "INSERT SELECT",
        "customers": "INSERT SELECT UPDATE",
        "decisions": "SELECT",
        "findings": "INSERT SELECT UPDATE(answered_at,answered_because,answered_by,state)",
        "gateways": "INSERT SELECT UPDATE",
        "item_calibrations": "SELECT",
        "item_prices": "INSERT SELECT UPDATE",
        "item_suppliers": "INSERT SELECT UPDATE",
        "items": "INSERT SELECT UPDATE",
        "movements": "SELECT",
        "notices": "INSERT SELECT",
        "order_acts": "INSERT SELECT UPDATE(answered_at,answered_by,state)",
        "order_events": "INSERT SELECT",
        "order_evidence": "INSERT SELECT",
        "order_lines": "INSERT SELECT UPDATE(promised_at,quantity,shipped)",
        "order_receipts": "SELECT",
        "orders": "INSERT SELECT UPDATE(agreement_version,answered_at,answered_by,approved_at,"
        "approved_by,ended_at,ended_because,ended_by,leaves_at,sent_at,shipped_at,state)",
        "places": "INSERT SELECT UPDATE",
        "planned_usage": "INSERT SELECT UPDATE(withdrawn_at,withdrawn_by)",
        "portal_calibrations": "SELECT",
        "portal_readings": "SELECT",
        "portal_rollups": "SELECT",
        "restatements": "SELECT",
        "sensors": "INSERT SELECT UPDATE",
        "shadow_orders": "SELECT",
        "sites": "INSERT SELECT UPDATE",
        "supplier_calendars": "INSERT SELECT UPDATE",
        "supplier_channels": "INSERT SELECT(active,address,channel_id,kind,supplier_id)",
        "suppliers": "INSERT SELECT UPDATE",
    },
    "binline_view": {
        "bin_items": "SELECT",
        "bin_sensors": "SELECT",
        "bins": "SELECT",
        "item_calibrations": "SELECT",
        "readings": "SELECT",
        "rollups": "SELECT",
        "sensors": "SELECT",
        "streams": "SELECT",
    },
}


@pytest.fixture
def admin(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as conn:
        yield conn


@pytest.fixture
def portal(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        yield conn


@pytest.fixture
def two_suppliers(admin: psycopg.Connection) -> tuple[int, int]:
    """Two suppliers with a row in every table each, and a word of theirs in every row."""
    return seed(admin, "canaryone", 1), seed(admin, "canarytwo", 2)


def seed(admin: psycopg.Connection, canary: str, number: int) -> int:
    def one(query: str, *values: object) -> Any:
        row = admin.execute(query, values).fetchone()
        assert row is not None
        return row[0]

    customer = one(
        "INSERT INTO customers (name) VALUES (%s) RETURNING customer_id", f"customer {canary}"
    )
    site = one(
        "INSERT INTO sites (name, customer_id) VALUES (%s, %s) RETURNING site_id",
        f"site {canary}",
        customer,
    )
    place = one(
        "INSERT INTO places (site_id, name) VALUES (%s, %s) RETURNING place_id", site, canary
    )
    supplier = one("INSERT INTO suppliers (name) VALUES (%s) RETURNING supplier_id", canary)
    item = one(
        "INSERT INTO items (sku, name, unit_weight_ug) VALUES (%s, %s, 1000) RETURNING item_id",
        f"sku-{canary}",
        canary,
    )
    admin.execute("INSERT INTO item_prices VALUES (%s, %s, 'EUR')", (item, number))
    admin.execute(
        "INSERT INTO item_suppliers (item_id, supplier_id, supplier_sku) VALUES (%s, %s, %s)",
        (item, supplier, canary),
    )
    bin_id = one(
        "INSERT INTO bins (code, site_id, item_id, supplier_id, place, place_id, capacity, minimum,"
        " order_up_to) VALUES (%s, %s, %s, %s, '', %s, 100, 10, 90) RETURNING bin_id",
        canary.upper(),
        site,
        item,
        supplier,
        place,
    )
    gateway = one(
        "INSERT INTO gateways (name, site_id) VALUES (%s, %s) RETURNING gateway_id", canary, site
    )
    sensor = one(
        "INSERT INTO sensors (gateway_id, name, bin_id) VALUES (%s, %s, %s) RETURNING sensor_id",
        gateway,
        canary,
        bin_id,
    )
    stream = one(
        "INSERT INTO streams (gateway_id, stream, first_heard_at)"
        " VALUES (%s, gen_random_uuid(), %s) RETURNING stream_no",
        gateway,
        NOW,
    )
    admin.execute(
        "INSERT INTO readings VALUES (%s, %s, %s, 1, %s, NULL, NULL, 'fault', %s, 0, 0, true)",
        (sensor, NOW, stream, NOW, canary),
    )
    admin.execute(
        "INSERT INTO rollups (sensor_id, hour, readings, conditions, heard_first_at, heard_last_at,"
        " weights, max_weight_mg) VALUES (%s, date_trunc('hour', %s), 1, 1, %s, %s, 0, %s)",
        (sensor, NOW - timedelta(days=900), NOW, NOW, number),
    )
    admin.execute("INSERT INTO bin_due VALUES (%s)", (bin_id,))
    admin.execute(
        "INSERT INTO bin_state (bin_id, sensor_id, heard_at, received_at, condition)"
        " VALUES (%s, %s, %s, %s, %s)",
        (bin_id, sensor, NOW, NOW, canary),
    )
    doubts = json.dumps([["suspect", canary]])
    admin.execute(
        "INSERT INTO bin_levels (bin_id, pieces, doubts) VALUES (%s, %s, %s)",
        (bin_id, number, doubts),
    )
    admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, after_refs, because)"
        " SELECT bin_id, item_id, 'opening', 5, 0, 5, %s, %s, %s, '{1, 1, 1, 1}', %s"
        " FROM bins WHERE bin_id = %s",
        (NOW, NOW, NOW, canary, bin_id),
    )
    admin.execute(
        "INSERT INTO restatements (bin_id, item_id, at, from_ug, to_ug, movements, before_pieces,"
        " after_pieces) VALUES (%s, %s, %s, 1, 2, 1, 7, 7)",
        (bin_id, item, NOW),
    )
    admin.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " VALUES (%s, %s, 'audit', 7, %s, %s, %s, %s)",
        (bin_id, item, NOW, NOW, canary, canary),
    )
    admin.execute(
        "INSERT INTO findings (bin_id, item_id, event_at, movement_id, pieces, weighed, before_mg,"
        " after_mg, from_ug, unit_weight_ug, unit_sd_ug, unit_error_ug, says, told_by,"
        " told_because, told_at, state)"
        " SELECT bin_id, item_id, event_at, movement_id, 7, 7, 0, 7, 1, 2, 0, 0, because, because,"
        " because, event_at, 'waiting' FROM movements WHERE bin_id = %s",
        (bin_id,),
    )
    admin.execute(
        "INSERT INTO bin_days (bin_id, day, supplier_id, item_id, upto_at, window_ms, known_ms,"
        " empty_ms, piece_hours, stock_outs, resumed_empty, held, used, filled, counts, count_hits,"
        " counted, counted_off, counted_net) VALUES (%s, %s, %s, %s, %s, 1, 1, 0, 1, 0, false, %s,"
        " 1, 0, 0, 0, 0, 0, 0)",
        (bin_id, NOW, supplier, item, NOW, number),
    )
    admin.execute(
        "INSERT INTO bin_periods SELECT bin_id, 'month', date_trunc('month', day)::date,"
        " supplier_id, item_id, day, upto_at, 1, 1, 0, 1, 0, false, held, 1, 0, 0, 0, 0, 0, 0"
        " FROM bin_days WHERE bin_id = %s",
        (bin_id,),
    )
    admin.execute(
        "INSERT INTO bin_weeks VALUES (%s, date_trunc('week', %s::date), %s, %s, %s, true, 1)",
        (bin_id, NOW, supplier, item, number),
    )
    admin.execute("INSERT INTO bin_policies (bin_id) VALUES (%s)", (bin_id,))
    admin.execute(
        "INSERT INTO bin_parameters (bin_id, computed_at, target_permille, method, learning,"
        " rate_milli_per_day, spread, because) VALUES (%s, %s, 950, 'history', false, 1, 1, %s)",
        (bin_id, NOW, canary),
    )
    admin.execute(
        "INSERT INTO planned_usage (bin_id, from_day, to_day, pieces, by, because, at)"
        " VALUES (%s, %s, %s, 5, %s, %s, %s)",
        (bin_id, NOW, NOW, canary, canary, NOW),
    )
    admin.execute(
        "INSERT INTO supplier_calendars (supplier_id, zone) VALUES (%s, %s)", (supplier, canary)
    )
    admin.execute(
        "INSERT INTO case_snoozes (key, by, because, at, until) VALUES (%s, %s, %s, %s, %s)",
        (canary, canary, canary, NOW, NOW + timedelta(days=1)),
    )
    seed_agreement(admin, canary, (site, supplier, bin_id))
    breach = one(
        "INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, cycle)"
        " VALUES (%s, %s, %s, 5, 1) RETURNING breach_id",
        bin_id,
        NOW,
        number,
    )
    order = one(
        "INSERT INTO orders (site_id, supplier_id, because, drafted_at, sent_at, state)"
        " VALUES (%s, %s, %s, %s, %s, 'sent') RETURNING order_id",
        site,
        supplier,
        canary,
        NOW,
        NOW,
    )
    admin.execute(
        "INSERT INTO order_lines (order_id, number, bin_id, item_id, breach_id, cycle, ordinal,"
        " asked, quantity, because, evidence) VALUES (%s, 1, %s, %s, %s, 1, 1, 90, 90, %s, '{}')",
        (order, bin_id, item, breach, canary),
    )
    admin.execute(
        "INSERT INTO order_acts (order_id, kind, act_id, ordinal, at, lines)"
        " VALUES (%s, 'change', %s, 1, %s, '[]')",
        (order, canary, NOW),
    )
    admin.execute(
        "INSERT INTO order_receipts VALUES (%s, 1, %s, %s, 5, %s)", (order, canary, bin_id, NOW)
    )
    admin.execute("INSERT INTO bin_watches (bin_id, seen_at) VALUES (%s, %s)", (bin_id, NOW))
    admin.execute(
        "INSERT INTO shadow_orders (bin_id, item_id, supplier_id, breach_id, cycle,"
        " agreement_version, at, quantity, due_at, because)"
        " VALUES (%s, %s, %s, %s, 1, 1, %s, 5, %s, %s)",
        (bin_id, item, supplier, breach, NOW, NOW, canary),
    )
    admin.execute(
        "INSERT INTO order_events (order_id, at, event, actor) VALUES (%s, %s, 'placed', %s)",
        (order, NOW, canary),
    )
    admin.execute(
        "INSERT INTO decisions (bin_id, breach_id, order_id, at, policy, version, inputs, outcome,"
        " because, sameness) VALUES (%s, %s, %s, %s, 'min_max', 1, '{}', 'place', %s, %s)",
        (bin_id, breach, order, NOW, canary, canary),
    )
    admin.execute(
        "INSERT INTO order_evidence VALUES (%s, 1, 'event', %s, '', %s)", (order, canary, canary)
    )
    channel = one(
        "INSERT INTO supplier_channels (supplier_id, kind, address, secret)"
        " VALUES (%s, 'email', %s, %s) RETURNING channel_id",
        supplier,
        f"{canary}@example.com",
        f"secret of {canary}",
    )
    notice = one(
        "INSERT INTO notices (order_id, supplier_id, channel_id, kind, created_at, next_try_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING notice_id",
        order,
        supplier,
        channel,
        canary,
        NOW,
        NOW,
    )
    admin.execute(
        "INSERT INTO attempts (notice_id, at, ok, detail) VALUES (%s, %s, true, %s)",
        (notice, NOW, canary),
    )
    user = one(
        "INSERT INTO users (email, password_hash, role, supplier_id)"
        " VALUES (%s, 'x', 'supplier', %s) RETURNING user_id",
        f"{canary}@example.com",
        supplier,
    )
    admin.execute("INSERT INTO sessions VALUES (%s, %s, %s, %s)", (canary.encode(), user, NOW, NOW))
    return int(supplier)


def seed_agreement(admin: psycopg.Connection, canary: str, of: tuple[int, int, int]) -> None:
    site, supplier, bin_id = of
    row = admin.execute(
        "INSERT INTO agreements (site_id, supplier_id) VALUES (%s, %s) RETURNING agreement_id",
        (site, supplier),
    ).fetchone()
    assert row is not None
    clauses = (
        "INSERT INTO {} (agreement_id, number, mode, draft_hours, escalate_after_hours, ownership,"
        " answer_hours, grace_hours, band_quantity_percent, band_postpone_days,"
        " band_limits_percent, shared, valid_from, proposed_by, author, because, {}) VALUES"
        " (%s, 1, 'auto', 24, 8, 'owned', 24, 24, 0, 0, 0, '{{levels}}', '2026-01-01', 'customer',"
        " %s, %s, {})"
    )
    versions = clauses.format("agreement_versions", "agreed_at, accepted_by", "now(), ''")
    proposals = clauses.format("agreement_proposals", "base, proposed_at", "1, now()")
    for query in (versions, proposals):
        admin.execute(query, (row[0], canary, canary))  # type: ignore[arg-type] # made above
    for table in ("agreement_limits", "agreement_proposal_limits"):
        query = f"INSERT INTO {table} VALUES (%s, 1, %s, 10, 90)"
        admin.execute(query, (row[0], bin_id))


def readable(admin: psycopg.Connection, role: str = "binline_portal") -> dict[str, list[str]]:
    """Every table and view of which `role` may read a column, and these columns."""
    rows = admin.execute(
        "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
        " AND NOT a.attisdropped"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'binline' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND has_column_privilege(%s, c.oid, a.attnum, 'SELECT') GROUP BY 1 ORDER BY 1",
        (role,),
    ).fetchall()
    return dict(rows)


def rows_of(
    conn: psycopg.Connection, relation: str, columns: list[str]
) -> list[tuple[object, ...]]:
    query = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(relation)
    )
    return conn.execute(query).fetchall()


def test_every_table_forces_row_security_or_is_listed_with_a_reason(
    admin: psycopg.Connection,
) -> None:
    rows = admin.execute(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'binline' AND c.relkind IN ('r', 'p')"
    ).fetchall()
    open_tables = {name for name, forced in rows if not forced}
    assert open_tables == set(WITHOUT_ROW_SECURITY)
    assert not open_tables & set(readable(admin)), "a portal may read a table without a policy"


def test_every_view_is_a_barrier_and_nothing_is_kept_materialised(
    admin: psycopg.Connection,
) -> None:
    rows = admin.execute(
        "SELECT c.relname, c.relkind, c.reloptions, r.rolname, r.rolsuper OR r.rolbypassrls"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE n.nspname = 'binline' AND c.relkind IN ('v', 'm')"
    ).fetchall()
    assert sorted(rows) == [
        (name, "v", ["security_barrier=true"], migrate.VIEW_OWNER, False) for name in VIEWS
    ]


def test_what_runs_with_the_rights_of_its_owner_is_listed_with_who_may_call_it(
    admin: psycopg.Connection,
) -> None:
    rows = admin.execute(
        "SELECT proname, grantee::regrole::text, p.proowner::regrole::text, p.proconfig::text"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl)"
        " WHERE n.nspname IN ('binline', 'public') AND p.prosecdef"
    ).fetchall()
    runs = RUN_AS_OWNER[timescale.store_of(admin)]
    allowed = {(name, "binline_jobs") for name in runs}
    assert {name for name, *_ in rows} == runs | REMEMBER
    assert {(name, who) for name, who, owner, _ in rows if who != owner} == allowed
    assert {owner for _, _, owner, _ in rows} == {migrate.OWNER}
    assert all("search_path=binline" in config for *_, config in rows), "a path of the caller's"


def test_the_last_month_cannot_be_dropped_by_whoever_keeps_the_store(database: Any) -> None:
    with (
        database.connect("binline_jobs") as conn,
        pytest.raises(psycopg.errors.RaiseException, match="last 30 days"),
    ):
        conn.execute("SELECT readings_drop(now())")


def test_of_what_lies_below_the_readings_no_portal_sees_a_row(
    admin: psycopg.Connection, two_suppliers: tuple[int, int]
) -> None:
    """Partitions and chunks inherit neither policies nor, luckily, rights."""
    rows = admin.execute(
        "SELECT role, c.oid::regclass::text FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(%s::text[]) AS role"
        " WHERE (n.nspname = 'binline_store'"
        "        OR (n.nspname = '_timescaledb_internal' AND c.relname ~ '_hyper|_view_'))"
        "   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        "   AND has_any_column_privilege(role, c.oid, 'SELECT')",
        (["binline_portal", "binline_auth"],),
    ).fetchall()
    assert rows == [], "readings can be read past the views"


def test_no_role_of_ours_stands_above_the_policies(admin: psycopg.Connection) -> None:
    rows = admin.execute(
        "SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb"
        " FROM pg_roles WHERE rolname LIKE 'binline\\_%' AND rolname <> 'binline_admin'"
    ).fetchall()
    assert {name for name, *_ in rows} == {
        migrate.OWNER,
        migrate.VIEW_OWNER,
        *migrate.LOGIN_ROLES,
    }
    assert {name for name, login, *_ in rows if login} == set(migrate.LOGIN_ROLES)
    assert not [name for name, _login, *above in rows if any(above)]
    members = admin.execute(
        "SELECT m.member::regrole::text FROM pg_auth_members m"
        " WHERE m.member::regrole::text = ANY(%s)",
        (list(migrate.LOGIN_ROLES),),
    ).fetchall()
    assert members == [], "a log-in may become another role"


def test_the_rights_are_these_and_no_others(admin: psycopg.Connection) -> None:
    assert _rights(admin) == RIGHTS


def _rights(admin: psycopg.Connection) -> dict[str, dict[str, str]]:
    whole = admin.execute(
        "SELECT grantee::regrole::text, c.relname, privilege_type, ''"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
        " aclexplode(c.relacl) WHERE n.nspname = 'binline' AND c.relkind <> 'S'"
    ).fetchall()
    by_column = admin.execute(
        "SELECT x.grantee::regrole::text, c.relname, x.privilege_type,"
        " string_agg(a.attname, ',' ORDER BY a.attname)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x"
        " WHERE n.nspname = 'binline' GROUP BY 1, 2, 3"
    ).fetchall()
    found: dict[str, dict[str, list[str]]] = {}
    for role, relation, right, columns in (*whole, *by_column):
        if role == migrate.OWNER or (role == migrate.VIEW_OWNER and relation in VIEWS):
            continue  # the owner of a thing
        text = f"{right}({columns})" if columns else right
        found.setdefault(role, {}).setdefault(relation, []).append(text)
    return {
        role: {relation: " ".join(sorted(rights)) for relation, rights in relations.items()}
        for role, relations in found.items()
    }


def test_nobody_may_make_things_in_the_schema_or_call_what_is_not_theirs(
    admin: psycopg.Connection,
) -> None:
    for role in (*migrate.LOGIN_ROLES, migrate.VIEW_OWNER):
        row = admin.execute(
            "SELECT has_schema_privilege(%(role)s, 'binline', 'CREATE'),"
            " has_schema_privilege(%(role)s, 'public', 'CREATE')",
            {"role": role},
        ).fetchone()
        assert row == (False, False), role


def test_unasked_a_portal_sees_nothing(
    admin: psycopg.Connection, portal: psycopg.Connection, two_suppliers: tuple[int, int]
) -> None:
    for relation, columns in readable(admin).items():
        assert rows_of(portal, relation, columns) == [], relation


@pytest.mark.parametrize(
    ("role", "supplier"),
    [("", "1"), ("Supplier", "1"), ("supplier", ""), ("operations ", ""), ("supplier", "-1")],
)
def test_a_half_said_question_is_answered_with_nothing(
    admin: psycopg.Connection,
    portal: psycopg.Connection,
    two_suppliers: tuple[int, int],
    role: str,
    supplier: str,
) -> None:
    with portal.transaction():
        portal.execute(
            "SELECT set_config('app.role', %s, true), set_config('app.supplier', %s, true)",
            (role, supplier),
        )
        for relation, columns in readable(admin).items():
            assert rows_of(portal, relation, columns) == [], relation


def test_of_two_suppliers_neither_sees_a_row_of_the_other(
    admin: psycopg.Connection, portal: psycopg.Connection, two_suppliers: tuple[int, int]
) -> None:
    one, two = two_suppliers
    for relation, columns in readable(admin).items():
        seen = {}
        for supplier in two_suppliers:
            with portal.transaction():
                asking.as_supplier(portal, supplier)
                seen[supplier] = rows_of(portal, relation, columns)
        if relation not in SUPPLIER_SEES:
            assert seen == {one: [], two: []}, relation
            continue
        assert len(seen[one]) == len(seen[two]) == 1, relation
        assert seen[one] != seen[two], relation
        for supplier, foreign in ((one, "canarytwo"), (two, "canaryone")):
            assert foreign not in str(seen[supplier]).lower(), relation
        with portal.transaction():
            asking.as_operations(portal, "somebody@example.com")
            rows = len(rows_of(portal, relation, columns))
        # What operations changed is more than a supplier's bin.
        assert rows == (20 if relation == "changes" else 2), relation


def test_the_secret_of_a_channel_is_for_the_sender_alone(
    admin: psycopg.Connection, portal: psycopg.Connection, two_suppliers: tuple[int, int]
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        portal.execute("SELECT secret FROM supplier_channels")
    assert "secret" in readable(admin, "binline_jobs")["supplier_channels"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE orders SET state = 'acknowledged'",
        "UPDATE order_lines SET shipped = 1",
        "UPDATE order_acts SET answered_by = 'me'",
        "UPDATE bin_state SET changed_xid = pg_current_xact_id()",
        "UPDATE bins SET minimum = 0",
        "UPDATE suppliers SET name = 'mine'",
        "UPDATE sites SET name = 'mine'",
        "UPDATE items SET name = 'mine'",
        "UPDATE customers SET name = 'mine'",
        "UPDATE places SET name = 'mine'",
        "UPDATE item_prices SET price_e4 = 0",
        "UPDATE item_suppliers SET price_e4 = 0, currency = 'EUR'",
        "UPDATE gateways SET name = 'mine'",
        "UPDATE sensors SET bin_id = NULL",
        "UPDATE supplier_calendars SET lead_days = 300",
        "UPDATE bin_policies SET rounding = 'up'",
        "UPDATE agreement_proposals SET state = 'declined'",
        "UPDATE planned_usage SET withdrawn_at = now(), withdrawn_by = 'me'",
    ],
)
def test_a_supplier_changes_nothing_of_another(
    admin: psycopg.Connection,
    portal: psycopg.Connection,
    two_suppliers: tuple[int, int],
    change: str,
) -> None:
    one, _ = two_suppliers
    table = change.split()[1]
    before = admin.execute(
        sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier(table))
    ).fetchall()
    with portal.transaction():
        asking.as_supplier(portal, one)
        touched = portal.execute(change).rowcount  # type: ignore[call-overload] # a literal above
    after = admin.execute(
        sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier(table))
    ).fetchall()
    answerable = table in (
        "orders",
        "order_lines",
        "order_acts",
        "bin_state",
        "agreement_proposals",
    )
    assert touched == (1 if answerable else 0)
    changed = [was for was in before if was not in after]
    assert len(changed) == touched


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO suppliers (name) VALUES ('new')",
        "INSERT INTO sites (name) VALUES ('new')",
        "INSERT INTO items (sku, name, unit_weight_ug) VALUES ('new', 'new', 1)",
        "INSERT INTO supplier_channels (supplier_id, kind, address) VALUES (1, 'email', 'x@y')",
        "INSERT INTO order_events (order_id, at, event, actor) VALUES ('{order}', now(), '', '')",
        "UPDATE orders SET supplier_id = {supplier}",
        (
            "INSERT INTO orders (site_id, supplier_id, because, drafted_at)"
            " VALUES (1, {supplier}, '', now())"
        ),
        (
            "INSERT INTO order_lines (order_id, number, bin_id, item_id, cycle, ordinal, asked,"
            " quantity, because, evidence) VALUES ('{order}', 9, 1, 1, 9, 9, 1, 1, '', '{{}}')"
        ),
        "INSERT INTO order_acts VALUES ('{order}', 'change', 'x', 9, now(), '', '', NULL, '[]')",
        "UPDATE order_lines SET received = 9",
        "INSERT INTO order_receipts VALUES ('{order}', 1, 'y', 1, 1, now())",
        (
            "INSERT INTO notices (order_id, supplier_id, channel_id, created_at, next_try_at)"
            " VALUES ('{order}', {supplier}, 1, now(), now())"
        ),
        "DELETE FROM orders",
        "INSERT INTO customers (name) VALUES ('new')",
        "INSERT INTO places (site_id, name) VALUES (1, 'new')",
        "INSERT INTO item_prices VALUES (99, 1, 'EUR')",
        "INSERT INTO item_suppliers (item_id, supplier_id) VALUES (1, {supplier})",
        "INSERT INTO bin_due VALUES (1)",
        (
            "INSERT INTO changes (noun, noun_id, version, at, by, because, after)"
            " VALUES ('bin', 1, 9, now(), 'me', '', '{{}}')"
        ),
        "UPDATE changes SET by = 'nobody'",
        "DELETE FROM changes",
        "INSERT INTO bin_items VALUES (1, 1, 1, 0, now())",
        "UPDATE item_calibrations SET unit_weight_ug = 1",
        (
            "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by,"
            " because) VALUES (1, 1, 'audit', 1, now(), now(), 'me', 'mine')"
        ),
        "INSERT INTO bin_policies (bin_id) VALUES (1)",
        (
            "INSERT INTO planned_usage (bin_id, from_day, to_day, pieces, by, because, at)"
            " VALUES (1, now(), now(), 5, 'me', 'mine', now())"
        ),
        "UPDATE planned_usage SET pieces = 1",
        "DELETE FROM planned_usage",
        "UPDATE bin_parameters SET minimum = 1",
        "INSERT INTO supplier_calendars (supplier_id, zone) VALUES (99, 'UTC')",
        "INSERT INTO order_evidence VALUES ('{order}', 2, 'event', '', '', '')",
        "UPDATE order_evidence SET body = ''",
        "DELETE FROM order_evidence",
        (
            "INSERT INTO case_snoozes (key, by, because, at, until)"
            " VALUES ('x', 'me', 'mine', now(), now() + interval '1 day')"
        ),
        "INSERT INTO agreements (site_id, supplier_id) VALUES (1, {supplier})",
        "INSERT INTO agreement_proposal_limits VALUES (1, 1, 2, 1, 2)",
        "INSERT INTO agreement_limits VALUES (1, 1, 2, 1, 2)",
        "UPDATE agreement_limits SET minimum = 0",
        "UPDATE agreement_versions SET because = 'mine'",
        "UPDATE agreement_proposals SET because = 'mine'",
        "DELETE FROM agreement_proposals",
        "SELECT * FROM readings",
        "SELECT * FROM rollups",
        "SELECT * FROM binline_store.readings_other",
        "SELECT readings_drop('2020-01-01')",
        "SELECT * FROM users",
        "COPY readings TO STDOUT",
    ],
)
def test_a_supplier_is_refused_what_is_not_its_business(
    admin: psycopg.Connection,
    portal: psycopg.Connection,
    two_suppliers: tuple[int, int],
    insert: str,
) -> None:
    one, two = two_suppliers
    row = admin.execute("SELECT order_id FROM orders WHERE supplier_id = %s", (two,)).fetchone()
    assert row is not None
    statement = insert.format(order=row[0], supplier=two)
    asking.as_supplier(portal, one)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        portal.execute(statement)  # type: ignore[call-overload] # a literal above


def test_of_a_sensor_a_supplier_sees_what_it_said_of_its_bin_and_neither_before_nor_after(
    admin: psycopg.Connection, portal: psycopg.Connection, two_suppliers: tuple[int, int]
) -> None:
    """From the one's bin to the other's at ten; a roll-up with words of both is told to neither."""
    one, two = two_suppliers
    row = admin.execute("SELECT sensor_id FROM sensors WHERE name = 'canaryone'").fetchone()
    assert row is not None
    (sensor,) = row
    moved_at = NOW + timedelta(hours=1)
    for number, minutes in enumerate((1, 119, 130, 240), start=10):
        at = NOW + timedelta(minutes=minutes - 60)
        admin.execute(
            "INSERT INTO readings SELECT sensor_id, %s, stream_no, %s, %s, 7, NULL, NULL, NULL,"
            " 0, 0, true FROM readings WHERE sensor_id = %s AND seq = 1",
            (at, number, at, sensor),
        )
    for hour, first, last in ((9, 1, 50), (10, 55, 70), (11, 125, 170)):
        admin.execute(
            "INSERT INTO rollups (sensor_id, hour, readings, conditions, heard_first_at,"
            " heard_last_at, weights) VALUES (%s, %s, 1, 0, %s, %s, 0)",
            (
                sensor,
                NOW.replace(hour=hour),
                NOW + timedelta(minutes=first),
                NOW + timedelta(minutes=last),
            ),
        )
    with admin.transaction():
        admin.execute("SELECT set_config('app.from_at', %s, true)", (moved_at.isoformat(),))
        admin.execute(
            "UPDATE sensors SET bin_id = (SELECT bin_id FROM bins WHERE supplier_id = %s)"
            " WHERE sensor_id = %s",
            (two, sensor),
        )
    seen = {}
    for supplier in (one, two):
        with portal.transaction():
            asking.as_supplier(portal, supplier)
            readings = portal.execute(
                "SELECT seq FROM portal_readings WHERE sensor_id = %s AND seq > 1 ORDER BY seq",
                (sensor,),
            ).fetchall()
            hours = portal.execute(
                "SELECT extract(hour FROM hour AT TIME ZONE 'UTC')::int FROM portal_rollups"
                " WHERE sensor_id = %s AND hour >= %s ORDER BY hour",
                (sensor, NOW - timedelta(days=2)),
            ).fetchall()
        seen[supplier] = ([seq for (seq,) in readings], [hour for (hour,) in hours])
    assert seen == {one: ([10, 11], [9]), two: ([12, 13], [11])}
    with portal.transaction():
        asking.as_operations(portal, "ops@plant.test")
        every = portal.execute(
            "SELECT seq, bin_id FROM portal_readings WHERE sensor_id = %s AND seq > 1", (sensor,)
        ).fetchall()
    assert len(every) == 4, "operations see all of it, each reading once"
    assert len({bin_id for _, bin_id in every}) == 2


def test_who_takes_a_bin_over_sees_nothing_of_the_time_before(
    admin: psycopg.Connection, portal: psycopg.Connection, two_suppliers: tuple[int, int]
) -> None:
    one, two = two_suppliers
    with admin.transaction():
        since = (NOW + timedelta(hours=1)).isoformat()
        admin.execute("SELECT set_config('app.from_at', %s, true)", (since,))
        admin.execute("UPDATE bins SET supplier_id = %s WHERE supplier_id = %s", (two, one))
    for supplier, others in ((one, 0), (two, 1)):
        with portal.transaction():
            asking.as_supplier(portal, supplier)
            for view in ("portal_readings", "portal_rollups"):
                assert len(rows_of(portal, view, ["sensor_id"])) == others, view


def test_a_supplier_reads_its_own_number_of_an_item_and_no_other(
    admin: psycopg.Connection, portal: psycopg.Connection, two_suppliers: tuple[int, int]
) -> None:
    """Both supply one item; who has given no number of its own is shown none."""
    one, two = two_suppliers
    admin.execute(
        "UPDATE bins SET item_id = (SELECT item_id FROM items WHERE name = 'canarytwo')"
        " WHERE supplier_id = %s",
        (one,),
    )
    for supplier, number in ((one, ""), (two, "canarytwo")):
        with portal.transaction():
            asking.as_supplier(portal, supplier)
            (row,) = wall.all_bins(portal)
        assert row.supplier_sku == number
    columns = readable(admin)
    assert [name for name, found in columns.items() if "supplier_sku" in found] == [
        "item_suppliers"
    ]


def test_a_function_in_a_question_is_shown_no_row_that_the_asker_may_not_see(
    admin: psycopg.Connection, portal: psycopg.Connection, two_suppliers: tuple[int, int]
) -> None:
    """A function that costs nothing would be run first, on all rows, were there no barrier."""
    admin.execute(
        "CREATE FUNCTION public.tells(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001"
        " AS $$ BEGIN RAISE NOTICE 'seen %', $1; RETURN true; END $$"
    )
    admin.execute("GRANT EXECUTE ON FUNCTION public.tells(text) TO binline_portal")
    told: list[str] = []
    portal.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    one, _ = two_suppliers
    for relation, column in (
        ("portal_readings", "because"),
        ("orders", "because"),
        ("bins", "place"),
        ("bin_state", "condition"),
    ):
        with portal.transaction():
            asking.as_supplier(portal, one)
            portal.execute(
                sql.SQL("SELECT 1 FROM {} WHERE public.tells({})").format(
                    sql.Identifier(relation), sql.Identifier(column)
                )
            )
    assert len(told) == 4
    assert "canarytwo" not in " ".join(told)


def test_who_asked_is_forgotten_when_the_transaction_ends(
    database: Any, two_suppliers: tuple[int, int]
) -> None:
    one, two = two_suppliers
    with pools.make_pool(database.dsn("binline_portal"), name="test", size_max=1) as pool:
        for _ in range(3):
            for supplier, canary in ((one, "canaryone"), (two, "canarytwo")):
                with pool.connection() as conn, conn.transaction():
                    asking.as_supplier(conn, supplier)
                    assert conn.execute("SELECT name FROM suppliers").fetchall() == [(canary,)]
            with pool.connection() as conn:
                assert conn.execute("SELECT name FROM suppliers").fetchall() == []


def test_what_was_set_for_a_whole_session_does_not_reach_the_next_borrower(
    database: Any, two_suppliers: tuple[int, int]
) -> None:
    """Nobody should do this; should somebody, the pool wipes it."""
    with pools.make_pool(database.dsn("binline_portal"), name="test", size_max=1) as pool:
        with pool.connection() as conn:
            conn.execute("SELECT set_config('app.role', 'operations', false)")
            conn.commit()
            assert len(conn.execute("SELECT name FROM suppliers").fetchall()) == 2
        with pool.connection() as conn:
            assert conn.execute("SELECT name FROM suppliers").fetchall() == []
            row = conn.execute("SHOW search_path").fetchone()
            assert row == ("binline",), "what the log-in itself is given stays"


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(owners=st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_three_suppliers_see_what_a_filter_in_python_says(
    admin: psycopg.Connection, portal: psycopg.Connection, owners: list[int]
) -> None:
    admin.execute("TRUNCATE customers, suppliers, items, gateways CASCADE")
    suppliers = [seed(admin, f"tenant{number}", number) for number in range(3)]
    site = admin.execute("SELECT min(site_id) FROM sites").fetchone()
    item = admin.execute("SELECT min(item_id) FROM items").fetchone()
    assert site is not None
    assert item is not None
    for number, owner in enumerate(owners):
        # All in one site and of one item: what is shared must not open the rest.
        admin.execute(
            "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum)"
            " VALUES (%s, %s, %s, %s, '', 10, 1)",
            (f"EXTRA-{number}", site[0], item[0], suppliers[owner]),
        )
    for tenant, supplier in enumerate(suppliers):
        with portal.transaction():
            asking.as_supplier(portal, supplier)
            rows = portal.execute("SELECT code FROM bins").fetchall()
        mine = {f"EXTRA-{number}" for number, owner in enumerate(owners) if owner == tenant}
        assert {code for (code,) in rows} == mine | {f"TENANT{tenant}"}
