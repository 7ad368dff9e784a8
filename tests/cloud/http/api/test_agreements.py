"""Agreements as JSON, told to both sides alike."""

import pytest

from cloud.core.agreements import Side
from cloud.http.api.agreements import CLAUSES_EXAMPLE
from tests.cloud.http.world import FERRO, OPERATIONS

LOW = "LND-R04-B2"
NEW = {
    "site": "Lindau Pumps",
    "supplier": "Ferro AG",
    "because": "Contract 4711",
    "clauses": CLAUSES_EXAMPLE,
}


def limits_of(told) -> dict[str, tuple[int, int]]:
    return {one["bin"]: (one["minimum"], one["order_up_to"]) for one in told["limits"]}


def test_an_agreement_is_written_down_and_both_sides_are_told_the_same(world, browser) -> None:
    operations, supplier = browser(OPERATIONS), browser(FERRO)
    made = operations.post("/api/agreements", json=NEW)
    assert made.status_code == 201, made.text
    path = made.headers["location"]
    assert made.json()["clauses"] == CLAUSES_EXAMPLE
    assert limits_of(made.json())[LOW] == (500, 2_000)
    assert operations.post("/api/agreements", json=NEW).headers["location"] == path
    ours, theirs = operations.get(path).json(), supplier.get(path).json()
    assert ours == theirs
    (line,) = supplier.get("/api/agreements").json()
    assert (line["supplier"], line["validity"], line["bins"]) == ("Ferro AG", "valid", 3)
    another = operations.post("/api/agreements", json={**NEW, "because": "Contract 4712"})
    assert another.status_code == 409
    assert another.json()["title"] == "The site and the supplier have an agreement already"


def test_a_change_is_proposed_by_one_side_and_accepted_by_the_other(world, browser) -> None:
    operations, supplier = browser(OPERATIONS), browser(FERRO)
    path = f"/api/agreements/{world.agreement()}"
    said = {
        "base": 1,
        "number": 1,
        "because": "Usage has doubled",
        "clauses": {"answer_hours": 12},
        "limits": [{"bin": LOW, "minimum": 800, "order_up_to": 2_000}],
    }
    for _ in range(2):
        asked = supplier.post(f"{path}/proposals", json=said)
        assert (asked.status_code, asked.json()["state"]) == (201, "open")
    assert asked.json()["predicted"] is None, "nobody knows four weeks of that bin"
    own = supplier.post(f"{path}/proposals/1/accept")
    assert (own.status_code, own.json()["title"]) == (
        409,
        "It takes the other side to answer a proposal",
    )
    (line,) = operations.get("/api/agreements").json()
    assert (line["waits_for_you"], line["waits_for_them"]) == (1, 0)
    for _ in range(2):
        agreed = operations.post(f"{path}/proposals/1/accept").json()
    assert (agreed["version"], agreed["clauses"]["answer_hours"]) == (2, 12)
    assert limits_of(agreed)[LOW] == (800, 2_000)
    assert limits_of(agreed["versions"][0])[LOW] == (500, 2_000)
    settings = operations.get(f"/api/bins/{LOW}/settings").json()
    assert (settings["minimum"], settings["order_up_to"]) == (800, 2_000)
    late = supplier.post(f"{path}/proposals", json={**said, "number": 2})
    assert late.status_code == 409, "it was on version 1"


def test_what_is_declined_stays_on_record_and_changes_nothing(world, browser) -> None:
    agreement = world.agreement()
    number = world.proposal(agreement, Side.CUSTOMER, mode="auto")
    answered = browser(FERRO).post(f"/api/agreements/{agreement}/proposals/{number}/decline").json()
    (proposal,) = answered["proposals"]
    assert (answered["version"], proposal["state"]) == (1, "declined")
    assert proposal["answered_by"] == FERRO


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"clauses": {"mode": "never"}}, "mode"),
        ({"clauses": {"no_such": 1}}, "no_such"),
        ({"limits": [{"bin": LOW, "minimum": 9, "order_up_to": 9}]}, f"{LOW}.order_up_to"),
        ({"limits": [{"bin": "LND-R01-A8", "minimum": 1, "order_up_to": 9}]}, "LND-R01-A8"),
        ({"clauses": {"valid_from": "2026-12-24"}}, "valid_from"),
    ],
)
def test_what_cannot_be_agreed_on_is_told_by_field(world, browser, more, field: str) -> None:
    path = f"/api/agreements/{world.agreement()}/proposals"
    refused = browser(FERRO).post(path, json={"base": 1, "because": "so", **more})
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["mistakes"]] == [field]


def test_who_is_not_there_has_no_agreement(world, browser) -> None:
    refused = browser(OPERATIONS).post(
        "/api/agreements", json={**NEW, "site": "Nowhere", "supplier": "Nobody"}
    )
    assert [one["field"] for one in refused.json()["mistakes"]] == ["site", "supplier"]


def test_a_foreign_agreement_is_not_there_whatever_is_asked_of_it(world, browser) -> None:
    path = f"/api/agreements/{world.agreement('Hartmann Rail', 'Norrby')}"
    ferro = browser(FERRO)
    said = {"base": 1, "because": "so", "clauses": {"answer_hours": 1}}
    assert ferro.post(f"{path}/proposals", json=said).status_code == 404
    assert ferro.get(path).status_code == 404
    assert ferro.get("/api/agreements").json() == []
    assert ferro.get("/api/agreements/99999999999").status_code == 404


def test_a_supplier_who_is_not_shown_levels_is_told_none_anywhere(world, browser) -> None:
    world.a_morning()
    order = world.order_of(LOW)
    ferro = browser(FERRO)
    assert ferro.get(f"/api/bins/{LOW}").json()["pieces"] == 412
    world.agreement(shares_levels=False)
    told = ferro.get(f"/api/bins/{LOW}").json()
    assert (told["pieces"], told["weight_mg"], told["low_since"]) == (None, None, None)
    assert told["trust_because"] == "The agreement does not show the supplier what the bins hold."
    assert ferro.get(f"/api/bins/{LOW}/levels").json() == []
    assert "412 of 2,000" not in ferro.get(f"/p/orders/{order}").text
    ours = browser(OPERATIONS).get(f"/api/bins/{LOW}").json()
    assert ours["pieces"] == 412
    elsewhere = ferro.get("/api/bins/HRT-R02-A2").json()
    assert elsewhere["pieces"] == 1_091, "of another site nothing is withheld"
