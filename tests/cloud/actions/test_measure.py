from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.assess import assess_bin
from cloud.actions.measure import Measured, behind, empty_times, measure, weekly
from cloud.actions.sum_days import sum_marked
from cloud.core.asked import Asked, Group
from cloud.postgres import asking

FROM = datetime(2026, 11, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TO = FROM + 28 * DAY


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        yield conn


@pytest.fixture
def add_up(database: Any) -> Callable[[datetime], None]:
    """As whoever keeps the store does, at a time."""

    def add_up(now: datetime) -> None:
        with database.connect("binline_jobs") as jobs:
            jobs.autocommit = True
            while sum_marked(jobs, now):
                pass

    return add_up


def _move(shelf: Any, at: datetime, before: int, after: int, kind: str = "") -> None:
    kind = kind or ("usage" if after < before else "refill")
    shelf.admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, after_refs, because)"
        " SELECT bin_id, item_id, %s, %s, %s, %s, %s, %s, %s, '{1,1,1,1}', '' FROM bins"
        "  WHERE bin_id = %s",
        (kind, after - before, before, after, at, at, at, shelf.bin_id),
    )


def _one(conn: psycopg.Connection, group: Group = Group.SITE, **more: Any) -> Measured:
    (measured,) = measure(conn, Asked(from_at=FROM, to_at=TO, group=group, **more))
    return measured


def test_of_a_bin_nobody_ever_heard_of_nothing_is_defined_and_nothing_is_zero(
    shelf: Any, conn: psycopg.Connection
) -> None:
    one = _one(conn)
    assert (one.fill_rate, one.availability, one.days_of_supply) == (None, None, None)
    assert (one.accuracy.hit_rate, one.cycle.response_hours_median) == (None, None)
    assert (one.zero_touch, one.rush, one.bullwhip, one.currency) == (None,) * 4
    assert one.coverage == 0.0


def test_a_time_begins_with_the_level_that_was_there(
    shelf: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
) -> None:
    _move(shelf, FROM - 9 * DAY, 0, 700, "opening")
    _move(shelf, FROM + 7 * DAY, 700, 0)  # for two days empty
    _move(shelf, FROM + 9 * DAY, 0, 2_000)
    shelf.weigh(2_000, TO)
    add_up(TO)
    one = _one(conn)
    assert (one.stock_outs, one.empty) == (1, 2 * DAY)
    assert one.availability == pytest.approx(26 / 28)
    assert one.coverage == pytest.approx(1.0)
    # 700 in the 26 days in which there was anything to take: about 54 that nobody saw.
    assert one.unseen == 54
    assert one.fill_rate == pytest.approx(700 / 754)
    assert one.days_of_supply == pytest.approx(80)
    rows = behind(conn, Asked(from_at=FROM, to_at=TO), one.name)
    assert rows is not None
    (bin_,) = rows.bins
    assert (bin_.unseen, bin_.days_of_supply) == (one.unseen, one.days_of_supply)
    assert empty_times(conn, [bin_.bin.bin_id], Asked(from_at=FROM, to_at=TO)) == {
        bin_.bin.bin_id: ((FROM + 7 * DAY, FROM + 9 * DAY),)
    }


def test_a_silence_is_taken_out_and_told_as_coverage(
    shelf: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
) -> None:
    _move(shelf, FROM, 0, 0, "opening")
    _move(shelf, FROM + HOUR, 0, 100)
    half = FROM + 14 * DAY
    shelf.admin.execute(
        "INSERT INTO bin_state (bin_id, sensor_id, heard_at, received_at) VALUES (%s, %s, %s, %s)",
        (shelf.bin_id, shelf.sensor_id, half - timedelta(minutes=3), half),
    )
    add_up(TO)
    one = _one(conn)
    assert one.coverage == pytest.approx(0.5)
    assert one.availability == pytest.approx(1 - 1 / (14 * 24))


def test_a_gap_between_hours_that_were_heard_is_a_silence(
    shelf: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
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
    add_up(TO)
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
        "INSERT INTO order_events (order_id, at, event, actor) SELECT order_id, %s, 'approved',"
        " 'ops@plant.test' FROM orders WHERE number = 1001",
        (FROM,),
    )
    assert _one(conn).zero_touch == 0.5


def test_counts_are_held_against_the_level_of_their_time(
    shelf: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
) -> None:
    _move(shelf, FROM - DAY, 0, 100, "opening")
    for hour, (kind, counted, level) in enumerate(
        (("audit", 100, 102), ("audit", 100, 90), ("audit", 50, None), ("tare", 0, 500))
    ):
        shelf.admin.execute(
            "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by,"
            " because, level_pieces) SELECT bin_id, item_id, %s, %s, %s, %s, 'ada', 'so', %s"
            " FROM bins",
            (kind, counted, FROM + hour * HOUR, FROM, level),
        )
    add_up(TO)
    accuracy = _one(conn, Group.ITEM).accuracy
    assert accuracy.hit_rate == 0.5
    assert accuracy.gross == pytest.approx(1 - 12 / 200)


