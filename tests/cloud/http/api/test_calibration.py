"""Learning a piece's weight and the empty bin's over the API: told first, then put into use."""

import pytest

from tests.cloud.http.world import FERRO, OPERATIONS

CODE = "LND-R04-B2"
SAMPLE, TARE = (f"/api/bins/{CODE}/calibration/{what}" for what in ("sample", "tare"))


def rest(world, weight_mg: int, readings: int = 5) -> None:
    """The scale shows that, still within a quarter of a gram, minute by minute."""
    for ago in range(readings, 0, -1):
        world._heard(CODE, ago * 50.0, weight_mg=weight_mg + 50 * (ago % 2), condition=None)


@pytest.fixture
def visitor(world, browser):
    world.weigh(CODE, 900, ago_s=400)
    return browser(OPERATIONS)


def item(world) -> tuple[int, int, int, int]:
    with world.database.admin() as conn:
        return conn.execute(
            "SELECT unit_weight_ug, unit_sd_ug, unit_error_ug, version FROM items"
            " WHERE sku = '10741'"
        ).fetchone()


def test_a_sample_is_told_first_and_used_when_asked(world, visitor) -> None:
    rest(world, 350_000 + 50 * 4_300)
    told = visitor.post(SAMPLE, json={"pieces": 50}).json()
    assert told["applied"] is False
    assert told["unit_weight_ug"] == pytest.approx(4_300_000, rel=0.001)
    assert item(world)[0] == 4_200_000
    used = visitor.post(SAMPLE, json={"pieces": 50, "apply": True, "because": "new batch"}).json()
    assert used["applied"] is True
    unit, sd, error, version = item(world)
    assert (unit, version) == (used["unit_weight_ug"], 2)
    assert sd == pytest.approx(0.02 * unit, rel=0.01)
    assert 0 < error < sd
    history = visitor.get("/api/items/1/history").json()[0]
    assert history["because"] == "learnt from 50 counted pieces: new batch"
    assert history["by"] == OPERATIONS
    with world.database.admin() as conn:
        assert conn.execute("SELECT count(*) FROM bin_follow").fetchone()[0] > 0


def test_too_small_a_sample_says_how_many_it_takes(world, visitor) -> None:
    rest(world, 350_000 + 10 * 4_200)
    answer = visitor.post(SAMPLE, json={"pieces": 10, "apply": True})
    assert (answer.status_code, answer.json()["pieces_needed"]) == (422, 37)
    assert item(world)[0] == 4_200_000


def test_what_was_on_the_scale_before_is_not_weighed_along(world, visitor) -> None:
    rest(world, 350_000 + 50 * 4_300, readings=3)
    answer = visitor.post(SAMPLE, json={"pieces": 50})
    assert answer.status_code == 409
    assert (answer.json()["readings"], answer.json()["readings_needed"]) == (3, 5)


def test_the_empty_bin_is_weighed_and_the_history_says_why(world, visitor) -> None:
    rest(world, 351_200)
    told = visitor.post(TARE, json={}).json()
    assert (told["before_mg"], told["tare_mg"], told["applied"]) == (350_000, 351_250, False)
    assert visitor.post(TARE, json={"apply": True, "because": "new bin"}).json()["applied"]
    change = visitor.get(f"/api/bins/{CODE}/history").json()[0]
    assert change["because"] == "the empty bin: new bin"
    assert change["differences"] == [{"field": "tare_mg", "before": 350_000, "after": 351_250}]


def test_old_readings_are_no_scale_at_rest(world, visitor) -> None:
    for ago in range(8, 3, -1):
        world._heard(CODE, ago * 3600.0, weight_mg=351_200, condition=None)
    answer = visitor.post(TARE, json={"apply": True})
    assert (answer.status_code, answer.json()["readings"]) == (409, 0)


def test_a_bin_that_is_not_weighed_has_nothing_to_learn(world, visitor) -> None:
    with world.database.admin() as conn:
        conn.execute("UPDATE bins SET measure = 'tags'")
    assert visitor.post(TARE, json={}).json()["type"].endswith("not_weighed")


def test_a_supplier_learns_nothing_here(world, visitor, browser) -> None:
    rest(world, 351_200)
    for address, given in ((SAMPLE, {"pieces": 50, "apply": True}), (TARE, {"apply": True})):
        assert browser(FERRO).post(address, json=given).status_code == 404
    assert item(world)[3] == 1
