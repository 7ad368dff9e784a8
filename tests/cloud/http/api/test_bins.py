"""Bins as JSON."""

from tests.cloud.http.world import OPERATIONS


def test_a_level_comes_with_what_it_is_worth(world, browser) -> None:
    world.a_morning()
    bins = {each["code"]: each for each in browser(OPERATIONS).get("/api/bins").json()}
    assert len(bins) == 8
    low, silent = bins["LND-R04-B2"], bins["LND-R01-A8"]
    assert (low["pieces"], low["status"], low["trust"]) == (412, "low", "fresh")
    assert low["open_order"] == "RO-1002"
    assert low["measured_at"] == "2026-11-20T09:41:26Z"
    assert (silent["pieces"], silent["status"], silent["trust"]) == (343, "stale", "stale")


def test_a_bin_never_weighed_has_no_number(world, browser) -> None:
    one = browser(OPERATIONS).get("/api/bins/LND-R04-B2").json()
    assert one["pieces"] is None
    assert one["measured_at"] is None
    assert one["trust"] == "stale"


def test_levels_over_time_are_told_in_pieces_with_nothing_between(world, browser) -> None:
    world.weigh("LND-R04-B2", 900, ago_s=7_200)
    world.weigh("LND-R04-B2", 700, ago_s=30)
    levels = browser(OPERATIONS).get("/api/bins/LND-R04-B2/levels").json()
    assert [(one["first"], one["lowest"], one["readings"]) for one in levels] == [
        (900, 900, 1),
        (700, 700, 1),
    ]
    month = browser(OPERATIONS).get("/api/bins/LND-R04-B2/levels?span=30d").json()
    assert [one["last"] for one in month] == [900, 700]
