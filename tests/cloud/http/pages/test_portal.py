"""The supplier's pages."""

import re
from datetime import timedelta
from uuid import uuid4

from tests.cloud.http.world import FERRO, NORRBY


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_what_waits_is_listed_and_the_longest_waiting_is_open(world, browser) -> None:
    world.a_morning()
    page = text_of(browser(FERRO).get("/p").text)
    assert "To answer 2" in page
    assert "your number X-10858, our SKU 10858" in page
    assert "Acknowledge 4,000 pieces" in page


def test_one_press_answers_and_a_second_changes_nothing(world, browser) -> None:
    world.a_morning()
    visitor = browser(FERRO)
    path = f"/p/orders/{world.order_of('LND-R04-B2')}"
    for _ in range(2):
        answer = visitor.post(f"{path}/acknowledge")
        assert (answer.status_code, answer.headers["location"]) == (303, path)
    page = text_of(visitor.get(path).text)
    assert f"Answered 10:41 by {FERRO}" in page
    assert "Acknowledge 1,500" not in page
    with world.database.admin() as conn:
        events = conn.execute(
            "SELECT event, actor FROM order_events WHERE order_id = %s ORDER BY order_event_id",
            (world.order_of("LND-R04-B2"),),
        ).fetchall()
    assert events == [("sent", "binline"), ("acknowledged", FERRO)]


def test_opening_a_page_changes_nothing(world, browser) -> None:
    world.a_morning()
    path = f"/p/orders/{world.order_of('LND-R04-B2')}"
    assert browser(FERRO).get(path).status_code == 200
    assert browser(FERRO).get(f"{path}/acknowledge").status_code == 405
    assert world.order_state("LND-R04-B2") == "sent"


def test_a_closed_order_cannot_be_answered_and_says_so(world, browser) -> None:
    world.a_morning()
    world.weigh("LND-R04-B2", 1900, ago_s=1)
    world.assess("LND-R04-B2")
    visitor = browser(FERRO)
    path = f"/p/orders/{world.order_of('LND-R04-B2')}"
    assert "the scale saw 1,488 pieces come" in text_of(visitor.get(path).text)
    refused = visitor.post(f"{path}/acknowledge")
    assert refused.status_code == 409
    assert "The order is closed" in refused.text


def test_an_order_that_is_none_is_not_found(world, browser) -> None:
    assert browser(FERRO).get(f"/p/orders/{uuid4()}").status_code == 404
    assert browser(FERRO).post(f"/p/orders/{uuid4()}/acknowledge").status_code == 404


def test_a_level_that_is_not_fresh_is_not_called_now(world, browser) -> None:
    world.a_morning()
    world.now += timedelta(minutes=20)
    page = text_of(browser(FERRO).get(f"/p/orders/{world.order_of('LND-R04-B2')}").text)
    assert "Left now" not in page
    assert "last known, weighed 20 min ago ; nothing heard since" in page


def test_without_orders_the_page_is_calm(browser) -> None:
    page = text_of(browser(NORRBY).get("/p").text)
    assert "Nothing waits for you" in page
    assert "No order yet" in page
