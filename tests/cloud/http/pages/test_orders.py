"""Orders as operations see them."""

import re

from tests.cloud.http.world import OPERATIONS


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
