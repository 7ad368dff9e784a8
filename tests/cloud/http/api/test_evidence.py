"""What an order rests on, as JSON."""

import hashlib
import json

import pytest

from tests.cloud.http.world import FERRO, NORRBY, OPERATIONS


@pytest.mark.parametrize("email", [OPERATIONS, FERRO])
def test_either_side_gets_the_chain_and_can_check_it_with_ten_lines(world, browser, email) -> None:
    world.a_morning()
    label = world.order_label("LND-R04-B2")
    told = browser(email).get(f"/api/orders/{label}/evidence").json()
    assert (told["order"], told["verdict"], told["misfit"]) == (label, "fits", None)
    previous = "0" * 64
    for seq, record in enumerate(told["records"], start=1):
        hashed = {"seq": seq, "kind": record["kind"], "body": record["body"], "previous": previous}
        text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert record["digest"] == previous
    assert told["last_digest"] == previous


def test_a_hash_that_was_kept_is_held_against_the_end(world, browser) -> None:
    world.a_morning()
    path = f"/api/orders/{world.order_label('LND-R04-B2')}/evidence"
    visitor = browser(FERRO)
    last = visitor.get(path).json()["last_digest"]
    assert visitor.get(f"{path}?last_digest={last}").json()["verdict"] == "fits"
    assert visitor.get(f"{path}?last_digest={'0' * 64}").json()["verdict"] == "broken"
    assert visitor.get(f"{path}?last_digest=me").status_code == 422


def test_the_order_of_another_is_not_there(world, browser) -> None:
    world.a_morning()
    label = world.order_label("LND-R04-B2")
    assert browser(NORRBY).get(f"/api/orders/{label}/evidence").status_code == 404
    assert browser(OPERATIONS).get("/api/orders/RO-9999/evidence").status_code == 404
    assert browser(None).get(f"/api/orders/{label}/evidence").status_code == 401


def test_the_supplier_s_answer_is_a_record_too(world, browser) -> None:
    world.a_morning()
    visitor = browser(FERRO)
    order = world.order_of("LND-R04-B2")
    assert visitor.post(f"/api/orders/{order}/acknowledge").status_code == 200
    told = visitor.get(f"/api/orders/{world.order_label('LND-R04-B2')}/evidence").json()
    assert told["verdict"] == "fits"
    assert told["records"][-1]["body"]["event"] == "acknowledged"
    assert told["records"][-1]["body"]["actor"] == FERRO
