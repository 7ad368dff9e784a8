"""Needs a person, as a page."""

import re
from datetime import timedelta

import pytest

from cloud.core.agreements import Side
from tests.cloud.http.world import OPERATIONS


def test_each_case_has_its_cause_and_one_main_button(world, browser) -> None:
    world.a_morning()
    world.say("LND-R02-C7", "overload", ago_s=1)
    page = browser(OPERATIONS).get("/cases").text
    assert "3 cases, the least time left first" in page
    assert "Hex bolt M8x30 at Lindau Pumps, R02-C7: The scale is overloaded." in page
    assert page.count("button little primary") == 3


def test_a_case_is_put_off_from_the_page_and_stands_below(world, browser) -> None:
    world.a_morning()
    world.weigh("LND-R03-C6", 2000)
    visitor = browser(OPERATIONS)
    (case,) = visitor.get("/api/cases").json()
    path = f"/cases/{case['key']}/snooze"
    refused = visitor.post(path, data={"because": "", "span": "1h"})
    assert refused.status_code == 422
    assert "Putting something off takes a reason" in refused.text
    done = visitor.post(path, data={"because": "new scale comes", "span": "1d"})
    assert (done.status_code, done.headers["location"]) == (303, "/cases")
    page = visitor.get("/cases").text
    assert "Nothing needs a person" in page
    assert f"by {OPERATIONS}: new scale comes" in page


def test_the_wall_counts_what_the_list_shows_and_says_the_same(world, browser) -> None:
    world.a_morning()
    world.say("LND-R02-C7", "overload", ago_s=1)
    world.now += timedelta(minutes=40)  # what was ordered is not answered
    for code in ("LND-R03-C6", "LND-R04-B2", "HRT-R09-B2"):
        world.weigh(code, 0)
    visitor = browser(OPERATIONS)
    listed = visitor.get("/api/cases").json()
    page = visitor.get("/wall").text
    assert len({case["kind"] for case in listed}) > 2
    assert f'data-part="needs-count">{len(listed)}</span>' in page
    titles = re.findall(r'<article class="need">.*?<h3>(.*?)</h3>', page, re.DOTALL)
    assert titles[: len(listed)] == [case["because"] for case in listed]
    url = f"/api/cases/{listed[0]['key']}/snooze"
    until = (world.now + timedelta(hours=1)).isoformat()
    assert visitor.post(url, json={"because": "known", "until": until}).status_code == 204
    assert f'data-part="needs-count">{len(listed) - 1}</span>' in visitor.get("/wall").text


def test_the_wall_leads_there(world, browser) -> None:
    assert '<a href="/cases">Needs a person</a>' in browser(OPERATIONS).get("/wall").text


def test_what_is_proposed_and_what_ends_leads_to_the_agreement(world, browser) -> None:
    world.a_morning()
    agreement = world.agreement(valid_until="2026-11-30")
    world.proposal(agreement, Side.SUPPLIER, valid_until="2027-11-30")
    page = browser(OPERATIONS).get("/cases").text
    assert "Ends in 10 d" in page
    assert "The supplier proposes a change of the agreement of Lindau Pumps with Ferro AG" in page
    assert page.count(f'href="/agreements/{agreement}"') == 2


def test_who_has_kept_the_former_address_is_led_to_the_list(world, browser) -> None:
    kept = browser(OPERATIONS).get("/exceptions")
    assert (kept.status_code, kept.headers["location"]) == (308, "/cases")


def test_the_list_is_called_the_same_in_the_menu_on_the_page_and_on_the_wall(
    world, browser
) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    page = visitor.get("/cases").text
    assert re.findall(r"<title>(.*?)</title>", page)[0].startswith("Needs a person")
    assert "<h1>Needs a person</h1>" in page
    for text in (page, visitor.get("/wall").text, visitor.get("/me").text):
        assert "xception" not in text
        assert re.search(r'href="/cases"[^>]*>(?:(?!</a>).)*Needs a person', text, re.DOTALL)


@pytest.mark.parametrize("path", ["/cases", "/orders", "/wall", "/sites/Lindau%20Pumps/history"])
def test_a_page_is_in_the_zone_of_its_sites_and_says_so_once(world, browser, path) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    page = visitor.get(path).text
    assert "UTC" not in page
    shown = re.sub(r'title="[^"]*"', "", page)
    assert len(re.findall(r"\bCET\b", shown)) == ("/history" not in path)
    with world.database.admin() as conn:
        conn.execute("UPDATE sites SET time_zone = 'America/Lima' WHERE name = 'Hartmann Rail'")
    page = visitor.get(path).text
    assert "CET" not in page, "one zone for all of them"
