"""Targets and what was reached, as JSON: the same for both sides."""

from datetime import timedelta

from tests.cloud.http.world import FERRO, OPERATIONS


def test_both_sides_are_told_the_same_of_what_was_agreed_and_reached(world, browser) -> None:
    agreement = world.agreement(
        service="fill", target_per_mille=980, supply_days=20, stock_value=100_000
    )
    world.a_morning()
    world.now += timedelta(seconds=1)
    path = f"/api/agreements/{agreement}/reached"
    ours, theirs = browser(OPERATIONS).get(path).json(), browser(FERRO).get(path).json()
    assert ours == theirs
    assert (ours["site"], ours["supplier"], ours["version"]) == ("Lindau Pumps", "Ferro AG", 1)
    told = {one["title"]: one for one in ours["targets"]}
    assert list(told) == ["Fill", "Days of supply", "Mean stock", "Answers"]
    assert told["Fill"]["agreed"] == "98 % of the pieces at once"
    assert told["Fill"]["agreed_value"] == 0.98
    assert told["Answers"]["verdict"] == "unknown", "the day in which to answer is not over"
    assert browser(OPERATIONS).get("/api/agreements/9999/reached").status_code == 404


def test_kpis_by_agreement_and_the_review_say_it_too(world, browser) -> None:
    world.agreement(service="fill", target_per_mille=980)
    world.a_morning()
    world.now += timedelta(seconds=1)
    operations = browser(OPERATIONS)
    told = operations.get("/api/kpis?group=agreement").json()
    assert "Lindau Pumps, Ferro AG" in [one["name"] for one in told["groups"]]
    (one,) = told["agreements"]
    assert [target["title"] for target in one["targets"]] == ["Fill", "Answers"]
    assert operations.get("/api/kpis?group=site").json()["agreements"] == []
    (reviewed,) = operations.get("/api/review?supplier=Ferro+AG").json()["agreements"]
    assert reviewed["site"] == "Lindau Pumps"
    assert browser(FERRO).get("/api/review").json()["agreements"] == [reviewed]


def test_where_levels_are_not_shown_what_rests_on_them_is_not_told(world, browser) -> None:
    agreement = world.agreement(
        service="cycle", target_per_mille=900, supply_days=20, shares_levels=False
    )
    world.a_morning()
    world.now += timedelta(seconds=1)
    told = browser(FERRO).get(f"/api/agreements/{agreement}/reached").json()["targets"]
    assert {one["title"]: one["achieved"] for one in told if one["title"] != "Answers"} == {
        "Cycle service": "not known",
        "Days of supply": "not known",
    }
