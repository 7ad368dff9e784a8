from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.look_for_cases import LOOKS, look_at, look_for_cases
from cloud.core.cases import Snooze
from cloud.postgres import asking, cases

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = Snooze(key="no_answer:1", by="ada", because="they called", until=NOON + HOUR)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        yield conn


def test_of_each_key_the_last_word_holds_while_its_time_lasts(conn: psycopg.Connection) -> None:
    cases.put_off(conn, FIRST, NOON)
    assert cases.snoozes(conn, NOON) == [FIRST]
    shorter = Snooze(key=FIRST.key, by="bob", because="no", until=NOON + timedelta(minutes=1))
    cases.put_off(conn, shorter, NOON)
    assert cases.snoozes(conn, NOON) == [shorter]
    # The first one is not heard again when the second is over.
    assert cases.snoozes(conn, shorter.until) == []


def test_every_bin_in_use_is_one_row_heard_or_not(shelf: Any, conn: psycopg.Connection) -> None:
    (row,) = cases.rows(conn, cases.candidates(conn, NOON))
    assert (row.bin_id, row.heard_at, row.pieces, row.order_id) == (shelf.bin_id, None, None, None)
    assert (row.grace_hours, row.lead_time_said, row.usage_days) == (24, False, None)
    shelf.admin.execute("UPDATE bins SET active = false")
    assert cases.candidates(conn, NOON) == []
    assert cases.rows(conn, [shelf.bin_id]) == []


def test_a_bin_that_is_fine_is_not_looked_at_more_closely(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(1_900, NOON)
    assert cases.candidates(conn, NOON) == []
    assert cases.candidates(conn, NOON + timedelta(minutes=4)) == [shelf.bin_id]


# What of a bin, or beside it, is not as it should be; each makes it one that is looked at.
TROUBLES = (
    "UPDATE bin_state SET condition = 'overload'",
    "UPDATE bin_state SET weight_mg = NULL",
    "UPDATE bin_state SET weight_mg = 100",
    "UPDATE bin_state SET quality = 1",
    "UPDATE bin_state SET clock_trusted = false",
    'UPDATE bin_levels SET doubts = \'[["unit_changed", "Odd."]]\'',
    "UPDATE bin_levels SET unconfirmed = 4, level_at = level_at - interval '2 hours'",
    "UPDATE bin_levels SET pieces = 1700, plateau_since = level_at",
    "UPDATE bins SET order_up_to = 1000",
    "UPDATE gateways SET twin_since = now()",
    (
        "INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, cycle)"
        " SELECT bin_id, level_at, 5, 5, 1 FROM bin_levels"
    ),
    (
        "INSERT INTO decisions (bin_id, at, policy, version, inputs, outcome, ask, because,"
        " sameness) SELECT bin_id, level_at, 'min_max', 1, '{}', 'wait', 'no_room', 'No.', 'x'"
        " FROM bin_levels"
    ),
    (
        "UPDATE bin_levels SET plateau_since = level_at; INSERT INTO counts (bin_id, item_id, kind,"
        " pieces, counted_at, entered_at, by, because) SELECT b.bin_id, item_id, 'audit', 1700,"
        " level_at, level_at, 'ada', 'so' FROM bins b JOIN bin_levels USING (bin_id)"
    ),
    "UPDATE items SET unit_weight_ug = unit_weight_ug * 2",
)
FINE = ("", "UPDATE bin_levels SET usage_per_day = 10, usage_days = 7")


@pytest.mark.parametrize("trouble", [*TROUBLES, *FINE])
def test_whatever_makes_a_case_makes_a_candidate(
    trouble: str, make_shelf: Any, conn: psycopg.Connection
) -> None:
    for code in ("AAA-1", "AAA-2"):
        make_shelf(code).weigh(1_900, NOON)
    shelf = make_shelf("AAA-3")
    for minutes in range(LOOKS)[::-1]:
        shelf.weigh(1_900, NOON - timedelta(minutes=minutes))
    if trouble:
        shelf.admin.execute(trouble)
    every = [row[0] for row in conn.execute("SELECT bin_id FROM bins").fetchall()]
    all_of_them = look_at(conn, every, NOON).cases.open
    found = look_for_cases(conn, NOON).cases.open
    assert [case.key for case in found] == [case.key for case in all_of_them]
    assert bool(found) is (trouble in TROUBLES)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    state=st.sampled_from(["draft", "approved", "sent", "acknowledged", "changed", "confirmed"]),
    hours=st.lists(st.none() | st.integers(-60, 60), min_size=5, max_size=5),
    shipped=st.sampled_from([0, 5]),
    pieces=st.sampled_from([0, 40, 1_000]),
    usage=st.sampled_from([0.0, 1e-5, 24.0, 960.0]),
    now_h=st.integers(-48, 48),
)
def test_no_order_that_makes_a_case_is_overlooked(  # noqa: PLR0917 - what an order can be
    shelf: Any,
    state: str,
    hours: list[int | None],
    shipped: int,
    pieces: int,
    usage: float,
    now_h: int,
) -> None:
    admin, bin_id = shelf.admin, shelf.bin_id
    now = NOON + now_h * HOUR
    sent, answered, promised, due, escalates = (
        None if one is None else NOON + one * HOUR for one in hours
    )
    admin.execute(
        "DELETE FROM order_lines; DELETE FROM orders; DELETE FROM bin_state; DELETE FROM bin_levels"
    )
    admin.execute(
        "INSERT INTO bin_state (bin_id, sensor_id, heard_at, received_at, measured_at, weight_mg,"
        " stability, quality, clock_trusted, stream_no, seq)"
        " SELECT b.bin_id, sensor_id, %(now)s, %(now)s, %(now)s, tare_mg + %(pieces)s * 4200, 0, 0,"
        " true, 1, 1 FROM bins b JOIN sensors USING (bin_id)",
        {"now": now, "pieces": pieces},
    )
    admin.execute(
        "INSERT INTO bin_levels (bin_id, pieces, level_at, plateau_since, usage_per_day,"
        " usage_days) VALUES (%s, %s, %s, %s, %s, 7)",
        (bin_id, pieces, now, now, usage),
    )
    admin.execute(
        "WITH o AS (INSERT INTO orders (site_id, supplier_id, because, drafted_at, sent_at,"
        " answered_at, due_at, escalates_at, expires_at, state)"
        " SELECT site_id, supplier_id, '', %(at)s, %(sent)s, %(answered)s, %(due)s, %(esc)s,"
        " %(esc)s, %(state)s FROM bins RETURNING order_id)"
        " INSERT INTO order_lines (order_id, number, bin_id, item_id, cycle, ordinal, asked,"
        " quantity, shipped, promised_at, because, evidence)"
        " SELECT order_id, 1, bin_id, item_id, 1, 1, 90, 90, %(shipped)s, %(promised)s, '', '{}'"
        "   FROM o, bins",
        {
            "at": NOON, "sent": None if state in ("draft", "approved") else sent or NOON,
            "answered": answered, "due": due, "esc": escalates, "state": state,
            "shipped": shipped, "promised": promised,
        },
    )  # fmt: skip
    found = look_at(admin, [bin_id], now).cases.open
    assert look_for_cases(admin, now).cases.open == found
