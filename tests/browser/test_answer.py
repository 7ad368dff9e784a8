"""From the mail to the answer: two presses, on any phone, with or without scripts."""

import pytest
from playwright.sync_api import expect

from tests.cloud.http.world import FERRO

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("width", [320, 1280])
def test_two_clicks_from_the_mail_to_the_answer(visit, served, scripts: bool, width: int) -> None:  # noqa: FBT001
    page = visit("", scripts=scripts, width=width)
    link = served.url + served.world.link("LND-R04-B2")
    page.set_content(f'<a href="{link}">Open the order</a>')
    page.click("text=Open the order")  # one
    page.click("button.primary")  # two
    expect(page.locator(".message")).to_contain_text("Thank you, answered.")
    assert served.world.order_state("LND-R04-B2") == "acknowledged"
    page.goto(link)
    assert page.locator("button").count() == 0
    assert not page.broken


def test_two_clicks_from_the_mail_to_a_day_that_is_promised(visit, served) -> None:
    page = visit("", width=320)
    link = served.url + served.world.link("LND-R04-B2")
    page.set_content(f'<a href="{link}">Open the order to answer it</a>')
    page.click("text=Open the order to answer it")  # one
    page.click("text=Confirm 1,500 for")  # two
    expect(page.locator(".message")).to_contain_text("Thank you, answered.")
    assert served.world.order_state("LND-R04-B2") == "confirmed"


def test_a_robot_that_opens_the_link_and_runs_its_scripts_answers_nothing(visit, served) -> None:
    page = visit(served.world.link("LND-R04-B2"))
    for link in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
        page.goto(link)
    page.goto(served.url + served.world.link("LND-R04-B2"))
    page.wait_for_timeout(3000)
    assert served.world.order_state("LND-R04-B2") == "sent"


@pytest.mark.parametrize("scripts", [True, False])
def test_a_supplier_answers_in_its_own_pages_at_the_width_of_a_phone(
    visit,
    served,
    scripts: bool,  # noqa: FBT001
) -> None:
    page = visit("/p", FERRO, scripts=scripts, width=320)
    page.click("text=Lock nut M8")
    expect(page.locator(".portal-list")).to_be_hidden()
    page.click("button.primary")
    expect(page.locator(".message")).to_contain_text(f"by {FERRO}")
    page.click("text=All orders")
    expect(page.locator(".portal-list")).to_be_visible()
    assert served.world.order_state("LND-R04-B2") == "acknowledged"
