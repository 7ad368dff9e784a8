"""Movements as JSON: newest first, page by page, and for a supplier without our words."""

from datetime import timedelta

import pytest

from tests.cloud.http.doubtful import move
from tests.cloud.http.world import FERRO, NORRBY, OPERATIONS

CODE = "LND-R04-B2"
URL = f"/api/bins/{CODE}/movements"


@pytest.fixture
def moved(world):
    world.weigh(CODE, 440)
    for hours, kind, before, after in (
        (9, "opening", 0, 500),
        (8, "usage", 500, 460),
        (7, "usage", 460, 440),
        (7, "correction", 440, 450),
        (6, "usage", 450, 440),
    ):
        move(world, CODE, hours, kind, before, after, because=f"{OPERATIONS} says {kind}")
    move(world, CODE, 6.5, "usage", 450, 445, replaced_at=world.now)
    return world


def test_a_movement_names_the_readings_it_rests_on(moved, browser) -> None:
    first = browser(OPERATIONS).get(URL).json()["rows"][0]
    assert (first["kind"], first["pieces"]) == ("usage", -10)
    assert (first["before"], first["after"]) == (450, 440)
    assert first["rests_on"]["after"] == {"stream": 1, "first_seq": 181, "last_seq": 185}
    assert first["known_at"] > first["confirmed_at"] > first["event_at"]


def test_pages_follow_each_other_without_a_gap_also_where_two_happened_at_once(
    moved, browser
) -> None:
    visitor = browser(OPERATIONS)
    kinds, cursor = [], ""
    for _ in range(10):
        page = visitor.get(URL, params={"limit": 1, "cursor": cursor}).json()
        kinds += [one["kind"] for one in page["rows"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert kinds == ["usage", "correction", "usage", "usage", "opening"]


def test_what_holds_adds_up_to_the_level_and_what_was_replaced_is_asked_for(moved, browser) -> None:
    visitor = browser(OPERATIONS)
    assert sum(one["pieces"] for one in visitor.get(URL).json()["rows"]) == 440
    replaced = visitor.get(URL, params={"replaced": True}).json()["rows"]
    assert [one["after"] for one in replaced] == [445]
    assert replaced[0]["replaced_at"] == "2026-11-20T09:41:30Z"


def test_from_is_within_and_to_is_not(moved, browser) -> None:
    at = (moved.now - timedelta(hours=8)).isoformat()
    later = (moved.now - timedelta(hours=7)).isoformat()
    rows = browser(OPERATIONS).get(URL, params={"from": at, "to": later}).json()["rows"]
    assert [one["after"] for one in rows] == [460]


def test_a_supplier_sees_what_moved_in_its_own_bin_and_not_in_whose_words(moved, browser) -> None:
    answer = browser(FERRO).get(URL)
    assert len(answer.json()["rows"]) == 5
    assert f"{OPERATIONS} says correction" not in answer.text
    assert browser(NORRBY).get(URL).status_code == 404


@pytest.mark.parametrize("cursor", ["x", "MjAy", "MjAyNi0xMS0yMCA1", "////"])
def test_a_cursor_that_is_none_of_ours_is_told(moved, browser, cursor: str) -> None:
    answer = browser(OPERATIONS).get(URL, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (422, "cursor_unknown")
