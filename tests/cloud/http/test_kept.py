"""What is told of a change: to operations all, to a supplier what and not who."""

from cloud.core.nouns import NOUNS
from cloud.http.pages.nouns import COLUMNS
from tests.cloud.http.world import FERRO, NORRBY, OPERATIONS


def change(browser, code: str, **to: object) -> dict:
    ops = browser(OPERATIONS)
    version = ops.get(f"/api/bins/{code}/settings").json()["version"]
    return ops.patch(f"/api/bins/{code}", json={"version": version, **to}).json()


def test_a_supplier_reads_what_changed_of_its_bins_and_not_who_did_it(world, browser) -> None:
    change(browser, "LND-R04-B2", minimum=400, because="asked for by Ada")
    (newest, _) = browser(OPERATIONS).get("/api/bins/LND-R04-B2/history").json()
    assert newest["by"] == OPERATIONS
    assert newest["because"] == "asked for by Ada"
    assert newest["differences"] == [{"field": "minimum", "before": 500, "after": 400}]
    (newest, _) = browser(FERRO).get("/api/bins/LND-R04-B2/history").json()
    assert (newest["by"], newest["because"]) == ("operations", "")
    assert browser(NORRBY).get("/api/bins/LND-R04-B2/history").status_code == 404


def test_a_bin_that_changes_its_supplier_tells_neither_of_the_other(world, browser) -> None:
    change(browser, "LND-R04-B2", minimum=400)
    change(browser, "LND-R04-B2", supplier="Norrby", item="10439")
    change(browser, "LND-R04-B2", minimum=410)
    assert browser(FERRO).get("/api/bins/LND-R04-B2/history").status_code == 404
    answer = browser(NORRBY).get("/api/bins/LND-R04-B2/history")
    assert [one["differences"] for one in answer.json()] == [
        [{"field": "minimum", "before": 400, "after": 410}]
    ]
    assert "Ferro" not in answer.text
    (_, moved, *_) = browser(OPERATIONS).get("/api/bins/LND-R04-B2/history").json()
    assert {"field": "supplier", "before": "Ferro AG", "after": "Norrby"} in moved["differences"]


def test_what_a_list_shows_are_fields_of_its_noun() -> None:
    for name, columns in COLUMNS.items():
        assert set(columns) <= NOUNS[name].by_name.keys()
