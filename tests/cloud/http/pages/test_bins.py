"""The page of one bin."""

import re

from tests.cloud.http.world import OPERATIONS


def page_of(browser, code: str) -> str:
    text = browser(OPERATIONS).get(f"/bins/{code}").text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_a_fresh_level_with_its_order_and_what_it_rests_on(world, browser) -> None:
    world.a_morning()
    page = page_of(browser, "LND-R04-B2")
    assert "412 of 2,000 pieces" in page
    assert "Fresh. Heard 4 s ago." in page
    assert "Order RO-1002" in page
    assert "1,500 pieces from Ferro AG, 15 packs of 100" in page
    assert "412 on hand, minimum 500, up to 2,000; 1,588 wanted, 15 packs of 100 ordered." in page
    assert "Answered next not yet" in page
    assert "Weight on the scale 2,080.4 g" in page
    assert "Empty bin, one piece 350.0 g, 4.200 g" in page
    assert "Reading 01234567… no. " in page


def test_a_stale_level_is_called_the_last_known(world, browser) -> None:
    world.a_morning()
    page = page_of(browser, "LND-R01-A8")
    assert "343 of 1,000 pieces, last known" in page
    assert "Stale. Not heard of for 3 h, expected every 60 s." in page
    assert "Nothing is ordered on this number." in page
    assert "Fresh." not in page


def test_a_condition_is_a_row_without_a_number(world, browser) -> None:
    world.a_morning()
    world.say("LND-R02-C7", "overload", ago_s=2)
    page = page_of(browser, "LND-R02-C7")
    assert "Doubtful. The scale is overloaded." in page
    assert "overload" in page


def test_a_bin_never_heard_of_shows_no_number_at_all(world, browser) -> None:
    page = page_of(browser, "LND-R04-B2")
    assert "Never heard of." in page
    assert "No weight has come yet." in page
    assert " 0 of 2,000" not in page


def test_a_refill_closes_the_story(world, browser) -> None:
    world.a_morning()
    world.weigh("LND-R04-B2", 1900, ago_s=1)
    world.assess("LND-R04-B2")
    page = page_of(browser, "LND-R04-B2")
    assert "Closed" in page
    assert "1,488 pieces came" in page
    assert "closed without an answer" in page


def test_how_far_back_is_chosen_by_a_link_and_said(world, browser) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    day = visitor.get("/bins/LND-R04-B2").text
    month = visitor.get("/bins/LND-R04-B2?span=30d").text
    assert '<a class="chip" href="?span=24h" aria-current="true">24 hours</a>' in day
    assert '<a class="chip" href="?span=30d" aria-current="true">30 days</a>' in month
    assert "by the hour" in month
    assert "by the hour" not in day
    assert visitor.get("/bins/LND-R04-B2?span=1y").status_code == 422


def test_a_corrected_time_is_shown_and_said(world, browser) -> None:
    world.weigh("LND-R04-B2", 700, ago_s=90_000)
    with world.database.admin() as conn:
        conn.execute("UPDATE readings SET clock_trusted = false, corrected_at = %s", (world.now,))
        conn.execute("UPDATE bin_state SET heard_at = %s, measured_at = %s", [world.now] * 2)
    page = page_of(browser, "LND-R04-B2")
    assert "time corrected" in page
    assert "Fri 20 Nov 2026, 10:41:30 CET" in page
