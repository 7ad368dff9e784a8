"""Deliveries of known quantity over the API: told, looked at, consented to."""

import pytest

from cloud.core.followed import MovementKind
from cloud.postgres import movements
from cloud.postgres.movements import New
from tests.cloud.http.world import FERRO, OPERATIONS
from tests.cloud.postgres.test_findings import moved

CODE = "LND-R04-B2"
BASE = f"/api/bins/{CODE}/calibration"


@pytest.fixture
def visitor(world, browser):
    world.weigh(CODE, 500)
    with world.database.connect("binline_jobs") as conn:
        booked = [moved(MovementKind.REFILL, 5, 350_000, 2_450_000)]
        movements.insert(conn, [New(1, 1, one) for one in booked], world.now)
        conn.commit()
    return browser(OPERATIONS)


def tell(visitor, pieces: int):
    given = {"movement": 1, "pieces": pieces, "because": "five packs"}
    return visitor.post(f"{BASE}/delivery", json=given)


def unit(world) -> int:
    with world.database.admin() as conn:
        return conn.execute("SELECT unit_weight_ug FROM items WHERE sku = '10741'").fetchone()[0]


def test_a_finding_waits_with_what_it_would_come_to_until_it_is_accepted(world, visitor) -> None:
    answer = tell(visitor, 488)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["state"], told["before_ug"], told["weighed"]) == ("waiting", 4_200_000, 500)
    assert told["predicted"] == [{"bin": CODE, "pieces": 500, "becomes": 488, "movements": 1}]
    assert visitor.get(f"{BASE}/findings").json() == {"rows": [told]}
    given = {"accept": True, "because": "weighed by hand"}
    used = visitor.post(f"{BASE}/findings/{told['id']}/answer", json=given).json()
    assert (used["state"], used["answered_by"], used["predicted"]) == ("accepted", OPERATIONS, [])
    assert unit(world) == used["unit_weight_ug"]
    history = visitor.get("/api/items/1/history").json()[0]
    assert history["because"] == "learnt from a delivery of 488 pieces: weighed by hand"
    again = visitor.post(f"{BASE}/findings/{told['id']}/answer", json=given)
    assert again.status_code == 409


def test_what_was_declined_leaves_the_weight_as_it_is(world, visitor) -> None:
    told = tell(visitor, 488).json()
    given = {"accept": False, "because": "two were missing"}
    kept = visitor.post(f"{BASE}/findings/{told['id']}/answer", json=given).json()
    assert (kept["state"], unit(world)) == ("declined", 4_200_000)


def test_within_half_a_percent_nobody_is_asked(world, visitor) -> None:
    told = tell(visitor, 499).json()
    assert (told["state"], told["predicted"]) == ("applied", [])
    assert unit(world) == told["unit_weight_ug"] > 4_200_000


def test_another_quantity_is_refused_with_what_the_weight_says(visitor) -> None:
    answer = tell(visitor, 1_000)
    assert (answer.status_code, answer.json()["weighed"]) == (422, 500)


def test_a_supplier_finds_nothing_here(world, visitor, browser) -> None:
    assert tell(browser(FERRO), 488).status_code == 404
    assert unit(world) == 4_200_000
