"""What needs a person, as JSON."""

from datetime import timedelta

from tests.cloud.http.world import OPERATIONS


def test_the_list_is_by_the_time_left_and_names_one_thing_to_do(world, browser) -> None:
    world.a_morning()
    world.now += timedelta(minutes=2)
    told = browser(OPERATIONS).get("/api/cases").json()
    assert [case["bin"] for case in told] == ["LND-R03-C6", "LND-R01-A8"]
    assert [case["kind"] for case in told] == ["covered_late", "sensor_down"]
    assert [case["action"] for case in told] == ["expedite", "check_scale"]


def test_a_case_is_put_off_with_a_reason_and_a_time(world, browser) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    (empty, case) = visitor.get("/api/cases").json()
    until = (world.now + timedelta(hours=2)).isoformat()
    path = f"/api/cases/{case['key']}/snooze"
    assert visitor.post(path, json={"because": "repair at noon", "until": until}).status_code == 204
    assert visitor.get("/api/cases").json() == [empty]
    (snoozed,) = visitor.get("/api/cases?state=snoozed").json()
    assert (snoozed["snoozed_by"], snoozed["snoozed_because"]) == (OPERATIONS, "repair at noon")
    assert len(visitor.get("/api/cases?state=all").json()) == 2


def test_putting_off_without_a_reason_or_of_nothing_is_refused(world, browser) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    (_, case) = visitor.get("/api/cases").json()
    path, later = f"/api/cases/{case['key']}/snooze", "2027-01-01T00:00:00Z"
    assert visitor.post(path, json={"because": " ", "until": later}).status_code == 422
    assert (
        visitor.post(path, json={"because": "so", "until": "2020-01-01T00:00"}).status_code == 422
    )
    unknown = visitor.post("/api/cases/no_answer:77/snooze", json={"because": "so", "until": later})
    assert unknown.status_code == 404


def test_a_program_that_asks_by_the_former_name_is_sent_on_with_what_it_says(
    world, browser
) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    asked = visitor.get("/api/exceptions?state=all")
    assert (asked.status_code, asked.headers["location"]) == (308, "/api/cases?state=all")
    (_, case) = visitor.get("/api/cases").json()
    later = (world.now + timedelta(hours=2)).isoformat()
    path = f"/api/exceptions/{case['key']}/snooze"
    said = {"because": "repair at noon", "until": later}
    assert visitor.post(path, json=said, follow_redirects=True).status_code == 204
    assert len(visitor.get("/api/cases?state=snoozed").json()) == 1
