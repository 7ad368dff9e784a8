"""Counts as JSON: entered, refused with what moved since, listed, and compared."""

from datetime import timedelta

import pytest

from tests.cloud.http.doubtful import move
from tests.cloud.http.world import FERRO, OPERATIONS

CODE = "LND-R04-B2"
URL = f"/api/bins/{CODE}/counts"


@pytest.fixture
def visitor(world, browser):
    world.weigh(CODE, 440)
    return browser(OPERATIONS)


def count(visitor, pieces: int, kind: str = "cycle", **more: object):
    given = {"kind": kind, "pieces": pieces, "because": "its turn"} | more
    return visitor.post(URL, json=given)


def test_a_count_says_what_we_held_the_bin_for(world, visitor) -> None:
    answer = count(visitor, 431)
    assert answer.status_code == 201
    assert answer.json() == {
        "counted": 431,
        "level": 440,
        "difference": 9,
        "counted_at": "2026-11-20T09:41:30Z",
    }
    (row,) = visitor.get(URL).json()["rows"]
    assert (row["by"], row["because"], row["difference"]) == (OPERATIONS, "its turn", 9)
    with world.database.admin() as conn:
        due = conn.execute("SELECT from_at FROM bin_follow JOIN bins USING (bin_id)"
                           " WHERE code = %s", (CODE,)).fetchone()  # fmt: skip
    assert due is not None, "whoever follows the bin does not look"


def test_what_moved_since_is_told_and_nothing_is_entered(world, visitor) -> None:
    move(world, CODE, 1, "usage", 460, 440)
    answer = count(visitor, 460, counted_at=(world.now - timedelta(hours=2)).isoformat())
    assert answer.status_code == 409
    assert answer.json()["moved"] == ["usage of 20 at 08:41:30 UTC"]
    assert visitor.get(URL).json()["rows"] == []
    assert count(visitor, 439, counted_at=world.now.isoformat()).status_code == 201


def test_a_weight_that_changed_since_is_enough_to_refuse(world, visitor) -> None:
    with world.database.admin() as conn:
        conn.execute("UPDATE bin_levels SET plateau_since = %s", (world.now,))
    answer = count(visitor, 440, counted_at=(world.now - timedelta(hours=1)).isoformat())
    assert answer.status_code == 409


def test_what_cannot_be_is_refused(world, visitor) -> None:
    assert count(visitor, 4_001).json()["type"].endswith("count_impossible")
    ahead = count(visitor, 4, counted_at=(world.now + timedelta(hours=1)).isoformat())
    assert (ahead.status_code, ahead.json()["mistakes"][0]["field"]) == (422, "counted_at")
    assert count(visitor, 4, because="  ").json()["mistakes"][0]["field"] == "because"
    assert count(visitor, 4, kind="guess").status_code == 422
    assert count(visitor, 4, counted_at="2026-11-20T09:00:00").status_code == 422, "no zone"
    assert visitor.get(URL).json()["rows"] == []


def test_two_counts_of_one_moment_are_one_too_many(world, visitor) -> None:
    at = (world.now - timedelta(seconds=5)).isoformat()
    assert count(visitor, 440, counted_at=at).status_code == 201
    again = count(visitor, 439, counted_at=at)
    assert again.json()["mistakes"][0]["allowed"] == "not the time of a count that is there"
    # "now" twice within the clock's tick: told as well, and no defect.
    assert count(visitor, 440).status_code == 201
    assert count(visitor, 440).status_code == 422


def test_accuracy_is_of_audits_and_cycle_counts_alone(world, visitor) -> None:
    nothing = visitor.get("/api/accuracy").json()
    assert (nothing["counts"], nothing["hit_rate"]) == (0, None)
    for seconds, pieces, kind in ((9, 400, "audit"), (8, 440, "cycle"), (7, 1, "correction")):
        at = (world.now - timedelta(seconds=seconds)).isoformat()
        assert count(visitor, pieces, kind, counted_at=at).status_code == 201
    found = visitor.get("/api/accuracy", params={"bin": CODE, "item": "10741"}).json()
    assert (found["counts"], found["hit_rate"]) == (2, 0.5)
    assert found["gross"] == pytest.approx(1 - 40 / 840, abs=1e-4)
    assert visitor.get("/api/accuracy?item=none").status_code == 404
    other = visitor.get("/api/accuracy", params={"site": "Hartmann Rail"}).json()
    assert other["counts"] == 0


def test_counts_are_no_business_of_a_supplier(world, visitor, browser) -> None:
    ferro = browser(FERRO)
    assert count(ferro, 1).status_code == 404
    assert ferro.get(URL).status_code == ferro.get("/api/accuracy").status_code == 404
