"""The nouns over the API: listed in pages, added, changed by version, all mistakes told."""

from typing import Any

import pytest

from cloud.core.nouns import NOUNS, read
from cloud.http.api.nouns import EXAMPLES
from tests.cloud.http.world import FERRO, OPERATIONS

ITEM = {
    "sku": "00900",
    "name": "Rivet",
    "unit_weight_ug": 200_000,
    "price_e4": 415,
    "currency": "EUR",
}


def test_a_list_comes_in_pages_without_a_gap_or_a_double(world, browser) -> None:
    ops = browser(OPERATIONS)
    seen, cursor = [], ""
    while cursor is not None:
        page = ops.get("/api/bin-settings", params={"limit": 3, "cursor": cursor}).json()
        seen += [row["code"] for row in page["rows"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 8
    assert seen == sorted(seen)
    assert ops.get("/api/items", params={"cursor": "nonsense"}).status_code == 422
    assert ops.get("/api/items", params={"limit": 201}).status_code == 422


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"q": "hartmann"}, 3), ({"q": "norrby washer"}, 1), ({"q": "R04-B2"}, 1), ({"q": "%"}, 0),
        ({"site": "Lindau Pumps", "supplier": "Norrby"}, 2), ({"item": "10741"}, 1),
        ({"active": "false"}, 0),
    ],
)  # fmt: skip
def test_bins_are_found_by_what_they_refer_to(world, browser, asked, count: int) -> None:
    rows = browser(OPERATIONS).get("/api/bin-settings", params=asked).json()["rows"]
    assert len(rows) == count


def test_an_item_is_added_changed_and_its_value_is_for_operations_alone(world, browser) -> None:
    ops = browser(OPERATIONS)
    added = ops.post("/api/items", json=ITEM)
    assert added.status_code == 201
    item = added.json()
    address = f"/api/items/{item['id']}"
    changed = ops.patch(address, json={"version": item["version"], "price_e4": 500}).json()
    assert (changed["price_e4"], changed["version"]) == (500, item["version"] + 1)
    late = ops.patch(address, json={"version": item["version"], "name": "x"})
    assert late.status_code == 409
    assert late.json()["version"] == changed["version"]
    assert ops.patch(address, json={"name": "x"}).json()["type"].endswith("version_missing")
    code = "/api/bins/LND-R04-B2"
    version = ops.get(f"{code}/settings").json()["version"]
    assert ops.patch(code, json={"version": version, "item": "00900"}).status_code == 200
    seen = browser(FERRO).get(address).json()
    assert (seen["sku"], seen["price_e4"], seen["currency"]) == ("00900", None, None)


def test_who_supplies_an_item_is_seen_by_each_supplier_for_itself(world, browser) -> None:
    ops = browser(OPERATIONS)
    (known,) = ops.get("/api/items/1/suppliers").json()
    assert known["supplier"] == "Ferro AG"
    named: tuple[dict[str, Any], ...] = (
        {"supplier": "Ferro AG", "supplier_sku": "FE-1", "version": known["version"]},
        {"supplier": "Norrby", "supplier_sku": "NF-1"},
    )
    for one in named:
        line = {**one, "price_e4": 10, "currency": "EUR"}
        assert ops.put("/api/items/1/suppliers", json=line).status_code == 200
    again = ops.put("/api/items/1/suppliers", json={"supplier": "Norrby", "pack": 7, "version": 1})
    assert (again.json()["pack"], again.json()["supplier_sku"]) == (7, "NF-1")
    assert len(ops.get("/api/items/1/suppliers").json()) == 2
    answer = browser(FERRO).get("/api/items/1/suppliers")
    assert [row["supplier_sku"] for row in answer.json()] == ["FE-1"]


def test_every_mistake_is_told_at_once_as_a_problem(world, browser) -> None:
    answer = browser(OPERATIONS).post("/api/items", json={"sku": "x" * 50, "pack": 0, "hue": 1})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:binline:problem:not_as_allowed"
    assert {one["field"] for one in problem["mistakes"]} == {
        "sku", "name", "unit_weight_ug", "pack", "hue",
    }  # fmt: skip


def test_a_file_is_looked_at_then_taken_in(world, browser) -> None:
    ops = browser(OPERATIONS)
    content = b"code,minimum\nLND-R04-B2,400\n"
    plan = ops.post("/api/import?name=bins.csv", content=content).json()
    assert (plan["applied"], len(plan["changed"])) == (False, 1)
    done = ops.post(f"/api/import?name=bins.csv&mark={plan['mark']}", content=content).json()
    assert done["applied"] is True
    late = ops.post(f"/api/import?name=bins.csv&mark={plan['mark']}", content=content).json()
    assert (late["applied"], late["unchanged"]) == (False, 1)
    assert ops.get("/api/bins/LND-R04-B2/settings").json()["minimum"] == 400
    exported = ops.get("/api/export/bins.csv")
    assert exported.headers["content-disposition"] == 'attachment; filename="bins.csv"'
    assert "LND-R04-B2" in exported.text


def test_the_examples_of_the_documentation_are_allowed() -> None:
    for name, example in EXAMPLES.items():
        assert read(NOUNS[name], example).mistakes == ()
