from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.assess import assess_bin
from cloud.actions.measure import Group, Measured, measure
from cloud.postgres import asking

FROM = datetime(2026, 11, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TO = FROM + 28 * DAY


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        yield conn


def _move(shelf: Any, at: datetime, before: int, after: int, kind: str = "") -> None:
    kind = kind or ("usage" if after < before else "refill")
    shelf.admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, after_refs, because)"
        " SELECT bin_id, item_id, %s, %s, %s, %s, %s, %s, %s, '{1,1,1,1}', '' FROM bins"
        "  WHERE bin_id = %s",
        (kind, after - before, before, after, at, at, at, shelf.bin_id),
    )


def _one(conn: psycopg.Connection, group: Group = Group.SITE) -> Measured:
    (measured,) = measure(conn, FROM, TO, group)
    return measured


def test_of_a_bin_nobody_ever_heard_of_nothing_is_defined_and_nothing_is_zero(
    shelf: Any, conn: psycopg.Connection
) -> None:
    one = _one(conn)
    assert (one.fill_rate, one.availability, one.days_of_supply) == (None, None, None)
    assert (one.accuracy.hit_rate, one.cycle.response_hours_median) == (None, None)
    assert (one.zero_touch, one.rush, one.bullwhip, one.overstock_currency) == (None,) * 4
    assert one.coverage == 0.0


def test_a_time_begins_with_the_level_that_was_there(shelf: Any, conn: psycopg.Connection) -> None:
    _move(shelf, FROM - 9 * DAY, 0, 700, "opening")
    _move(shelf, FROM + 7 * DAY, 700, 0)  # for two days empty
    _move(shelf, FROM + 9 * DAY, 0, 2_000)
    shelf.weigh(2_000, TO)
    one = _one(conn)
    assert (one.stock_outs, one.empty) == (1, 2 * DAY)
    assert one.availability == pytest.approx(26 / 28)
    assert one.coverage == pytest.approx(1.0)
    # 700 in 28 days: 25 a day, so about 50 that nobody saw; and 80 days of supply.
    assert one.unseen == 50
    assert one.fill_rate == pytest.approx(700 / 750)
    assert one.days_of_supply == pytest.approx(80)
    (bin_,) = one.bins
    assert bin_.empty_times == ((FROM + 7 * DAY, FROM + 9 * DAY),)


def test_a_silence_is_taken_out_and_told_as_coverage(shelf: Any, conn: psycopg.Connection) -> None:
    _move(shelf, FROM, 0, 0, "opening")
    _move(shelf, FROM + HOUR, 0, 100)
    half = FROM + 14 * DAY
    shelf.admin.execute(
        "INSERT INTO bin_state (bin_id, sensor_id, heard_at, received_at) VALUES (%s, %s, %s, %s)",
        (shelf.bin_id, shelf.sensor_id, half - timedelta(minutes=3), half),
    )
    one = _one(conn)
    assert one.coverage == pytest.approx(0.5)
    assert one.availability == pytest.approx(1 - 1 / (14 * 24))


def test_a_gap_between_hours_that_were_heard_is_a_silence(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _move(shelf, FROM - DAY, 0, 100, "opening")
    for day in (0, 14):
        at = FROM + day * DAY
        shelf.admin.execute(
            "INSERT INTO rollups (sensor_id, hour, readings, conditions, heard_first_at,"
            " heard_last_at, weights) VALUES (%s, %s, 1, 0, %s, %s, 1)",
            (shelf.sensor_id, at, at, at),
        )
    shelf.weigh(100, TO)
    one = _one(conn)
    assert one.coverage == pytest.approx(0.5, abs=0.001)
    assert one.availability == 1.0


def test_orders_are_timed_from_placed_to_answered_to_refilled(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    for pieces, at in ((412, FROM), (1_900, FROM + 48 * HOUR), (300, FROM + 9 * DAY)):
        shelf.weigh(pieces, at)
        with database.connect("binline_jobs") as jobs:
            assess_bin(jobs, shelf.bin_id, at)
    shelf.admin.execute(
        "UPDATE orders SET answered_at = %s WHERE number = 1001", (FROM + 3 * HOUR,)
    )
    one = _one(conn, Group.SUPPLIER)
    cycle = one.cycle
    assert (cycle.response_hours_median, cycle.unanswered) == (3.0, 1)
    assert (cycle.cycle_hours_mean, cycle.cycle_hours_p90, cycle.open_orders) == (48.0, 48.0, 1)
    assert (one.zero_touch, one.rush) == (1.0, 0.0)
    shelf.admin.execute(
        "INSERT INTO order_events (order_id, at, event, actor) SELECT order_id, %s, 'accepted',"
        " 'ops@plant.test' FROM orders WHERE number = 1001",
        (FROM,),
    )
    assert _one(conn).zero_touch == 0.5


def test_counts_are_held_against_the_level_of_their_time(
    shelf: Any, conn: psycopg.Connection
) -> None:
    for hour, (kind, counted, level) in enumerate(
        (("audit", 100, 102), ("audit", 100, 90), ("audit", 50, None), ("tare", 0, 500))
    ):
        shelf.admin.execute(
            "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by,"
            " because, level_pieces) SELECT bin_id, item_id, %s, %s, %s, %s, 'ada', 'so', %s"
            " FROM bins",
            (kind, counted, FROM + hour * HOUR, FROM, level),
        )
    accuracy = _one(conn, Group.ITEM).accuracy
    assert accuracy.hit_rate == 0.5
    assert accuracy.gross == pytest.approx(1 - 12 / 200)


def test_overstock_is_worth_something_where_there_is_one_currency(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("UPDATE bins SET order_up_to = 1500")
    shelf.weigh(1_600, TO)
    one = _one(conn)
    assert (one.overstock.share_of_bins, one.overstock_currency) == (1.0, None)
    shelf.admin.execute("INSERT INTO item_prices SELECT item_id, 1200, 'EUR' FROM items")
    one = _one(conn)
    assert (one.overstock.value, one.overstock_currency) == (120_000, "EUR")


def test_bullwhip_is_of_whole_weeks_and_of_enough_of_them(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    level = 2_000
    for week, used in enumerate((100, 200, 100, 200)):
        _move(shelf, FROM + week * 7 * DAY, level, level - used)
        level -= used
    at = FROM + DAY
    shelf.weigh(400, at)
    with database.connect("binline_jobs") as jobs:
        assess_bin(jobs, shelf.bin_id, at)
    assert _one(conn).bullwhip == pytest.approx(168.75)  # 1,500 once in four; 421,875 by 2,500
    (short,) = measure(conn, FROM + DAY, TO, Group.SITE)
    assert short.bullwhip is None
