import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.assess import Outcome, assess_bin

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def test_a_full_bin_is_left_alone(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.weigh(1_900, NOON)
    assert assess_bin(conn, shelf.bin_id, NOON).outcome is Outcome.UNCHANGED
    assert shelf.counts() == (0, 0, 0)


def test_a_low_bin_is_one_breach_one_order_and_one_notice_per_channel(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.channel("webhook", "https://ferro.example/hook")
    shelf.weigh(412, NOON)
    before = shelf.xid()
    assessment = assess_bin(conn, shelf.bin_id, NOON)
    assert (assessment.outcome, assessment.notices) == (Outcome.ORDERED, 2)
    assert shelf.counts() == (1, 1, 2)
    order = shelf.the_order()
    assert (order["state"], order["sent_at"], order["approved_by"]) == ("sent", NOON, "binline")
    line = shelf.the_line()
    assert (line["quantity"], line["asked"], line["cycle"], line["ordinal"]) == (1_500, 1_500, 1, 1)
    assert order["because"] == line["because"]
    assert order["because"] == (
        "412 on hand, minimum 500, up to 2,000; 1,588 wanted, 3 packs of 500 ordered."
    )
    (event,) = shelf.rows("order_events")
    assert (event["event"], event["actor"], event["detail"]) == (
        "sent",
        "binline",
        order["because"],
    )
    assert shelf.xid() > before  # open pages hear of it


def test_an_order_keeps_the_reading_and_the_rule_it_rests_on(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(412, NOON)
    assess_bin(conn, shelf.bin_id, NOON)
    evidence = shelf.the_line()["evidence"]
    stream = shelf.rows("streams")[0]["stream"].hex
    assert evidence == {
        "reading": {
            "gateway": "hartmann-1",
            "sensor": "s01",
            "stream": stream,
            "seq": 7,
            "measured_at": "2026-11-20T12:00:00Z",
            "received_at": "2026-11-20T12:00:00Z",
            "weight_mg": 350_000 + 412 * 4_200,
            "stability": 0,
        },
        "calibration": {"tare_mg": 350_000, "unit_weight_ug": 4_200_000},
        "level": {"pieces": 412, "exact": True, "at": "2026-11-20T12:00:00Z"},
        "rule": {"minimum": 500, "margin": 20, "capacity": 2_000, "pack": 500},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"heard_at": NOON - timedelta(minutes=4)},
        {"condition": "overload"},
        {"quality": 1},
        {"clock_trusted": False},
        {"weight_mg": None, "total": 12},
        {"weight_mg": 0},  # the bin is off its scale: not empty, absent
    ],
)
def test_on_a_number_that_is_not_trusted_nothing_is_ordered_and_nothing_is_closed(
    shelf: Any, conn: psycopg.Connection, changes: dict[str, object]
) -> None:
    shelf.weigh(100, NOON, **changes)
    assert assess_bin(conn, shelf.bin_id, NOON).outcome is Outcome.NOT_TRUSTED
    assert shelf.counts() == (0, 0, 0)

    shelf.weigh(100, NOON)
    assess_bin(conn, shelf.bin_id, NOON)
    before = shelf.rows("breaches"), shelf.rows("orders")
    shelf.weigh(1_900, NOON, **changes)
    assert assess_bin(conn, shelf.bin_id, NOON).outcome is Outcome.NOT_TRUSTED
    assert (shelf.rows("breaches"), shelf.rows("orders")) == before


def test_a_bin_never_heard_of_is_no_accident(shelf: Any, conn: psycopg.Connection) -> None:
    assert assess_bin(conn, shelf.bin_id, NOON).outcome is Outcome.NOT_TRUSTED


def test_a_refill_seen_by_the_scale_closes_the_order(shelf: Any, conn: psycopg.Connection) -> None:
    for minute, pieces in enumerate((480, 412, 400, 430, 1_900)):
        at = NOON + timedelta(minutes=minute)
        shelf.weigh(pieces, at)
        assessment = assess_bin(conn, shelf.bin_id, at)
    assert assessment.outcome is Outcome.CLOSED
    (breach,) = shelf.rows("breaches")
    assert (breach["opened_pieces"], breach["lowest_pieces"], breach["closed_pieces"]) == (
        480,
        400,
        1_900,
    )
    assert assessment.because == "refill seen by the scale: 1,470 came, 1,900 in the bin"
    order = shelf.the_order()
    assert (order["state"], order["ended_by"]) == ("closed", "scale")
    assert shelf.the_line()["received"] == 1_470  # two percent less than asked for are as good
    received, closed = shelf.rows("order_events")[-2:]
    assert (received["event"], received["actor"]) == ("received", "scale")
    assert received["detail"] == assessment.because
    assert (closed["event"], closed["detail"]) == ("closed", "1,470 of 1,500 came")


def test_a_bin_that_is_low_again_gets_a_new_order(shelf: Any, conn: psycopg.Connection) -> None:
    for pieces in (400, 1_900, 300):
        shelf.weigh(pieces, NOON)
        assess_bin(conn, shelf.bin_id, NOON)
    assert shelf.counts() == (2, 2, 2)
    assert [order["state"] for order in shelf.rows("orders ORDER BY number --")] == [
        "closed",
        "sent",
    ]


def test_an_order_waits_until_a_pack_fits(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.admin.execute("UPDATE items SET pack = 1600")
    shelf.weigh(450, NOON)
    first = assess_bin(conn, shelf.bin_id, NOON)
    assert first.outcome is Outcome.WAITING
    assert first.because == (
        "450 on hand, minimum 500, up to 2,000; 1 pack of 1,600 or more do not fit into 1,550."
    )
    assert shelf.counts() == (1, 0, 0)
    shelf.weigh(400, NOON)
    assert assess_bin(conn, shelf.bin_id, NOON).outcome is Outcome.ORDERED
    assert shelf.counts() == (1, 1, 1)


def test_a_breach_without_an_order_closes_too(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.admin.execute("UPDATE items SET pack = 1600")
    for pieces in (450, 1_000):
        shelf.weigh(pieces, NOON)
        assessment = assess_bin(conn, shelf.bin_id, NOON)
    assert assessment.outcome is Outcome.CLOSED
    assert shelf.rows("breaches")[0]["closed_at"] == NOON


def test_an_inactive_channel_is_not_told(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.admin.execute("UPDATE supplier_channels SET active = false")
    shelf.weigh(100, NOON)
    assert assess_bin(conn, shelf.bin_id, NOON).notices == 0
    assert shelf.counts() == (1, 1, 0)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 3)), min_size=1, max_size=8))
