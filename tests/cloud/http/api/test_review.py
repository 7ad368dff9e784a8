"""The review of a quarter as JSON."""

from datetime import timedelta

from tests.cloud.http.world import FERRO, OPERATIONS


def test_the_review_tells_the_quarter_its_months_and_what_went_another_way(world, browser) -> None:
    world.a_morning()
    world.now += timedelta(days=2)
    told = browser(OPERATIONS).get("/api/review?supplier=Ferro+AG&quarter=2026Q4").json()
    assert (told["supplier"], told["quarter"], told["is_over"]) == ("Ferro AG", "2026Q4", False)
    assert [month["first"] for month in told["months"]] == ["2026-10-01", "2026-11-01"]
    assert told["whole"]["orders"] == told["amiss"]["unanswered_in_all"] > 0
    assert told["before"]["orders"] == 0
    assert told == browser(FERRO).get("/api/review?quarter=2026Q4").json()


def test_the_quarter_that_runs_is_meant_if_none_is_said(world, browser) -> None:
    world.a_morning()
    assert browser(FERRO).get("/api/review").json()["quarter"] == "2026Q4"
    assert browser(OPERATIONS).get("/api/review").status_code == 404  # whose?
