"""What KPIs ask of the database: sums of days, weeks and orders of a time, of whom one may see."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.assess import assess_bin
from cloud.core.asked import Asked, Group
from cloud.core.bin_days import midnight
from cloud.postgres import asking, kpis
from cloud.postgres.kpis import NO_LONGER, One

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = date(2026, 11, 2)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        yield conn


def _day(shelf: Any, day: date, **changes: object) -> None:
    row: dict[str, object] = {
        "bin_id": shelf.bin_id, "day": day, "supplier_id": shelf.supplier_id,
        "item_id": shelf.rows("items")[0]["item_id"],
        "upto_at": datetime.combine(day + DAY, datetime.min.time(), UTC), "window_ms": 10,
        "known_ms": 10, "empty_ms": 0, "piece_hours": 1.5, "stock_outs": 0, "resumed_empty": False,
        "held": 7, "used": 3, "filled": 0, "counts": 0, "count_hits": 0, "counted": 0,
        "counted_off": 0, "counted_net": 0, **changes,
    }  # fmt: skip
    shelf.admin.execute(
        f"INSERT INTO bin_days ({', '.join(row)}) VALUES (%s{', %s' * (len(row) - 1)})",
        [*row.values()],
    )


def _of(first: date, last: date, **more: Any) -> Asked:
    return Asked(from_at=midnight(first), to_at=midnight(last + DAY), **more)


def test_a_stock_out_over_midnight_is_one_and_one_that_the_time_begins_with_counts(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _day(shelf, FIRST, stock_outs=1)
    _day(shelf, FIRST + DAY, stock_outs=1, resumed_empty=True)
    _day(shelf, FIRST + 2 * DAY, stock_outs=2, resumed_empty=True)

    def outs(first: date, last: date) -> int:
        (row,) = kpis.sums(conn, _of(first, last, group=Group.SITE))
        return row.stock_outs

    assert outs(FIRST, FIRST) == 1
    assert outs(FIRST, FIRST + 2 * DAY) == 2
    assert outs(FIRST + DAY, FIRST + 2 * DAY) == 2
    assert outs(FIRST + 2 * DAY, FIRST + 2 * DAY) == 2


def test_sums_are_of_the_time_and_hold_what_was_there_at_its_end(
    shelf: Any, conn: psycopg.Connection
) -> None:
    for number in range(4):
        _day(shelf, FIRST + number * DAY, held=number)
    (row,) = kpis.sums(conn, _of(FIRST, FIRST + 3 * DAY))
    assert (row.used, row.held, row.window_ms, row.piece_hours) == (12, 3, 40, 6.0)
    days = kpis.sums(conn, _of(FIRST - DAY, FIRST + 3 * DAY, group=Group.MONTH))
    assert [(one.period, one.used, one.held) for one in days] == [(date(2026, 11, 1), 12, 3)]


def test_a_bin_in_use_of_which_no_day_is_known_is_there_and_says_so(
    shelf: Any, conn: psycopg.Connection
) -> None:
    (row,) = kpis.sums(conn, _of(FIRST, FIRST))
    assert (row.bin_id, row.window_ms, row.held) == (shelf.bin_id, None, None)
    assert kpis.sums(conn, _of(FIRST, FIRST, supplier_id=shelf.supplier_id + 1)) == []
    shelf.admin.execute("UPDATE bins SET active = false")
    assert kpis.sums(conn, _of(FIRST, FIRST)) == []


def test_prices_are_the_books_or_the_suppliers_own(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.admin.execute("INSERT INTO item_prices SELECT item_id, 100, 'EUR' FROM items")
    shelf.admin.execute("UPDATE item_suppliers SET price_e4 = 80, currency = 'CHF'")
    (book,) = kpis.sums(conn, _of(FIRST, FIRST))
    (asked,) = kpis.sums(conn, _of(FIRST, FIRST, supplier_prices=True))
    assert (book.price_e4, book.currency) == (100, "EUR")
    assert (asked.price_e4, asked.currency) == (80, "CHF")


def test_an_order_is_told_by_what_was_weighed_of_it(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    for pieces, at in ((412, NOON), (1_900, NOON + 2 * DAY)):
        shelf.weigh(pieces, at)
        with database.connect("binline_jobs") as jobs:
            assess_bin(jobs, shelf.bin_id, at)
    day = Asked(from_at=NOON, to_at=NOON + DAY)
    later = Asked(from_at=NOON + timedelta(seconds=1), to_at=NOON + DAY)
    assert kpis.orders(conn, later) == []
    (line,) = kpis.orders(conn, day)
    assert (line.asked, line.received, line.sent_at) == (1_500, 1_488, NOON)
    assert line.came_at == NOON + 2 * DAY
    assert line.is_over
    assert kpis.orders(conn, day, One(key=line.site_id)) == [line]
    assert kpis.orders(conn, day, One(key=None)) == []
    others = Asked(from_at=NOON, to_at=NOON + DAY, supplier_id=shelf.supplier_id + 1)
    assert kpis.orders(conn, others) == []


def test_suppliers_are_found_by_name(shelf: Any, conn: psycopg.Connection) -> None:
    (name,) = kpis.supplier_names(conn)
    assert kpis.supplier_id(conn, name) == shelf.supplier_id
    assert kpis.supplier_name(conn, shelf.supplier_id) == name
    assert kpis.supplier_id(conn, "nobody") is None
    assert kpis.supplier_name(conn, -1) is None


def test_a_group_is_found_by_its_name(shelf: Any, conn: psycopg.Connection) -> None:
    (site,), (item,), (supplier,) = (shelf.rows(table) for table in ("sites", "items", "suppliers"))
    assert kpis.find(conn, Group.SITE, site["name"]) == One(key=site["site_id"])
    assert kpis.find(conn, Group.SITE, NO_LONGER) == One(key=None)
    assert kpis.find(conn, Group.ITEM, f"{item['sku']} {item['name']}") == One(key=item["item_id"])
    assert kpis.find(conn, Group.SUPPLIER, supplier["name"]) == One(key=supplier["supplier_id"])
    assert kpis.find(conn, Group.SUPPLIER, "nobody") is None
    assert kpis.find(conn, Group.WEEK, "2026-11-02") is None
