"""Orders as JSON."""

from tests.cloud.http.world import FERRO, OPERATIONS


def test_an_order_comes_with_its_evidence(world, browser) -> None:
    world.a_morning()
    order = browser(FERRO).get(f"/api/orders/{world.order_of('LND-R04-B2')}").json()
    assert order["number"] == "RO-1002"
    assert order["quantity"] == 1500
    assert order["lines"][0]["evidence"]["level"]["pieces"] == 412
    assert order["state"] == "sent"


def test_answering_twice_answers_the_same(world, browser) -> None:
    world.a_morning()
    visitor = browser(FERRO)
    path = f"/api/orders/{world.order_of('LND-R04-B2')}/acknowledge"
    first, second = visitor.post(path).json(), visitor.post(path).json()
    assert first == second
    assert (first["state"], first["answered_by"]) == ("acknowledged", FERRO)


def test_a_closed_order_refuses(world, browser) -> None:
    world.a_morning()
    world.weigh("LND-R04-B2", 1900, ago_s=1)
    world.assess("LND-R04-B2")
    answer = browser(FERRO).post(f"/api/orders/{world.order_of('LND-R04-B2')}/acknowledge")
    assert answer.status_code == 409
    assert answer.json()["title"] == "The order is closed"


def test_the_lists_are_by_state(world, browser) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    assert len(visitor.get("/api/orders").json()) == 3
    assert visitor.get("/api/orders?state=acknowledged").json() == []
    assert visitor.get("/api/orders?state=nonsense").status_code == 422
