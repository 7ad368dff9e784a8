"""Shadow as JSON."""

from tests.cloud.http.shadowed import shadowed
from tests.cloud.http.world import OPERATIONS


def test_what_would_have_been_ordered_stands_beside_what_people_did(world, browser) -> None:
    shadowed(world)
    told = browser(OPERATIONS).get("/api/shadow-orders").json()
    (one,) = told["bins"]
    assert (one["bin"], one["shadow_orders"], one["shadow_pieces"]) == ("LND-R04-B2", 1, 1_500)
    assert (one["refills"], one["refilled_pieces"], one["shadow_value_e4"]) == (1, 700, None)
    schema = browser(OPERATIONS).get("/api/openapi.json").json()["components"]["schemas"]
    assert one.keys() == schema["ComparedOut"]["examples"][0].keys()


def test_without_a_shadow_the_list_is_empty(world, browser) -> None:
    assert browser(OPERATIONS).get("/api/shadow-orders").json()["bins"] == []
