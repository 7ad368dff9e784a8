"""A total says what its list comes to, by the definitions of the core: whatever happened."""

from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.measure import (
    WEEKS_MIN,
    WEIGHED_TOLERANCE,
    Behind,
    Measured,
    behind,
    forecasts,
    measure,
    weekly,
)
from cloud.actions.sum_days import sum_marked
from cloud.core import kpis
from cloud.core.asked import Asked, Group
from cloud.core.bin_days import midnight
from cloud.core.kpis import CountSums, Delivered, Demand, Held, OrderTimes, Turnover
from cloud.postgres import asking, kpi_sums

FIRST = date(2026, 9, 25)  # a Friday, before a month that is whole
FROM = midnight(FIRST)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAYS = 50
BINS = 4


@pytest.fixture
def store(shelf: Any) -> Any:
    """Three more bins beside the one on the shelf, of two suppliers and on two sites."""
    admin = shelf.admin
    admin.execute("INSERT INTO suppliers (name) VALUES ('Norrby')")
    admin.execute("INSERT INTO sites (name) VALUES ('Lindau Pumps')")
    admin.execute("INSERT INTO items (sku, name, unit_weight_ug) VALUES ('NB-7', 'Washer', 900000)")
    admin.execute("INSERT INTO item_prices SELECT item_id, 1200 + item_id % 2, 'EUR' FROM items")
    admin.execute(
        "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum)"
        " SELECT 'NB-' || n, (SELECT max(site_id) FROM sites) - n % 2,"
        "        (SELECT max(item_id) FROM items) - n / 3,"
        "        (SELECT max(supplier_id) FROM suppliers) - n % 2, 'R' || n, 60, 10"
        "   FROM generate_series(1, 3) n"
    )
    return shelf


BIN = st.integers(0, BINS - 1)
HOURS = st.integers(-200, DAYS * 24)
MOVES = st.lists(st.tuples(BIN, HOURS, st.integers(0, 90)), max_size=40)
# Nobody counts a bin twice at one moment: the database holds that.
COUNTS = st.lists(st.tuples(BIN, HOURS, st.integers(0, 90), st.integers(0, 90)), max_size=4,
                  unique_by=lambda one: one[:2])  # fmt: skip
ORDER = st.tuples(
    HOURS, st.booleans(),
    st.one_of(st.none(), st.integers(1, 90)),  # hours until the answer
    st.booleans(),  # is over
    st.lists(st.tuples(BIN, st.integers(1, 90), st.integers(0, 90), st.integers(0, 90)),
             min_size=1, max_size=3),
)  # fmt: skip
MOVED = st.lists(st.tuples(BIN, st.integers(1, DAYS - 1)), max_size=2)  # to another supplier
SAID = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 9), st.integers(1, 3)), min_size=36,
                max_size=36)  # fmt: skip


