"""How a bin is ordered for, in a browser: it says while one types what would come of it."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from tests.browser.test_nouns import accessible
from tests.cloud.http.world import FERRO, OPERATIONS

pytestmark = pytest.mark.browser

PAGE = "/bins/LND-R02-C7/ordering"  # 800 of 1,000, minimum 250


def test_it_says_while_one_types_what_would_be_ordered(visit) -> None:
    page = visit(PAGE, OPERATIONS)
    says = page.locator("#says")
    expect(says).to_contain_text("800 on hand; ordered from 250 on.")
    expect(page.get_by_label("Pieces in a container")).to_be_hidden()
    page.get_by_label("Ordered by").select_option("days_of_supply")
    expect(says).to_contain_text("3 fields do not hold")
    page.get_by_label("Order at, days left").fill("90")
    page.get_by_label("Order up to, days").fill("99")
    page.get_by_label("Used a day").fill("10")
    expect(says).to_contain_text("Order 200, 2 packs of 100")
    assert not page.broken
    page.reload()
    expect(says).to_contain_text("ordered from 250 on.")


def test_without_scripts_a_button_says_it(visit) -> None:
    page = visit(PAGE, OPERATIONS, scripts=False)
    page.get_by_label("Ordered by").select_option("two_bin")
    page.get_by_label("Pieces in a container").fill("900")
    page.get_by_role("button", name="See what comes of it").click()
    assert "1 of 2 empty" in page.locator("#says").inner_text()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("status").wait_for()
    assert page.get_by_label("Pieces in a container").input_value() == "900"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (320, "light")])
def test_the_pages_of_ordering_are_for_everybody(visit, width: int, scheme: str) -> None:
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    page = visit(PAGE, OPERATIONS, width=width, scheme=scheme)
    page.get_by_label("Pieces", exact=True).fill("300")
    page.get_by_label("First day").fill((today + timedelta(days=2)).isoformat())
    page.get_by_label("What for").fill("batch 4711")
    page.get_by_role("button", name="Plan it").click()
    page.get_by_role("status").wait_for()
    accessible(page)
    page.goto(page.url.split("/bins/")[0] + "/suppliers/1/calendar")
    expect(page.locator("#says")).to_contain_text("Nothing was said yet.")
    page.get_by_label("Holidays").fill(f"{today.year + 1}-12-24")
    expect(page.locator("#says")).to_contain_text("What is ordered until")
    accessible(page)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("status").wait_for()
    accessible(page)
    own = visit("/p/calendar", FERRO, width=width, scheme=scheme)
    expect(own.get_by_role("heading", name="Your calendar")).to_be_visible()
    accessible(own)
