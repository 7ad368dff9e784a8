"""KPIs as JSON."""

from datetime import timedelta

import pytest

from tests.cloud.http.world import OPERATIONS


def test_kpis_are_of_the_last_four_weeks_by_site_if_nothing_is_said(world, browser) -> None:
    world.a_morning()
    world.now += timedelta(seconds=1)
    told = browser(OPERATIONS).get("/api/kpis").json()
    assert (told["from_at"], told["to_at"]) == ("2026-10-24T00:00:00Z", "2026-11-20T09:41:31Z")
    assert [one["name"] for one in told["groups"]] == ["Hartmann Rail", "Lindau Pumps"]
    lindau = told["groups"][1]
    assert (lindau["bins"], lindau["orders"], lindau["unanswered"]) == (5, 2, 2)
    assert lindau["response_hours_median"] is None
    assert lindau["bullwhip"] is None


def test_they_are_by_item_and_by_supplier_too(world, browser) -> None:
    visitor = browser(OPERATIONS)
    items = visitor.get("/api/kpis?group=item").json()["groups"]
    assert len(items) == 8
    suppliers = visitor.get("/api/kpis?group=supplier&from=2026-11-01&to=2026-11-10").json()
    assert [one["name"] for one in suppliers["groups"]] == ["Ferro AG", "Norrby"]
    assert suppliers["to_at"] == "2026-11-11T00:00:00Z"


@pytest.mark.parametrize(
    "query",
    ["from=2026-11-10&to=2026-11-01", "from=2020-01-01", "from=yesterday", "group=planet"],
)
def test_a_time_that_cannot_be_is_refused(browser, query: str) -> None:
    assert browser(OPERATIONS).get(f"/api/kpis?{query}").status_code == 422