def _lay_out(shelf: Any, database: Any, story: Any) -> None:
    moves, counts, orders, changed, said = story
    admin = shelf.admin
    shelf.begin_anew()
    admin.execute("TRUNCATE counts")
    ids = [row["bin_id"] for row in shelf.rows("bins")]
    level = dict.fromkeys(ids, 0)
    opened: set[int] = set()
    for bin_, hours, after in sorted(moves, key=lambda one: one[1]):
        bin_id, at = ids[bin_], FROM + hours * HOUR
        kind = "usage" if after < level[bin_id] else "refill"
        kind = kind if bin_id in opened else "opening"
        opened.add(bin_id)
        admin.execute(
            "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
            " event_at, confirmed_at, known_at, after_refs, because)"
            " SELECT bin_id, item_id, %s, %s, %s, %s, %s, %s, %s, '{1,1,1,1}', '' FROM bins"
            "  WHERE bin_id = %s",
            (kind, after - level[bin_id], level[bin_id], after, at, at, at, bin_id),
        )
        level[bin_id] = after
    for bin_, hours, pieces, held in counts:
        at = FROM + hours * HOUR
        admin.execute(
            "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by,"
            " because, level_pieces) SELECT bin_id, item_id, 'audit', %s, %s, %s, 'ada', 'so', %s"
            " FROM bins WHERE bin_id = %s",
            (pieces, at, at, held, ids[bin_]),
        )
    for hours, rush, answered, over, lines in orders:
        _order(admin, ids, FROM + hours * HOUR, answered, lines, rush=rush, over=over)
    now = FROM + DAYS * DAY + 7 * HOUR
    with database.connect("binline_jobs") as jobs:
        jobs.autocommit = True
        while sum_marked(jobs, now):
            pass
    # As if it had been another supplier's from that day on.
    for bin_, days in changed:
        admin.execute(
            "UPDATE bin_days SET supplier_id = (SELECT max(supplier_id) FROM suppliers)"
            " WHERE bin_id = %s AND day >= %s",
            (ids[bin_], FIRST + days * DAY),
        )
        _sum_again(admin)
    for number, (pieces, square, lead) in enumerate(said):
        admin.execute(
            "UPDATE bin_weeks SET forecast = %s, square = nullif(%s, 0), lead_weeks = %s"
            " WHERE bin_id = %s AND week = date_trunc('week', %s::date) + %s * interval '7 days'",
            (pieces or None, square, lead, ids[number % BINS], FIRST, number // BINS),
        )


def _order(
    admin: psycopg.Connection, ids: list[int], at: datetime, answered: int | None, lines: Any,
    *, rush: bool, over: bool,
) -> None:  # fmt: skip
    order_id = uuid4()
    admin.execute(
        "INSERT INTO orders (order_id, supplier_id, site_id, state, because, drafted_at, sent_at,"
        " answered_at, ended_at, rush) SELECT %s, supplier_id, site_id, %s, '', %s, %s, %s, %s, %s"
        " FROM bins WHERE bin_id = %s",
        (
            order_id,
            "closed" if over else "sent",
            at,
            at,
            answered and at + answered * HOUR,
            at + 100 * HOUR if over else None,
            rush,
            ids[lines[0][0]],
        ),
    )
    if rush:
        admin.execute(
            "INSERT INTO order_events (order_id, at, event, actor)"
            " VALUES (%s, %s, 'approved', 'ada')",
            (order_id, at),
        )
    for number, (bin_, quantity, shipped, received) in enumerate(lines, start=1):
        admin.execute(
            "INSERT INTO order_lines (order_id, number, bin_id, item_id, asked, quantity, shipped,"
            " received, because, evidence, cycle, ordinal) SELECT %s, %s, bin_id, item_id, %s, %s,"
            " %s, %s, '', '{}', %s, %s FROM bins WHERE bin_id = %s",
            (
                order_id,
                number,
                quantity,
                quantity,
                shipped,
                received if over else 0,
                int(order_id.int % 2**30),
                number,
                ids[bin_],
            ),
        )


def _sum_again(admin: psycopg.Connection) -> None:
    from cloud.postgres import bin_days  # noqa: PLC0415

    rows = admin.execute("SELECT bin_id, min(day) FROM bin_days GROUP BY 1").fetchall()
    begun = {"bin_ids": [row[0] for row in rows], "firsts": [row[1] for row in rows]}
    admin.execute(bin_days._FORGET_PERIODS, begun)
    admin.execute(bin_days._KEEP_PERIODS, begun)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    story=st.tuples(MOVES, COUNTS, st.lists(ORDER, max_size=6), MOVED, SAID),
    first=st.integers(-3, 20),
    days=st.integers(1, DAYS),
)
def test_totals_say_what_the_rows_behind_them_come_to(
    store: Any, database: Any, story: Any, first: int, days: int
) -> None:
    _lay_out(store, database, story)
    from_at = FROM + first * DAY
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        for group in Group:
            asked = Asked(
                from_at=from_at,
                to_at=min(from_at + days * DAY, FROM + DAYS * DAY + 7 * HOUR),
                group=group,
            )
            _check(conn, asked)
        conn.rollback()
        asking.as_supplier(conn, store.supplier_id)
        for group in (Group.SITE, Group.SUPPLIER, Group.MONTH):
            _check(
                conn,
                Asked(
                    from_at=from_at,
                    to_at=from_at + days * DAY,
                    group=group,
                    supplier_id=store.supplier_id,
                    supplier_prices=True,
                ),
            )


def _check(conn: psycopg.Connection, asked: Asked) -> None:
    for one in measure(conn, asked):
        rows = behind(conn, asked, one.name)
        assert rows is not None, one.name
        _same(one, rows)


def _same(one: Measured, rows: Behind) -> None:
    bins, lines = rows.bins, rows.orders
    assert rows.asked == one.asked
    assert one.bin_count == len(bins)
    assert (one.used, one.unseen) == (sum(b.used for b in bins), sum(b.unseen for b in bins))
    assert one.stock_outs == sum(b.availability.stock_outs for b in bins)
    assert one.empty == sum((b.availability.empty for b in bins), timedelta())
    demand = Demand(demanded=one.used + one.unseen, served=one.used)
    assert one.fill_rate == kpis.fill_rate([demand]).unit
    known = sum(b.bin.known_ms for b in bins)
    assert one.availability == (
        pytest.approx(1 - sum(b.bin.empty_ms for b in bins) / known) if known else None
    )
    days = [b.days_of_supply for b in bins if b.days_of_supply is not None]
    assert one.days_of_supply == (pytest.approx(median(days)) if days else None)
    _same_stock(one, rows)
    counts = CountSums(
        counts=sum(b.bin.counts for b in bins),
        hits=sum(b.bin.count_hits for b in bins),
        physical=sum(b.bin.counted for b in bins),
        off=sum(b.bin.counted_off for b in bins),
        net=sum(b.bin.counted_net for b in bins),
    )
    assert (one.counts, one.accuracy) == (counts.counts, kpis.accuracy_of(counts))
    _same_orders(one, rows)
    told = kpis.forecast_accuracy(forecasts(rows.weeks).values())
    assert one.forecast.weeks == told.weeks
    for name in ("rmsse", "bias", "lead_time_wape"):
        assert getattr(one.forecast, name) == _near(getattr(told, name)), name
    weeks = weekly(rows)
    assert len(weeks) == 0 or len(weeks) >= WEEKS_MIN
    ratio = kpis.bullwhip([w[1] for w in weeks], [w[2] for w in weeks]) if weeks else None
    assert one.bullwhip == _near(ratio)
    assert len(lines) >= one.order_count


