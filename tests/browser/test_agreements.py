"""A change is proposed by one side and accepted by the other, in two browsers."""

import pytest
from playwright.sync_api import expect

from cloud.core.agreements import Side
from tests.browser.test_nouns import accessible
from tests.cloud.http.world import FERRO, OPERATIONS

pytestmark = pytest.mark.browser

LOW = "LND-R04-B2"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_a_supplier_proposes_and_operations_accept(visit, served, width: int, scheme: str) -> None:
    agreement = served.world.agreement(mode="auto")
    supplier = visit("/p", FERRO, width=width, scheme=scheme)
    supplier.get_by_role("link", name="Agreements").click()
    supplier.get_by_role("link", name="Lindau Pumps").click()
    supplier.get_by_text("Propose a change").click()
    supplier.get_by_label("Why").fill("Usage has doubled")
    supplier.get_by_label(f"Minimum of {LOW}").fill("2000")
    supplier.get_by_role("button", name="Propose", exact=True).click()
    expect(supplier.get_by_text("less than the capacity 2,000")).to_be_visible()
    assert supplier.get_by_label("Why").input_value() == "Usage has doubled", "what was typed stays"
    accessible(supplier)
    supplier.get_by_label(f"Minimum of {LOW}").fill("800")
    supplier.get_by_role("button", name="Propose", exact=True).click()
    expect(supplier.get_by_role("status")).to_contain_text("when the customer accepts it")
    assert supplier.get_by_role("button", name="Accept").count() == 0
    accessible(supplier)

    ours = visit("/cases", OPERATIONS, width=width, scheme=scheme)
    ours.get_by_role("link", name="Open agreement").click()
    expect(ours.get_by_role("heading", name="Usage has doubled")).to_be_visible()
    accessible(ours)
    ours.get_by_role("button", name="Accept proposal 1").click()
    expect(ours.get_by_role("status")).to_contain_text("The new version holds")
    ours.goto(f"{served.url}/bins/{LOW}/edit")
    assert ours.get_by_label("Minimum").input_value() == "800"
    supplier.goto(f"{served.url}/agreements/{agreement}")
    expect(supplier.get_by_text("version 2", exact=True)).to_be_visible()
    assert not ours.broken
    assert not supplier.broken


def test_without_scripts_a_proposal_is_declined(visit, served) -> None:
    agreement = served.world.agreement()
    served.world.proposal(agreement, Side.CUSTOMER, answer_hours=2)
    page = visit(f"/agreements/{agreement}", FERRO, scripts=False)
    page.get_by_role("button", name="Decline proposal 1").click()
    expect(page.get_by_role("status")).to_contain_text("Nothing was changed")
