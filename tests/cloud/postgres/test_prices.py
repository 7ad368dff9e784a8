from typing import Any

from cloud.postgres import prices


def test_a_value_is_in_the_smallest_coin_and_rounded_up(shelf: Any, database: Any) -> None:
    (item,) = shelf.rows("items")
    with database.connect("binline_jobs") as conn:
        assert prices.value_of(conn, item["item_id"], 10) is None
        shelf.admin.execute("INSERT INTO item_prices VALUES (%s, 1234, 'EUR')", (item["item_id"],))
        assert prices.value_of(conn, item["item_id"], 10) == 124  # 1.234 euros
        shelf.admin.execute("UPDATE item_prices SET price_e4 = NULL, currency = NULL")
        assert prices.value_of(conn, item["item_id"], 10) is None
