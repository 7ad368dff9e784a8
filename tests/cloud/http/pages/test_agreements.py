"""Agreements as pages of both sides."""

import pytest

from cloud.core.agreements import Side
from tests.cloud.http.world import FERRO, OPERATIONS

LOW = "LND-R04-B2"


def test_the_list_says_what_waits_for_whom(world, browser) -> None:
    agreement = world.agreement(mode="auto", service="fill", target_per_mille=985)
    world.proposal(agreement, Side.SUPPLIER, answer_hours=3)
    ours = browser(OPERATIONS).get("/agreements").text
    assert "Lindau Pumps, Ferro AG" in ours
    assert "for you: 1 proposal" in ours
    assert "98.5 %" in ours
    theirs = browser(FERRO).get("/agreements").text
    assert "for the customer: 1 proposal" in theirs
    assert "Write one down" not in theirs


def test_without_any_agreement_each_side_is_told_what_it_would_be(world, browser) -> None:
    assert "Write the first one down" in browser(OPERATIONS).get("/agreements").text
    page = browser(FERRO).get("/agreements").text
    assert "Nothing is agreed on yet" in page
    assert "/agreements/new" not in page


def test_what_holds_stands_there_in_plain_words(world, browser) -> None:
    agreement = world.agreement(mode="auto", value_limit=50_000, valid_until="2026-12-01")
    for email in (OPERATIONS, FERRO):
        page = browser(email).get(f"/agreements/{agreement}").text
        assert "Orders leave by themselves up to a value of 500.00, in the currency of" in page
        assert "ends soon" in page
        assert "Contract 4711" in page


def test_an_agreement_is_written_down_by_a_form(world, browser) -> None:
    visitor = browser(OPERATIONS)
    form = {
        "site": "Lindau Pumps", "supplier": "Ferro AG", "because": "Contract 4711",
        "mode": "auto", "ownership": "owned", "valid_from": "2026-01-01", "value_limit": "500,50",
        "service": "fill", "target_percent": "98,5",
    }  # fmt: skip
    refused = visitor.post("/agreements/new", data={**form, "target_percent": "", "mode": "x"})
    assert refused.status_code == 422
    assert "a target and its kind, or neither" in refused.text
    assert "Contract 4711" in refused.text, "what was typed is kept"
    made = visitor.post("/agreements/new", data=form)
    assert made.status_code == 303, made.text
    page = visitor.get(made.headers["location"]).text
    assert "It is written down, and holds from now on." in page
    assert "up to a value of 500.50" in page
    assert visitor.post("/agreements/new", data={**form, "because": "other"}).status_code == 409


def test_one_side_proposes_and_the_other_accepts(world, browser) -> None:
    path = f"/agreements/{world.agreement()}"
    ferro, ours = browser(FERRO), browser(OPERATIONS)
    form = {"base": "1", "number": "1", "because": "Usage has doubled", f"minimum-{LOW}": "800"}
    refused = ferro.post(f"{path}/propose", data={**form, f"order_up_to-{LOW}": "2001"})
    assert refused.status_code == 422
    assert "at most the capacity 2,000" in refused.text
    assert 'value="2001"' in refused.text, "what was typed is kept"
    form[f"order_up_to-{LOW}"] = "2000"
    for _ in range(2):
        done = ferro.post(f"{path}/propose", data=form)
        assert (done.status_code, done.headers["location"]) == (303, f"{path}?done=proposed")
    mine = ferro.get(path).text
    assert "You propose: Usage has doubled" in mine
    assert "/accept" not in mine, "nobody answers their own"
    page = ours.get(path).text
    assert "The supplier proposes: Usage has doubled" in page
    assert "<b>500</b> / 2,000" in page
    assert "<b>800</b> / 2,000" in page
    assert "less than four weeks of usage are known" in page
    done = ours.post(f"{path}/proposals/1/accept")
    assert done.headers["location"] == f"{path}?done=accept"
    assert "version 2" in ours.get(path).text


def test_within_the_band_it_is_told_that_it_holds(world, browser) -> None:
    path = f"/agreements/{world.agreement()}"
    form = {
        "base": "1", "number": "1", "because": "A little more",
        f"minimum-{LOW}": "520", f"order_up_to-{LOW}": "2000",
    }  # fmt: skip
    done = browser(FERRO).post(f"{path}/propose", data=form)
    assert done.headers["location"] == f"{path}?done=held"
    assert "so it holds at once" in browser(FERRO).get(done.headers["location"]).text


@pytest.mark.parametrize(
    ("form", "status", "told"),
    [
        ({"base": "1", "because": " ", "answer_hours": "3"}, 422, "A proposal says why."),
        ({"base": "1", "because": "so"}, 422, "is agreed on already"),
        ({"base": "7", "because": "so", "answer_hours": "3"}, 409, "was changed since"),
        ({"base": "1", "because": "so", f"minimum-{LOW}": "few"}, 422, "a whole number"),
    ],
)
def test_a_proposal_that_cannot_be_is_refused_with_a_sentence(
    world, browser, form, status: int, told: str
) -> None:
    refused = browser(FERRO).post(f"/agreements/{world.agreement()}/propose", data=form)
    assert refused.status_code == status
    assert told in refused.text


def test_a_bin_that_was_changed_past_the_agreement_is_told(world, browser) -> None:
    path = f"/agreements/{world.agreement()}"
    assert "the bin has" not in browser(OPERATIONS).get(path).text
    with world.database.admin() as admin:
        admin.execute("UPDATE bins SET minimum = 333 WHERE code = %s", (LOW,))
    assert "the bin has 333 / 2,000" in browser(OPERATIONS).get(path).text


def test_what_was_agreed_stands_beside_what_was_reached_for_both_sides(world, browser) -> None:
    agreement = world.agreement(
        service="fill", target_per_mille=985, supply_days=12, stock_value=250_000
    )
    world.a_morning()
    for side in (OPERATIONS, FERRO):
        page = browser(side).get(f"/agreements/{agreement}").text
        assert "Agreed and achieved" in page
        for agreed in (
            "98.5 % of the pieces at once",
            "at most 12 days",
            "worth at most 2,500.00",
            "every order within 24 hours",
        ):
            assert f"agreed: {agreed}" in page
        assert "no more than 12 days of supply" in page, "the clause itself, as a sentence"
