"""Orders as operations see them."""

import re

from tests.cloud.http.world import FERRO, OPERATIONS


def page_of(browser, address: str) -> str:
    text = browser(OPERATIONS).get(address).text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_open_orders_are_listed_with_who_waits_for_whom(world, browser) -> None:
    world.a_morning()
    page = page_of(browser, "/orders")
    assert "Open 3 To approve 0 Changes to answer 0 Not answered 3 Answered 0" in page
    assert "RO-1002 Lock nut M8 SKU 10741 R04-B2 Lindau Pumps Ferro AG 1,500 Not answered" in page


def test_an_answer_moves_an_order_to_the_next_list(world, browser) -> None:
    world.a_morning()
    browser().post(world.link("LND-R04-B2"), headers={"origin": "null"})
    assert "RO-1002" not in page_of(browser, "/orders?state=sent")
    page = page_of(browser, "/orders?state=answered")
    assert "RO-1002" in page
    assert "Ferro AG, by the link in the mail" in page


def test_an_empty_list_says_why_it_is_empty(browser) -> None:
    for state, words in (
        ("open", "No order is open"),
        ("sent", "Every order is answered"),
        ("answered", "No answered order waits for its refill"),
        ("ended", "No order has ended yet"),
    ):
        assert words in page_of(browser, f"/orders?state={state}")


def test_an_order_that_ended_tells_what_came(world, browser) -> None:
    world.a_morning()
    world.weigh("LND-R04-B2", 1900, ago_s=1)
    world.assess("LND-R04-B2")
    assert "1,488" in page_of(browser, "/orders?state=ended")


def test_a_line_that_left_is_told_to_us_and_never_to_the_supplier(world, browser) -> None:
    world.a_morning()
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO order_lines (order_id, number, bin_id, item_id, cycle, ordinal, asked,"
            " quantity, because, evidence)"
            " SELECT o.order_id, 2, bin_id, item_id, 9, 1, 800, 0, 'joins at 900', '{}'"
            "   FROM orders o, bins WHERE o.number = 1002 AND code = 'LND-R02-C7'"
        )
        (order_id,) = conn.execute("SELECT order_id FROM orders WHERE number = 1002").fetchone()
    page = page_of(browser, "/orders/RO-1002")
    assert re.search(r"Hex bolt M8x30 .* 800 left ", page)
    assert "and 1 more" not in page
    theirs = browser(FERRO).get(f"/p/orders/{order_id}").text
    assert "Lock nut M8" in theirs
    assert "Hex bolt M8x30" not in theirs.split('id="order"')[1]
