"""Items and bins kept in a browser: searched while typing, edited, and taken in from a file."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.test_every_page import RULES
from tests.cloud.http.world import OPERATIONS

pytestmark = pytest.mark.browser


def accessible(page) -> None:
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_a_list_searches_while_one_types(visit) -> None:
    page = visit("/items", OPERATIONS)
    page.get_by_role("searchbox").press_sequentially("nut")
    expect(page.locator("#found tbody tr")).to_have_count(1)
    assert page.url.endswith("q=nut&shown=")
    page.get_by_role("searchbox").fill("no such thing")
    page.get_by_role("heading", name="Nothing matches").wait_for()
    assert not page.broken


def test_without_scripts_a_list_is_searched_by_enter(visit) -> None:
    page = visit("/bins", OPERATIONS, scripts=False)
    page.get_by_role("searchbox").fill("hartmann norrby")
    page.get_by_role("searchbox").press("Enter")
    assert page.locator("#found tbody tr").count() == 2


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (320, "light")])
def test_every_mistake_of_a_form_is_told_beside_its_field(visit, width: int, scheme: str) -> None:
    page = visit("/bins/LND-R04-B2/edit", OPERATIONS, width=width, scheme=scheme)
    page.get_by_label("Minimum").fill("9000")
    page.get_by_label("Item (SKU)").fill("none such")
    page.get_by_role("button", name="Save").click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "2 fields do not hold what is allowed" in alert.inner_text()
    assert page.get_by_label("Minimum").input_value() == "9000", "what was typed is kept"
    accessible(page)
    page.get_by_label("Minimum").fill("400")
    page.get_by_label("Item (SKU)").fill("10741")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("status").wait_for()
    page.get_by_role("link", name="History").click()
    page.get_by_text("Minimum: 500 →").wait_for()
    accessible(page)


def test_whoever_comes_second_is_told_what_changed_and_loses_nothing(visit) -> None:
    one, two = (visit("/bins/LND-R04-B2/edit", OPERATIONS) for _ in range(2))
    for page, minimum in ((one, "400"), (two, "450")):
        page.get_by_label("Minimum").fill(minimum)
        page.get_by_role("button", name="Save").click()
    alert = two.get_by_role("alert")
    alert.wait_for()
    assert "yours 450, now 400" in alert.inner_text()
    accessible(two)
    two.get_by_role("button", name="Save").click()
    two.get_by_role("status").wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_a_file_is_shown_first_and_then_taken_in(visit, width: int, scheme: str) -> None:
    def choose(content: str) -> None:
        page.get_by_label("File", exact=True).set_input_files(
            {"name": "items.csv", "mimeType": "text/csv", "buffer": content.encode("utf-8-sig")}
        )
        page.get_by_role("button", name="Show what would change").click()

    page = visit("/import", OPERATIONS, width=width, scheme=scheme)
    choose("sku;name;unit_weight_g\n00900;Rivet;heavy\n")
    page.get_by_role("alert").wait_for()
    assert "heavy" in page.get_by_role("table").inner_text()
    accessible(page)
    choose("sku;name;unit_weight_g\n00900;Rivet;0,2\n10741;Lock nut M8 A2;4,2\n")
    page.get_by_role("button", name="Take in 2 rows").wait_for()
    accessible(page)
    page.get_by_role("button", name="Take in 2 rows").click()
    page.get_by_role("status").wait_for()
    assert "1 new, 1 changed" in page.get_by_role("status").inner_text()
    choose("sku;name;unit_weight_g\n00900;Rivet;0,2\n10741;Lock nut M8 A2;4,2\n")
    page.get_by_text("nothing would change").wait_for()
