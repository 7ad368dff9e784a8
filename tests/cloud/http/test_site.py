"""Every address there is, and who may see what behind it."""

from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from tests.cloud.http.world import BINS, FERRO, NORRBY, OPERATIONS

# What must never be in an answer to Ferro AG: everything that only Norrby's bins say.
OF_NORRBY = [
    word
    for code, place, part, sku, supplier, *_ in BINS
    if supplier == "Norrby"
    for word in (code, place, part, f"X-{sku}")
] + ["Norrby", NORRBY]

# address -> who gets what there; "own" is an order or a bin of the asker, "foreign" of another.
# A new route is refused here until it is listed, and with it who may see it.
ROUTES = {
    "GET /": {"nobody": 303, "supplier": 303, "operations": 303},
    "GET /login": {"nobody": 200, "supplier": 200, "operations": 200},
    "GET /wall": {"nobody": 303, "supplier": 404, "operations": 200},
    "GET /live": {"nobody": 401, "supplier": 404},
    "GET /bins/{code}": {"nobody": 303, "own": 404, "foreign": 404, "operations": 200},
    "GET /orders": {"nobody": 303, "supplier": 404, "operations": 200},
    "GET /p": {"nobody": 303, "supplier": 200, "operations": 404},
    "GET /p/orders/{order_id}": {"nobody": 303, "own": 200, "foreign": 404, "operations": 404},
    "POST /p/orders/{order_id}/acknowledge": {
        "nobody": 401,
        "foreign": 404,
        "own": 303,
        "operations": 404,
    },
    "GET /api/bins": {"nobody": 401, "supplier": 200, "operations": 200},
    "GET /api/bins/{code}": {"nobody": 401, "own": 200, "foreign": 404, "operations": 200},
    "GET /api/bins/{code}/levels": {"nobody": 401, "own": 200, "foreign": 404, "operations": 200},
    "GET /api/orders": {"nobody": 401, "supplier": 200, "operations": 200},
    "GET /api/orders/{order_id}": {"nobody": 401, "own": 200, "foreign": 404, "operations": 200},
    "POST /api/orders/{order_id}/acknowledge": {
        "nobody": 401,
        "foreign": 404,
        "own": 200,
        "operations": 200,
    },
    "GET /api/health": {"nobody": 200, "supplier": 200, "operations": 200},
    "GET /api/ready": {"nobody": 200, "supplier": 200, "operations": 200},
    "GET /metrics": {"nobody": 200},
    "GET /static/{name}": {"nobody": 404},
    "GET /favicon.ico": {"nobody": 200},
}
TESTED_ELSEWHERE = {
    "POST /login",
    "POST /logout",
    "POST /theme",
    "GET /a/{token}",
    "POST /a/{token}",
}


def test_every_route_is_listed_with_who_may_see_it(site) -> None:
    there = {
        f"{method} {route.path}"
        for route in _routes(site)
        for method in route.methods
        if method != "HEAD"
    }
    assert there == ROUTES.keys() | TESTED_ELSEWHERE


def _routes(site) -> list[APIRoute]:
    """Routers may be kept as they were included, so the tree is walked."""
    found: list[APIRoute] = []
    waiting = list(site.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute):
            found.append(route)
        elif hasattr(route, "original_router"):
            waiting += route.original_router.routes
        elif hasattr(route, "routes"):
            waiting += route.routes or []
    return found


@pytest.mark.parametrize(
    ("address", "asker", "status"),
    [(address, asker, status) for address, who in ROUTES.items() for asker, status in who.items()],
)
def test_who_sees_what(world, browser, address: str, asker: str, status: int) -> None:
    world.a_morning()
    method, path = address.split(" ")
    foreign = asker == "foreign"
    code = "HRT-R09-B2" if foreign else "LND-R04-B2"
    path = path.format(code=code, order_id=world.order_of(code), name="nothing.css")
    email = {"nobody": None, "operations": OPERATIONS}.get(asker, FERRO)
    answer = browser(email).request(method, path)
    assert answer.status_code == status
    if email == FERRO:
        for word in OF_NORRBY:
            assert word not in answer.text, f"{address} told Ferro AG {word}"
    if foreign:
        assert world.order_state(code) == "placed"


def test_what_is_foreign_looks_exactly_like_what_is_not_there(world, browser) -> None:
    world.a_morning()
    visitor = browser(FERRO)
    foreign = world.order_of("HRT-R09-B2")
    for address in ("/p/orders/{}", "/api/orders/{}"):
        one, other = (visitor.get(address.format(each)) for each in (foreign, uuid4()))
        assert one.status_code == other.status_code == 404
        assert one.text == other.text
    one, other = (visitor.get(f"/api/bins/{code}") for code in ("HRT-R09-B2", "HRT-NONE"))
    assert one.text == other.text


def test_a_supplier_gets_its_own_and_all_of_it(world, browser) -> None:
    world.a_morning()
    for email, name in ((FERRO, "Ferro AG"), (NORRBY, "Norrby")):
        codes = {each["code"] for each in browser(email).get("/api/bins").json()}
        assert codes == {code for code, *_ in BINS if dict_of(code)["supplier"] == name}


def dict_of(code: str) -> dict[str, object]:
    names = ("code", "place", "part", "sku", "supplier", "site", "capacity", "minimum")
    return next(dict(zip(names, one, strict=True)) for one in BINS if one[0] == code)


@pytest.mark.parametrize(
    "path",
    [
        "/p/orders/not-an-id",
        "/api/orders/%00",
        "/bins/' OR 1=1--",
        "/bins/%00",
        "/api/bins/%F0%9F%92%A9",
        "/api/orders?state=all",
        "/wall?state=<script>&q=" + "x" * 81,
        "/a/x",
        "/orders?state=nonsense",
        "/wall?q=%00",
        "/wall?q=%25_%27",
    ],
)
def test_nonsense_in_an_address_is_no_defect(world, browser, path: str) -> None:
    world.a_morning()
    for email in (OPERATIONS, FERRO):
        assert browser(email).get(path).status_code < 500


def test_the_description_of_the_api_has_an_example_for_each_noun(browser) -> None:
    described = browser().get("/api/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/health",
        "/api/ready",
        "/api/bins",
        "/api/bins/{code}",
        "/api/bins/{code}/levels",
        "/api/orders",
        "/api/orders/{order_id}",
        "/api/orders/{order_id}/acknowledge",
    }
    for name in ("BinOut", "LevelsOut", "OrderOut"):
        assert described["components"]["schemas"][name]["examples"]
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["summary"]


def test_the_examples_in_the_description_are_what_the_api_says(world, browser) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    schemas = visitor.get("/api/openapi.json").json()["components"]["schemas"]
    for path, name in (("/api/bins", "BinOut"), ("/api/orders", "OrderOut")):
        assert visitor.get(path).json()[0].keys() == schemas[name]["examples"][0].keys()
