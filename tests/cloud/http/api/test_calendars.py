"""The calendar of a supplier over the API: set by version, previewed; the supplier sees its own."""

from cloud.core.calendar_settings import read
from cloud.http.api.calendars import CALENDAR_EXAMPLE, EXAMPLE
from tests.cloud.http.world import FERRO, NOW, OPERATIONS

FERRO_CALENDAR = "/api/suppliers/1/calendar"


def test_it_is_set_by_version_and_says_what_it_comes_to(world, browser) -> None:
    ops = browser(OPERATIONS)
    empty = ops.get(FERRO_CALENDAR).json()
    assert (empty["supplier"], empty["version"], empty["chances"]) == ("Ferro AG", 0, [])
    said = ops.put(FERRO_CALENDAR, json={"version": 0, "because": "truck", **CALENDAR_EXAMPLE})
    assert said.status_code == 200
    assert (said.json()["version"], said.json()["gathers"]) == (1, True)
    # A Friday before 14:00 in Berlin; three working days, then the Thursday.
    assert said.json()["chances"][0] == EXAMPLE["chances"][0]  # type: ignore[index] # a list
    late = ops.put(FERRO_CALENDAR, json={"version": 0, **CALENDAR_EXAMPLE})
    assert late.status_code == 409
    (change,) = ops.get(f"{FERRO_CALENDAR}/history").json()
    assert (change["because"], change["version"]) == ("truck", 1)


def test_a_preview_keeps_nothing_and_tells_what_is_wrong(world, browser) -> None:
    ops = browser(OPERATIONS)
    preview = f"{FERRO_CALENDAR}/preview"
    assert len(ops.post(preview, json=CALENDAR_EXAMPLE).json()["chances"]) == 2
    assert ops.get(FERRO_CALENDAR).json()["version"] == 0
    wrong = ops.post(preview, json={**CALENDAR_EXAMPLE, "zone": "Mars"})
    assert [one["field"] for one in wrong.json()["mistakes"]] == ["zone"]


def test_the_supplier_reads_its_own_and_writes_none(world, browser) -> None:
    browser(OPERATIONS).put(FERRO_CALENDAR, json={"version": 0, **CALENDAR_EXAMPLE})
    ferro = browser(FERRO)
    assert ferro.get(FERRO_CALENDAR).json()["version"] == 1
    assert ferro.get("/api/suppliers/2/calendar").status_code == 404
    answer = ferro.put(FERRO_CALENDAR, json={"version": 1, **CALENDAR_EXAMPLE})
    assert answer.status_code == 404


def test_the_example_is_what_the_api_takes() -> None:
    assert read(CALENDAR_EXAMPLE, NOW).mistakes == ()
