from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.look_for_cases import LOOKS, look_at, look_for_cases
from cloud.core.cases import Snooze
from cloud.postgres import asking, cases, portal

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
    assert (row.bin_id, row.heard_at, row.pieces, row.orders) == (shelf.bin_id, None, None, ())
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


def _order(
    admin: psycopg.Connection, bin_id: int, *, shipped: int = 0, received: int = 0, **order: object
) -> None:
    """One that has not ended, with one line of 90."""
    values = {
        "bin": bin_id, "state": "confirmed", "sent": NOON, "answered": NOON, "due": None,
        "escalates": None, "promised": None, **order, "shipped": shipped, "received": received,
        "at": NOON,
    }  # fmt: skip
    admin.execute(
        "WITH o AS (INSERT INTO orders (site_id, supplier_id, because, drafted_at, sent_at,"
        " answered_at, due_at, escalates_at, expires_at, state)"
        " SELECT site_id, supplier_id, '', %(at)s, %(sent)s, %(answered)s, %(due)s, %(escalates)s,"
        " %(escalates)s, %(state)s FROM bins WHERE bin_id = %(bin)s RETURNING order_id)"
        " INSERT INTO order_lines (order_id, number, bin_id, item_id, cycle, ordinal, asked,"
        " quantity, shipped, received, promised_at, because, evidence)"
        " SELECT order_id, 1, bin_id, item_id, 1,"
        "        1 + (SELECT count(*) FROM order_lines l WHERE l.bin_id = b.bin_id), 90, 90,"
        "        %(shipped)s, %(received)s, %(promised)s, '', '{}'"
        "   FROM o, bins b WHERE b.bin_id = %(bin)s",
        values,
    )


def _low(admin: psycopg.Connection, bin_id: int) -> None:
    admin.execute(
        "INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, cycle)"
        " VALUES (%s, %s, 5, 5, 1)",
        (bin_id, NOON),
    )


def test_each_order_of_a_bin_that_has_not_ended_is_told_the_oldest_first(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _order(shelf.admin, shelf.bin_id, due=NOON + HOUR, received=90)
    _order(shelf.admin, shelf.bin_id, state="sent", promised=NOON + 2 * HOUR, shipped=4)
    _order(shelf.admin, shelf.bin_id)
    shelf.admin.execute(
        "UPDATE orders SET ended_at = %s, state = 'closed' WHERE number = 1003", (NOON,)
    )
    shelf.admin.execute(
        "INSERT INTO order_lines (order_id, number, bin_id, item_id, cycle, ordinal, asked,"
        " quantity, promised_at, because, evidence)"
        " SELECT order_id, 2, bin_id, item_id, 1, 9, 10, 10, %s, '', '{}'"
        "   FROM order_lines JOIN orders o USING (order_id) WHERE o.number = 1002",
        (NOON + HOUR,),
    )
    (row,) = cases.rows(conn, [shelf.bin_id])
    older, newer = row.orders
    assert (older.order_number, newer.order_number) == (1_001, 1_002)
    assert (older.outstanding, older.arrived, older.shipped) == (0, True, False)
    assert (newer.outstanding, newer.arrived, newer.shipped) == (100, False, True), "both lines"
    assert (older.promised_at, older.expected_at) == (None, NOON + HOUR)
    assert newer.promised_at == newer.expected_at == NOON + HOUR, "the first of its lines"


@pytest.mark.parametrize("usage", [0, 24])
def test_what_is_low_and_covered_in_time_is_not_looked_at_more_closely(
    usage: int, shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(48, NOON)
    shelf.admin.execute("UPDATE bin_levels SET usage_per_day = %s, usage_days = 7", (usage,))
    _low(shelf.admin, shelf.bin_id)
    assert cases.candidates(conn, NOON) == [shelf.bin_id]
    _order(shelf.admin, shelf.bin_id, promised=NOON + 47 * HOUR)
    assert cases.candidates(conn, NOON) == []
    shelf.admin.execute("UPDATE order_lines SET promised_at = %s", (NOON + 49 * HOUR,))
    assert bool(cases.candidates(conn, NOON)) is bool(usage), "too late for what is left"
    shelf.admin.execute(
        "UPDATE order_lines SET promised_at = NULL; UPDATE bin_levels SET pieces = 0"
    )
    assert cases.candidates(conn, NOON) == [shelf.bin_id], "empty is told whatever is to come"


def test_the_newest_weights_of_many_bins_are_asked_for_at_once(
    make_shelf: Any, conn: psycopg.Connection
) -> None:
    often, seldom, new = (make_shelf(code) for code in ("AAA-1", "AAA-2", "AAA-3"))
    for ago in range(4)[::-1]:
        often.weigh(1_900 + ago, NOON - ago * timedelta(minutes=1))
        seldom.weigh(1_000 + ago, NOON - ago * timedelta(days=2))
    new.weigh(10, NOON)
    wanted = [often.bin_id, seldom.bin_id, new.bin_id]
    expected = {
        shelf.bin_id: [one.weight_mg for one in portal.last_readings(conn, shelf.bin_id, 3)]
        for shelf in (often, seldom)
    }
    assert cases.last_weights(conn, wanted, 3) == expected
    assert cases.last_weights(conn, [], 3) == {}


@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    orders=st.lists(
        st.fixed_dictionaries(
            {
                "state": st.sampled_from(
                    ["draft", "approved", "sent", "acknowledged", "changed", "confirmed"]
                ),
                "hours": st.lists(st.none() | st.integers(-60, 60), min_size=5, max_size=5),
                "shipped": st.sampled_from([0, 5]),
                "received": st.sampled_from([0, 40, 90, 120]),
            }
        ),
        min_size=1,
        max_size=3,
    ),
    low=st.booleans(),
    said=st.booleans(),
    pieces=st.sampled_from([0, 40, 1_000]),
    usage=st.sampled_from([0.0, 1e-5, 24.0, 960.0]),
    now_h=st.integers(-48, 48),
)
def test_no_order_that_makes_a_case_is_overlooked(  # noqa: PLR0917 - what orders can be
    shelf: Any,
    orders: list[dict[str, Any]],
    low: bool,  # noqa: FBT001
    said: bool,  # noqa: FBT001
    pieces: int,
    usage: float,
    now_h: int,
) -> None:
    admin, bin_id = shelf.admin, shelf.bin_id
    now = NOON + now_h * HOUR
    admin.execute(
        "DELETE FROM order_lines; DELETE FROM orders; DELETE FROM bin_state;"
        " DELETE FROM bin_levels; DELETE FROM breaches; DELETE FROM bin_policies"
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
    if said:
        admin.execute("INSERT INTO bin_policies (bin_id, lead_time_days) VALUES (%s, 7)", (bin_id,))
    if low:
        _low(admin, bin_id)
    for one in orders:
        sent, answered, promised, due, escalates = (
            None if hours is None else NOON + hours * HOUR for hours in one["hours"]
        )
        _order(
            admin, bin_id,
            state=one["state"],
            sent=None if one["state"] in ("draft", "approved") else sent or NOON,
            answered=answered, promised=promised, due=due, escalates=escalates,
            shipped=one["shipped"], received=one["received"],
        )  # fmt: skip
    found = look_at(admin, [bin_id], now).cases.open
    assert look_for_cases(admin, now).cases.open == found
