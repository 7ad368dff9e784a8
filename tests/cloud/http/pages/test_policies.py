"""The ordering page without a browser: it shows, previews, saves, plans; nothing typed is lost."""

import pytest

from tests.cloud.http.world import OPERATIONS

BIN = "/bins/LND-R02-C7"  # 800 of 1,000, minimum 250
PAGE = f"{BIN}/ordering"


@pytest.fixture
def ops(world, browser):
    world.a_morning()
    return browser(OPERATIONS)


def test_it_says_what_the_rules_say_now(ops) -> None:
    page = ops.get(PAGE).text
    assert "800 on hand; ordered from 250 on." in page
    assert "Nothing yet. It is computed each night" in page
    assert "Nothing was set so far" in page


def test_a_preview_shows_what_would_come_of_it_and_keeps_what_was_typed(ops) -> None:
    typed = {
        "version": "0", "policy": "days_of_supply", "days_min": "90", "days_max": "99",
        "rate_per_day": "10,5",
    }  # fmt: skip
    page = ops.post(f"{PAGE}/preview", data=typed)
    assert page.status_code == 200
    assert "It would say now" in page.text
    assert "Order 200, 2 packs of 100" in page.text
    assert "Called low too late" in page.text
    assert 'value="10,5"' in page.text
    assert "The rules say now" in ops.get(PAGE).text


def test_what_is_saved_is_a_version_with_its_reason(ops) -> None:
    typed = {"version": "0", "policy": "can_order", "can_order": "300", "because": "round"}
    saved = ops.post(PAGE, data=typed)
    assert saved.headers["location"] == f"{PAGE}?done=saved"
    page = ops.get(saved.headers["location"]).text
    assert "Saved. The bin is looked at by it at once." in page
    assert "Joins other orders" in page
    assert "round" in page


def test_what_is_wrong_is_told_beside_it_and_nothing_is_lost(ops) -> None:
    typed = {"version": "0", "policy": "can_order", "can_order": "9", "because": "kept words"}
    page = ops.post(PAGE, data=typed)
    assert page.status_code == 422
    assert "Nothing was saved." in page.text
    assert "Allowed: from the minimum 250 to below the order-up-to level 1000." in page.text
    assert "kept words" in page.text
    assert 'value="9"' in page.text


def test_what_changed_meanwhile_is_told_and_may_be_written_over(ops) -> None:
    ops.post(PAGE, data={"version": "0", "moq": "50"})
    page = ops.post(PAGE, data={"version": "0", "moq": "60"})
    assert page.status_code == 409
    assert f"{OPERATIONS} has changed this meanwhile." in page.text
    assert 'name="version" value="1"' in page.text
    assert 'value="60"' in page.text
    assert ops.post(PAGE, data={"version": "1", "moq": "60"}).status_code == 303


def test_how_long_it_must_be_low_is_set_in_the_form_and_told_in_its_history(ops) -> None:
    assert "When it is called low" in ops.get(PAGE).text
    typed = {"version": "0", "dwell_s": "600", "dwell_levels": "3"}
    assert ops.post(PAGE, data=typed).status_code == 303
    page = ops.get(PAGE).text
    assert 'name="dwell_s" value="600"' in page
    assert 'name="dwell_levels" value="3"' in page
    ops.post(PAGE, data={"version": "1", "dwell_s": "0", "dwell_levels": "3"})
    assert "Low for, seconds" in ops.get(PAGE).text.partition('id="history"')[2]
    wrong = ops.post(PAGE, data={"version": "2", "dwell_levels": "101"})
    assert wrong.status_code == 422
    assert 'value="101"' in wrong.text


def test_a_form_without_its_version_saves_nothing(ops) -> None:
    assert ops.post(PAGE, data={"moq": "60"}).status_code == 409


def test_usage_is_planned_shown_and_withdrawn(ops) -> None:
    plan = {"pieces": "300", "from_day": "2026-11-21", "to_day": "", "because": "batch 4711"}
    planned = ops.post(f"{BIN}/planned-usage", data=plan)
    assert planned.headers["location"] == f"{PAGE}?done=planned#planned"
    page = ops.get(PAGE).text
    assert "batch 4711" in page
    assert "800 on hand - 300 planned = 500; ordered from 250 on." in page
    gone = ops.post(f"{BIN}/planned-usage/1/withdraw")
    assert gone.status_code == 303
    assert f"withdrawn by {OPERATIONS}" in ops.get(PAGE).text
    wrong = ops.post(f"{BIN}/planned-usage", data={**plan, "pieces": "some"})
    assert wrong.status_code == 422
    assert 'value="some"' in wrong.text
    assert "batch 4711" in wrong.text


def test_a_suggestion_is_on_both_pages_and_taken_over_with_one_click(world, ops) -> None:
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO bin_parameters (bin_id, computed_at, target_permille, method, learning,"
            " rate_milli_per_day, spread, minimum, order_up_to, because)"
            " SELECT bin_id, %s, 950, 'history', false, 1, 1, 400, 900, 'as it was used' FROM bins"
            " WHERE code = 'LND-R02-C7'",
            (world.now,),
        )
    assert "Its history says otherwise" in ops.get(BIN).text
    page = ops.get(PAGE).text
    assert "minimum, instead of 250" in page
    assert "As it was used." in page
    taken = ops.post(f"{PAGE}/take-over")
    assert taken.headers["location"] == f"{PAGE}?done=taken"
    page = ops.get(taken.headers["location"]).text
    assert "Taken over" in page
    assert "As set" in page
    assert "Its history says otherwise" not in ops.get(BIN).text
    again = ops.post(f"{PAGE}/take-over")
    assert again.status_code == 409
    assert "There is nothing to take over" in again.text


def test_a_bin_that_learns_says_so(world, ops) -> None:
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO bin_parameters (bin_id, computed_at, target_permille, method, learning,"
            " rate_milli_per_day, spread, minimum, order_up_to, because)"
            " SELECT bin_id, %s, 950, 'contract', true, 0, 0, 250, 1000, 'learning: 3 of 8' FROM"
            " bins WHERE code = 'LND-R02-C7'",
            (world.now,),
        )
    assert "Learning: 3 of 8." in ops.get(PAGE).text
    assert "250, its history is short" in ops.get(BIN).text


def test_on_a_number_that_is_not_trusted_it_says_that_nothing_is_ordered(ops) -> None:
    page = ops.get("/bins/LND-R01-A8/ordering").text  # silent for hours
    assert "Not on this number." in page


def test_a_bin_that_is_not_there_is_not_found(ops) -> None:
    assert ops.get("/bins/LND-NONE/ordering").status_code == 404
