"""Signing in by hand, the way a person does."""

import pytest
from playwright.sync_api import expect

from tests.cloud.http.world import OPERATIONS, PASSWORD

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [True, False])
def test_in_and_out_again_by_keyboard(visit, scripts: bool) -> None:  # noqa: FBT001
    page = visit("/wall?state=low", scripts=scripts)
    expect(page.locator("#email")).to_be_focused()
    page.keyboard.type(OPERATIONS)
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("[role=alert]")).to_contain_text("do not belong together")
    expect(page.locator("#email")).to_have_value(OPERATIONS)
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/wall?state=low")
    page.click("text=Sign out")
    page.wait_for_url("**/login")


def test_the_colours_can_be_chosen_and_stay(visit) -> None:
    page = visit("/wall", OPERATIONS)
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.click("button[value=dark]")
    page.wait_for_load_state()
    dark = page.evaluate(background)
    assert light != dark
    page.goto(page.url.replace("/wall", "/orders"))
    assert page.evaluate(background) == dark
    page.click("button[value=auto]")
    page.wait_for_load_state()
    assert page.evaluate(background) == light