def test_overstock_is_worth_something_where_there_is_one_currency(
    shelf: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
) -> None:
    shelf.admin.execute("UPDATE bins SET order_up_to = 1500")
    _move(shelf, FROM, 0, 1_600, "opening")
    add_up(TO)
    one = _one(conn)
    assert (one.overstock.share_of_bins, one.currency) == (1.0, None)
    shelf.admin.execute("INSERT INTO item_prices SELECT item_id, 1200, 'EUR' FROM items")
    one = _one(conn)
    assert (one.overstock.value, one.currency) == (120_000, "EUR")
    # What the books say is nobody else's: where both sides look, its supplier's price counts.
    assert _one(conn, supplier_prices=True).currency is None


def test_turnover_is_use_of_a_year_by_what_lay_there(
    shelf: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
) -> None:
    _move(shelf, FROM - DAY, 0, 1_000, "opening")
    _move(shelf, FROM + 14 * DAY, 1_000, 440)
    add_up(TO)
    # 560 in 28 days are 7,300 a year; half of the time 1,000 lay there and half of it 440.
    turnover = _one(conn).turnover
    assert turnover.turns == pytest.approx(7_300 / 720)
    assert turnover.days == pytest.approx(36)


def test_bullwhip_is_of_whole_weeks_and_of_enough_of_them(
    shelf: Any, database: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
) -> None:
    _move(shelf, FROM - DAY, 0, 2_000, "opening")
    level = 2_000
    for week, used in enumerate((100, 200, 100, 200)):
        _move(shelf, FROM + week * 7 * DAY, level, level - used)
        level -= used
    at = FROM + DAY
    shelf.weigh(400, at)
    with database.connect("binline_jobs") as jobs:
        assess_bin(jobs, shelf.bin_id, at)
    add_up(TO)
    assert _one(conn).bullwhip == pytest.approx(168.75)  # 1,500 once in four; 421,875 by 2,500
    rows = behind(conn, Asked(from_at=FROM, to_at=TO), _one(conn).name)
    assert rows is not None
    assert [(ordered, used) for _, ordered, used in weekly(rows)] == [
        (1_500, 100),
        (0, 200),
        (0, 100),
        (0, 200),
    ]
    (short,) = measure(conn, Asked(from_at=FROM + DAY, to_at=TO))
    assert short.bullwhip is None


def test_what_was_said_of_a_week_is_held_against_what_came(
    shelf: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
) -> None:
    level = 10_000
    _move(shelf, FROM - 71 * DAY, 0, level, "opening")
    for week in range(-10, 4):
        used = 100 if week % 2 else 60
        _move(shelf, FROM + week * 7 * DAY + HOUR, level, level - used)
        level -= used
    add_up(TO)
    found = _one(conn).forecast
    assert found.weeks == 4
    assert found.rmsse == pytest.approx(0.5, abs=0.05)  # between 60 and 100 it says about 80
    assert found.bias == pytest.approx(0.0, abs=0.05)
    assert found.lead_time_wape == pytest.approx(0.25, abs=0.03)


def test_months_and_weeks_come_in_their_order_and_have_their_own_orders(
    shelf: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
) -> None:
    _move(shelf, FROM - 40 * DAY, 0, 100, "opening")
    _move(shelf, FROM + 25 * DAY, 100, 0)
    add_up(TO)
    asked = Asked(from_at=FROM - 20 * DAY, to_at=TO, group=Group.MONTH)
    months = measure(conn, asked)
    assert [(one.name, one.used) for one in months] == [("2026-10", 0), ("2026-11", 100)]
    assert months[0].coverage == 1.0
    weeks = measure(conn, Asked(from_at=FROM, to_at=TO, group=Group.WEEK))
    assert [one.used for one in weeks] == [0, 0, 0, 100]


def test_of_a_bin_that_changed_hands_each_supplier_has_its_own_time(
    shelf: Any, conn: psycopg.Connection, add_up: Callable[[datetime], None]
) -> None:
    _move(shelf, FROM - DAY, 0, 1_000, "opening")
    _move(shelf, FROM + DAY, 1_000, 900)
    _move(shelf, FROM + 20 * DAY, 900, 700)
    shelf.admin.execute("INSERT INTO suppliers (name) VALUES ('Norrby')")
    with shelf.admin.transaction():
        asking.because(shelf.admin, "another one", FROM + 14 * DAY)
        shelf.admin.execute(
            "UPDATE bins SET supplier_id ="
            " (SELECT supplier_id FROM suppliers WHERE name = 'Norrby')"
        )
    add_up(TO)
    asked = Asked(from_at=FROM, to_at=TO, group=Group.SUPPLIER)
    assert [(one.name, one.used) for one in measure(conn, asked)] == [
        ("Ferro AG 1", 100),
        ("Norrby", 200),
    ]
    asking.as_supplier(conn, shelf.supplier_id)
    (own,) = measure(conn, asked)
    assert (own.name, own.used) == ("Ferro AG 1", 100)


@pytest.mark.parametrize(
    ("group", "name"),
    [
        (Group.SITE, "Nowhere"),
        (Group.ITEM, ""),
        (Group.SUPPLIER, "Nobody"),
        (Group.MONTH, "2026-13"),
        (Group.MONTH, "2025-01"),
        (Group.WEEK, "2026-11-03"),
    ],
)
def test_behind_what_is_no_group_there_is_no_list(
    shelf: Any, conn: psycopg.Connection, group: Group, name: str
) -> None:
    assert behind(conn, Asked(from_at=FROM, to_at=TO, group=group), name) is None
