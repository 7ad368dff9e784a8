"""Orders in a browser: what a refused form leaves behind, and the list on a phone."""

import pytest
from playwright.sync_api import expect

from tests.cloud.http.world import FERRO, OPERATIONS

pytestmark = pytest.mark.browser

CODE = "LND-R04-B2"


@pytest.mark.parametrize("scripts", [True, False])
def test_a_refused_form_keeps_what_was_typed_and_says_beside_it_what_is_allowed(
    visit,
    served,
    scripts: bool,  # noqa: FBT001
) -> None:
    page = visit(f"/p/orders/{served.world.order_of(CODE)}", FERRO, scripts=scripts)
    page.click("text=Propose a change")
    page.fill("#change-pieces-1", "a thousand")
    page.fill("#change-day", "2027-01-15")
    page.fill("#change-because", "the rest is gone")
    page.click("button:has-text('Propose a change')")
    form = page.locator("details[open] form", has=page.locator("#change-day"))
    expect(form.get_by_role("alert")).to_contain_text("A quantity is a whole number of pieces")
    typed = [page.input_value(f"#change-{name}") for name in ("pieces-1", "day", "because")]
    assert typed == ["a thousand", "2027-01-15", "the rest is gone"]


def test_reloading_the_answer_to_a_form_gets_the_page_and_sends_nothing(visit, served) -> None:
    address = f"/orders/{served.world.order_label(CODE)}"
    page = visit(address, OPERATIONS)
    page.click("text=Cancel the order")
    page.fill("#cancel-because", " ")
    page.click("button:has-text('Cancel the order')")
    expect(page.get_by_role("alert")).to_contain_text("says why")
    assert page.url == f"{served.url}{address}#act-cancel"
    assert page.get_attribute(".as-of a", "href") == address
    sent = []
    page.on("request", lambda one: sent.append(one.method) if one.is_navigation_request() else None)
    page.reload()
    assert sent == ["GET"]
    expect(page.get_by_role("alert")).to_have_count(0)
    assert served.world.order_state(CODE) == "sent"
    assert not page.broken


def test_on_a_phone_every_cell_of_the_list_is_in_sight_and_named(visit, served) -> None:
    page = visit("/orders", OPERATIONS, width=390)
    outside = page.evaluate(
        "[...document.querySelectorAll('.stacks td')]"
        ".filter(one => one.getBoundingClientRect().right > innerWidth).length"
    )
    assert outside == 0
    named = page.evaluate(
        "[...document.querySelector('.stacks tbody tr').querySelectorAll('[data-label]')]"
        ".map(one => getComputedStyle(one, '::before').content)"
    )
    assert '"State"' in named