def _same_stock(one: Measured, rows: Behind) -> None:
    bins = [of.bin for of in rows.bins]
    held = [
        Held(on_hand=b.held, maximum=b.maximum, price=b.price_e4 or 0)
        for b in bins
        if b.held is not None and b.maximum is not None
    ]
    assert one.overstock == kpis.overstock(held)
    currencies = {b.currency for b in bins if b.price_e4 is not None}
    assert one.currency == (currencies.pop() if len(currencies) == 1 else None)
    alone = len({b.item_id for b in bins}) == 1
    used, stock = 0.0, 0.0
    for b in bins:
        price = 1 if alone else b.price_e4 if one.currency else None
        if price is not None and b.known_ms:
            used += max(0, b.used) * price * kpis.DAYS_PER_YEAR * 86_400_000 / b.known_ms
            stock += b.piece_hours / (b.known_ms / 3_600_000) * price
    turnover = kpis.turnover(round(used), stock) if stock else Turnover(turns=None, days=None)
    assert (one.turnover.turns, one.turnover.days) == (_near(turnover.turns), _near(turnover.days))


def _same_orders(one: Measured, rows: Behind) -> None:
    lines = rows.orders
    times = [
        OrderTimes(
            sent_at=line.sent_at,
            answered_at=line.answered_at,
            received_at=line.came_at,
            given_up=line.ended_at is not None and line.came_at is None,
            rush=line.rush,
            touches=line.touches,
        )
        for line in lines
    ]
    by_line = kpis.order_cycle(times)
    # Given up is an order when none of its lines came: else the line that did stands for it.
    whole: dict[Any, OrderTimes] = {}
    for line, time in zip(lines, times, strict=True):
        if line.order_id not in whole or not time.given_up:
            whole[line.order_id] = time
    by_order = kpis.order_cycle([*whole.values()])
    assert one.order_count == len(whole)
    assert one.cycle.response_hours_median == _near(by_order.response_hours_median)
    assert one.cycle.unanswered == by_order.unanswered
    assert one.cycle.cycle_hours_mean == _near(by_line.cycle_hours_mean)
    assert one.cycle.cycle_hours_p90 == _near(by_line.cycle_hours_p90)
    assert one.cycle.open_orders == by_line.open_orders
    assert (one.rush, one.zero_touch) == (
        kpis.rush_share([*whole.values()]),
        kpis.zero_touch_share([*whole.values()]),
    )
    assert one.delivered == kpis.order_accuracy(
        [
            Delivered(ordered=line.quantity, shipped=line.shipped, weighed=line.received)
            for line in lines
            if line.shipped and line.is_over
        ],
        tolerance_pieces=WEIGHED_TOLERANCE,
    )


def _near(value: float | None) -> Any:
    return None if value is None else pytest.approx(value)


def test_what_is_sorted_of_many_bins_stays_in_memory_for_one_transaction(database: Any) -> None:
    with database.connect("binline_portal") as conn:
        before = conn.execute("SHOW work_mem").fetchone()
        kpi_sums.with_room(conn)
        assert conn.execute("SHOW work_mem").fetchone() == ("64MB",)
        conn.rollback()
        assert conn.execute("SHOW work_mem").fetchone() == before


def test_a_bin_that_changed_what_it_holds_is_of_each_item_for_its_time(
    store: Any, database: Any
) -> None:
    """It is not told once more as a bin of the new item of which there is no day."""
    store.begin_anew()
    at = datetime(2026, 10, 1, tzinfo=UTC)
    store.admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, after_refs, because)"
        " SELECT bin_id, item_id, 'opening', 40, 0, 40, %s, %s, %s, '{1,1,1,1}', '' FROM bins"
        "  WHERE bin_id = %s",
        (at, at, at, store.bin_id),
    )
    with database.connect("binline_jobs") as jobs:
        jobs.autocommit = True
        while sum_marked(jobs, at + 9 * DAY):
            pass
    item = store.admin.execute("SELECT max(item_id) FROM items").fetchone()[0]
    store.admin.execute("UPDATE bin_days SET item_id = %s WHERE bin_id = %s", (item, store.bin_id))
    asked = Asked(from_at=at, to_at=at + 9 * DAY, group=Group.ITEM)
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        _check(conn, asked)
        told = [one.bin_count for one in measure(conn, asked)]
    assert sum(told) == BINS
