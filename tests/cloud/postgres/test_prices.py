from datetime import UTC, datetime
from typing import Any

from cloud.actions.assess import assess_bin
from cloud.postgres import prices

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_value_is_in_the_smallest_coin_and_rounded_up(shelf: Any, database: Any) -> None:
    (item,) = shelf.rows("items")
    with database.connect("binline_jobs") as conn:
        assert prices.value_of(conn, item["item_id"], 10) is None
        shelf.admin.execute("INSERT INTO item_prices VALUES (%s, 1234, 'EUR')", (item["item_id"],))
        assert prices.value_of(conn, item["item_id"], 10) == 124  # 1.234 euros
        shelf.admin.execute("UPDATE item_prices SET price_e4 = NULL, currency = NULL")
        assert prices.value_of(conn, item["item_id"], 10) is None


def test_an_order_is_worth_all_its_lines_and_nothing_known_where_a_price_is_missing(
    shelf: Any, database: Any
) -> None:
    shelf.weigh(412, NOON)
    with database.connect("binline_jobs") as conn:
        assess_bin(conn, shelf.bin_id, NOON)
        assert prices.value_of_order(conn, shelf.order_id()) is None
        shelf.admin.execute("INSERT INTO item_prices SELECT item_id, 1234, 'EUR' FROM items")
        conn.commit()
        assert prices.value_of_order(conn, shelf.order_id()) == 18_510  # 1,500 pieces
        shelf.admin.execute(
            "INSERT INTO order_lines SELECT (l).* FROM (SELECT jsonb_populate_record(l, jsonb"
            ' \'{"number": 2, "ordinal": 2, "quantity": 10}\') AS l FROM order_lines l) x'
        )
        assert prices.value_of_order(conn, shelf.order_id()) == 18_510 + 124
