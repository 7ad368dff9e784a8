"""Needs a person, as a page."""

from cloud.core.agreements import Side
from tests.cloud.http.world import OPERATIONS


def test_each_case_has_its_cause_and_one_main_button(world, browser) -> None:
    world.a_morning()
    world.say("LND-R02-C7", "overload", ago_s=1)
    page = browser(OPERATIONS).get("/exceptions").text
    assert "2 cases, the least time left first" in page
    assert "Hex bolt M8x30 at Lindau Pumps, R02-C7: The scale is overloaded." in page
    assert page.count("button little primary") == 2


def test_a_case_is_put_off_from_the_page_and_stands_below(world, browser) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    (case,) = visitor.get("/api/exceptions").json()
    path = f"/exceptions/{case['key']}/snooze"
    refused = visitor.post(path, data={"because": "", "span": "1h"})
    assert refused.status_code == 422
    assert "Putting something off takes a reason" in refused.text
    done = visitor.post(path, data={"because": "new scale comes", "span": "1d"})
    assert (done.status_code, done.headers["location"]) == (303, "/exceptions")
    page = visitor.get("/exceptions").text
    assert "Nothing needs a person" in page
    assert f"by {OPERATIONS}: new scale comes" in page


def test_the_wall_leads_there(world, browser) -> None:
    assert '<a href="/exceptions">Needs a person</a>' in browser(OPERATIONS).get("/wall").text


def test_what_is_proposed_and_what_ends_leads_to_the_agreement(world, browser) -> None:
    world.a_morning()
    agreement = world.agreement(valid_until="2026-11-30")
    world.proposal(agreement, Side.SUPPLIER, valid_until="2027-11-30")
    page = browser(OPERATIONS).get("/exceptions").text
    assert "Ends in 10 d" in page
    assert "The supplier proposes a change of the agreement of Lindau Pumps with Ferro AG" in page
    assert page.count(f'href="/agreements/{agreement}"') == 2
