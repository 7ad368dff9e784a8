"""The page behind the button of a mail."""

import re
from datetime import timedelta

from tests.cloud.http.world import OPERATIONS


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_one_link_opens_one_order_and_nothing_else(world, browser) -> None:
    world.a_morning()
    visitor = browser()
    page = text_of(visitor.get(world.link("LND-R04-B2")).text)
    assert "Please refill Lock nut M8" in page
    assert "your number X-10741, our SKU 10741" in page
    assert "412 of 2,000 (minimum 500)" in page
    assert "Fuse 10 A" not in page
    assert visitor.get("/p").status_code == 303
    assert not visitor.cookies


def test_opening_it_a_hundred_times_changes_nothing(world, browser) -> None:
    world.a_morning()
    visitor = browser()
    for method in ("GET", "HEAD", "OPTIONS"):
        for _ in range(5):
            visitor.request(method, world.link("LND-R04-B2"))
    assert world.order_state("LND-R04-B2") == "sent"


def test_the_button_answers_once_and_then_says_who_and_when(world, browser) -> None:
    world.a_morning()
    visitor = browser()
    link = world.link("LND-R04-B2")
    answer = visitor.post(link)
    assert (answer.status_code, answer.headers["location"]) == (303, link)
    assert "Thank you, answered." in visitor.get(link).text
    world.now += timedelta(hours=2)
    visitor.post(link)
    page = text_of(visitor.get(link).text)
    assert "Already answered 10:41 CET by Ferro AG, by the link in the mail" in page
    assert "Acknowledge 1,500" not in page


def test_the_other_button_promises_the_day_that_stands_on_it(world, browser) -> None:
    world.a_morning()
    visitor, link = browser(), world.link("LND-R04-B2")
    assert "Confirm 1,500 for Fri 27 Nov 2026" in text_of(visitor.get(link).text)
    assert visitor.post(link, data={"day": "2026-11-27"}).status_code == 303
    assert world.order_state("LND-R04-B2") == "confirmed"
    assert "Promised Fri 27 Nov 2026" in text_of(visitor.get(link).text)


def test_a_day_that_has_passed_is_offered_to_nobody(world, browser) -> None:
    world.a_morning()
    world.now += timedelta(days=8)
    page = browser().get(world.link("LND-R04-B2")).text
    assert "Acknowledge 1,500 pieces" in page
    assert "Confirm" not in page


def test_a_link_of_a_closed_order_says_that_nothing_is_left_to_do(world, browser) -> None:
    world.a_morning()
    link = world.link("LND-R04-B2")
    world.weigh("LND-R04-B2", 1900, ago_s=1)
    world.assess("LND-R04-B2")
    page = text_of(browser().get(link).text)
    assert "the scale saw 1,488 pieces come. Nothing is left to do." in page
    assert browser().post(link).status_code == 409


def test_an_expired_link_explains_itself(world, browser) -> None:
    world.a_morning()
    link = world.link("LND-R04-B2")
    world.now += timedelta(days=14, seconds=1)
    for answer in (browser().get(link), browser().post(link)):
        assert answer.status_code == 410
        assert "The link has expired" in answer.text
        assert "Log in to see the order" in answer.text
    assert world.order_state("LND-R04-B2") == "sent"


def test_a_link_with_one_letter_changed_opens_nothing(world, browser) -> None:
    world.a_morning()
    link = world.link("LND-R04-B2")
    for at in range(len("/a/"), len(link), 5):
        other = link[:at] + ("A" if link[at] != "A" else "B") + link[at + 1 :]
        answer = browser().get(other)
        assert answer.status_code in (404, 410)
        assert "Lock nut" not in answer.text


def test_the_link_helps_nobody_who_is_signed_in_as_somebody_else(world, browser) -> None:
    """It shows what it shows to whoever has it, and says nothing about the visitor's session."""
    world.a_morning()
    page = browser(OPERATIONS).get(world.link("LND-R04-B2")).text
    assert OPERATIONS not in page