def test_the_same_reading_again_and_again_orders_once(
    shelf: Any, conn: psycopg.Connection, steps: list[tuple[int, int]]
) -> None:
    shelf.begin_anew()
    for pieces, repeats in steps:
        shelf.weigh(pieces, NOON)
        for _ in range(repeats):
            assess_bin(conn, shelf.bin_id, NOON)
    needs = [(line["cycle"], line["ordinal"]) for line in shelf.rows("order_lines")]
    breaches, orders, notices = shelf.counts()
    assert len(set(needs)) == len(needs) == orders == notices
    assert {cycle for cycle, _ in needs} <= {each["cycle"] for each in shelf.rows("breaches")}
    assert all(ordinal == 1 for _, ordinal in needs)
    assert orders <= breaches
    for line in shelf.rows("order_lines"):
        assert line["because"]
        assert (
            line["evidence"]["level"]["pieces"] + line["quantity"] <= 2_000
        )  # never past its room


def test_workers_who_see_the_same_bin_at_once_order_once(
    shelf: Any, database: Any, make_shelf: Callable[[str], Any]
) -> None:
    shelf.weigh(412, NOON)
    workers = 6
    start = threading.Barrier(workers)

    def work() -> list[Outcome]:
        with database.connect("binline_jobs") as conn:
            conn.autocommit = True
            start.wait(10)
            return [assess_bin(conn, shelf.bin_id, NOON).outcome for _ in range(20)]

    with ThreadPoolExecutor(workers) as threads:
        outcomes = [each.result() for each in [threads.submit(work) for _ in range(workers)]]
    assert sum(outcome is Outcome.ORDERED for each in outcomes for outcome in each) == 1
    assert shelf.counts() == (1, 1, 1)


def test_a_cut_in_the_middle_leaves_nothing_half_done(shelf: Any, database: Any) -> None:
    shelf.weigh(412, NOON)
    with database.connect("binline_jobs") as conn, conn.transaction(force_rollback=True):
        assert assess_bin(conn, shelf.bin_id, NOON).outcome is Outcome.ORDERED
    assert shelf.counts() == (0, 0, 0)


def test_a_bin_that_dwells_is_low_only_when_it_stays_so(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute(
        "INSERT INTO bin_policies (bin_id, dwell_s, dwell_levels) VALUES (%s, 120, 2)",
        (shelf.bin_id,),
    )
    seen = []
    for minute, pieces in enumerate((490, 505, 495, 494, 493)):
        at = NOON + timedelta(minutes=minute)
        shelf.weigh(pieces, at)
        seen.append(assess_bin(conn, shelf.bin_id, at).outcome)
    assert seen == [
        Outcome.FALLING,
        Outcome.UNCHANGED,  # it came back: the wait begins again
        Outcome.FALLING,
        Outcome.FALLING,
        Outcome.ORDERED,
    ]
    assert shelf.rows("breaches")[0]["opened_pieces"] == 493
