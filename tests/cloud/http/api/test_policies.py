"""How a bin is ordered for over the API: set by version, previewed, planned, taken over."""

import pytest

from cloud.core.breaches import Dwell
from cloud.core.nouns import read
from cloud.core.policy_settings import POLICY
from cloud.http.api.policies import EXAMPLE, PLANNED_EXAMPLE, SAYS_EXAMPLE, SET_EXAMPLE
from cloud.postgres import breaches
from tests.cloud.http.world import OPERATIONS

BIN = "/api/bins/LND-R04-B2"  # minimum 500 of 2,000, packs of 100
ROOMY = "/api/bins/LND-R02-C7"  # 800 of 1,000, minimum 250


def test_what_is_set_is_answered_with_what_it_says_now(world, browser) -> None:
    world.a_morning()
    ops = browser(OPERATIONS)
    found = ops.get(f"{ROOMY}/policy").json()
    assert (found["version"], found["policy"], found["estimate"]) == (0, "min_max", None)
    assert found["says"]["outcome"] == "wait"
    assert found["says"]["because"] == "800 on hand; ordered from 250 on."
    set_ = ops.patch(
        f"{ROOMY}/policy",
        json={"version": 0, "policy": "two_bin", "container": 900, "because": "cards"},
    )
    assert set_.status_code == 200
    assert (set_.json()["version"], set_.json()["says"]["outcome"]) == (1, "place")
    assert "1 of 2 empty" in set_.json()["says"]["because"]
    (change,) = ops.get(f"{ROOMY}/policy/history").json()
    assert (change["because"], change["by"], change["new"]) == ("cards", OPERATIONS, True)
    assert change["after"]["parameters"] == {"container": 900, "containers": 2}


def test_an_order_on_its_way_is_held_against_what_would_be_ordered(world, browser) -> None:
    world.a_morning()
    says = browser(OPERATIONS).get(f"{BIN}/policy").json()["says"]
    assert says["outcome"] == "wait"
    assert "is on its way" in says["because"]


def test_what_changed_meanwhile_and_what_is_wrong_is_told(world, browser) -> None:
    ops = browser(OPERATIONS)
    assert ops.patch(f"{BIN}/policy", json={"moq": 5}).json()["type"].endswith("version_missing")
    ops.patch(f"{BIN}/policy", json={"version": 0, "moq": 5})
    late = ops.patch(f"{BIN}/policy", json={"version": 0, "moq": 6})
    assert (late.status_code, late.json()["version"]) == (409, 1)
    assert "moq" in late.json()["fields"]
    wrong = ops.patch(f"{BIN}/policy", json={"version": 1, "policy": "can_order", "can_order": 9})
    assert wrong.status_code == 422
    (mistake,) = wrong.json()["mistakes"]
    assert mistake["allowed"] == "from the minimum 500 to below the order-up-to level 2000"


def test_the_dwell_that_is_set_is_the_one_a_bin_is_watched_by(world, browser) -> None:
    ops = browser(OPERATIONS)
    set_ = ops.patch(f"{BIN}/policy", json={"version": 0, "dwell_s": 600, "dwell_levels": 3})
    assert (set_.json()["dwell_s"], set_.json()["dwell_levels"]) == (600, 3)
    with world.database.connect("binline_jobs") as conn:
        bin_id = conn.execute("SELECT bin_id FROM bins WHERE code = 'LND-R04-B2'").fetchone()[0]
        assert breaches.dwell_of(conn, bin_id) == Dwell(seconds=600, levels=3)
    other = ops.patch(f"{BIN}/policy", json={"version": 1, "moq": 5}).json()
    assert (other["dwell_s"], other["dwell_levels"]) == (600, 3)
    (change, _) = ops.get(f"{BIN}/policy/history").json()
    assert change["after"]["dwell_s"] == 600


def test_a_preview_keeps_nothing(world, browser) -> None:
    world.a_morning()
    ops = browser(OPERATIONS)
    says = ops.post(
        f"{ROOMY}/policy/preview",
        json={"policy": "days_of_supply", "days_min": 90, "days_max": 99,
              "rate_milli_per_day": 10_000},
    ).json()  # fmt: skip
    assert (says["outcome"], says["quantity"], says["low_at"]) == ("place", 200, 900)
    assert ops.get(f"{ROOMY}/policy").json()["version"] == 0


def test_a_suggestion_is_shown_and_taken_over(world, browser) -> None:
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO bin_parameters (bin_id, computed_at, target_permille, method, learning,"
            " rate_milli_per_day, spread, minimum, order_up_to, because)"
            " SELECT bin_id, %s, 950, 'history', false, 1, 1, 700, 1900, 'as used' FROM bins"
            " WHERE code = 'LND-R04-B2'",
            (world.now,),
        )
    ops = browser(OPERATIONS)
    assert ops.get(f"{BIN}/policy").json()["suggested"] == {"minimum": 700, "order_up_to": 1900}
    taken = ops.post(f"{BIN}/policy/take-over").json()
    assert (taken["minimum"], taken["order_up_to"], taken["suggested"]) == (700, 1900, None)
    assert ops.post(f"{BIN}/policy/take-over").status_code == 409


def test_usage_is_planned_and_withdrawn(world, browser) -> None:
    ops = browser(OPERATIONS)
    plan = {"from_day": "2026-11-21", "pieces": 800, "because": "batch 4711"}
    made = ops.post(f"{BIN}/planned-usage", json=plan)
    assert made.status_code == 201
    assert made.json()["to_day"] == "2026-11-21"
    number = made.json()["planned_usage_id"]
    assert ops.post(f"{BIN}/planned-usage/{number}/withdraw").status_code == 204
    (row,) = ops.get(f"{BIN}/planned-usage").json()
    assert row["withdrawn_by"] == OPERATIONS
    elsewhere = f"/api/bins/LND-R03-C6/planned-usage/{number}/withdraw"
    assert ops.post(elsewhere).status_code == 404
    wrong = ops.post(f"{BIN}/planned-usage", json={"pieces": 0})
    assert {one["field"] for one in wrong.json()["mistakes"]} == {"from_day", "pieces", "because"}


@pytest.mark.parametrize("because", [7, "x" * 501])
def test_a_reason_is_a_sentence(browser, world, because: object) -> None:
    asked = {"version": 0, "because": because}
    assert browser(OPERATIONS).patch(f"{BIN}/policy", json=asked).status_code == 422


def test_the_examples_are_what_the_api_takes_and_says(world, browser) -> None:
    assert read(POLICY, SET_EXAMPLE).mistakes == ()
    ops = browser(OPERATIONS)
    found = ops.get(f"{BIN}/policy").json()
    assert set(EXAMPLE) <= set(found)
    assert set(found["says"]) == set(SAYS_EXAMPLE)
    plan = {"from_day": "2026-12-01", "pieces": 8, "because": "x"}
    assert set(ops.post(f"{BIN}/planned-usage", json=plan).json()) == set(PLANNED_EXAMPLE)
