"""Every address there is, and who may see what behind it."""

from collections.abc import Iterator
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
    "POST /p/orders/{order_id}/{verb}": {
        "nobody": 401,
        "foreign": 404,
        "own": 303,
        "operations": 404,
    },
    "GET /orders/{number}": {"nobody": 303, "own": 404, "foreign": 404, "operations": 200},
    "POST /orders/{number}/{verb}": {"nobody": 401, "own": 404, "foreign": 404, "operations": 303},
    "GET /shadow": {"nobody": 303, "supplier": 404, "operations": 200},
    "GET /api/shadow-orders": {"nobody": 401, "supplier": 404, "operations": 200},
    "GET /api/bins": {"nobody": 401, "supplier": 200, "operations": 200},
    "GET /api/bins/{code}": {"nobody": 401, "own": 200, "foreign": 404, "operations": 200},
    "GET /api/bins/{code}/levels": {"nobody": 401, "own": 200, "foreign": 404, "operations": 200},
    "GET /api/bins/{code}/movements": {
        "nobody": 401,
        "own": 200,
        "foreign": 404,
        "operations": 200,
    },
    "GET /api/bins/{code}/counts": {"nobody": 401, "own": 404, "foreign": 404, "operations": 200},
    "GET /api/bins/{code}/calibration/findings": {
        "nobody": 401,
        "own": 404,
        "foreign": 404,
        "operations": 200,
    },
    "GET /api/accuracy": {"nobody": 401, "supplier": 404, "operations": 200},
    # Who may is told what an empty one lacks; an empty bin is weighed without more words.
    **{
        f"POST /api/bins/{{code}}/{what}": {
            "nobody": 401,
            "own": 404,
            "foreign": 404,
            "operations": status,
        }
        for what, status in (
            ("counts", 422),
            ("calibration/sample", 422),
            ("calibration/tare", 409),
            ("calibration/delivery", 422),
            ("calibration/findings/{finding_id}/answer", 422),
        )
    },
    "POST /bins/{code}/{form}": {"nobody": 401, "own": 404, "foreign": 404, "operations": 422},
    "GET /api/orders": {"nobody": 401, "supplier": 200, "operations": 200},
    "GET /api/orders/{order_id}": {"nobody": 401, "own": 200, "foreign": 404, "operations": 200},
    # An empty confirmation confirms; for the others an empty act is not understood.
    **{
        f"POST /api/orders/{{order_id}}/{act}": {
            "nobody": 401,
            "foreign": 404 if status == 200 else 422,
            "own": status,
            "operations": status,
        }
        for act, status in (
            ("acknowledge", 200),
            ("confirm", 200),
            ("change", 422),
            ("ship", 422),
        )
    },
    "POST /api/orders/{order_id}/refuse": {
        "nobody": 401,
        "foreign": 422,
        "own": 422,
        "operations": 422,
    },
    "POST /api/orders": {"nobody": 401, "supplier": 422, "operations": 422},
    **{
        f"POST /api/orders/{{order_id}}/{act}": {
            "nobody": 401,
            "own": 404,
            "foreign": 404,
            "operations": status,
        }
        for act, status in (
            ("approve", 200),  # it was sent: approved before
            ("accept", 422),
            ("reject", 422),
            ("cancel", 422),
            ("close", 422),
        )
    },
    **{
        address: {"nobody": 401, "supplier": 200, "operations": 200}
        for address in (
            "GET /api/bin-settings",
            "GET /api/customers",
            "GET /api/items",
            "GET /api/places",
            "GET /api/sites",
            "GET /api/suppliers",
        )
    },
    **{
        f"GET /api/{address}": {"nobody": 401, "own": 200, "foreign": 404, "operations": 200}
        for noun in ("customers", "items", "sites", "suppliers")
        for address in (f"{noun}/{{ident}}", f"{noun}/{{ident}}/history")
    },
    **{
        address: {"nobody": 401, "own": 200, "foreign": 404, "operations": 200}
        for address in (
            "GET /api/bins/{code}/history",
            "GET /api/bins/{code}/settings",
            "GET /api/items/{ident}/suppliers",
        )
    },
    # No bin of this world hangs on a place: of places a supplier sees none.
    "GET /api/places/{ident}": {"nobody": 401, "own": 404, "operations": 200},
    "GET /api/places/{ident}/history": {"nobody": 401, "own": 404, "operations": 200},
    # Who may is told what was wrong with an empty change; all others, that there is nothing.
    **{
        f"POST /api/{noun}": {"nobody": 401, "supplier": 404, "operations": 422}
        for noun in ("bins", "customers", "import", "items", "places", "sites", "suppliers")
    },
    **{
        address: {"nobody": 401, "own": 404, "foreign": 404, "operations": 422}
        for address in (
            *(
                f"PATCH /api/{noun}/{{ident}}"
                for noun in ("customers", "items", "places", "sites", "suppliers")
            ),
            "PATCH /api/bins/{code}",
            "PUT /api/items/{ident}/suppliers",
        )
    },
    # How a bin is ordered for is the customer's alone; its calendar a supplier sees.
    **{
        f"GET {address}": {"nobody": status, "own": 404, "foreign": 404, "operations": 200}
        for address, status in (
            ("/bins/{code}/ordering", 303),
            ("/suppliers/{ident}/calendar", 303),
            ("/api/bins/{code}/policy", 401),
            ("/api/bins/{code}/policy/history", 401),
            ("/api/bins/{code}/planned-usage", 401),
            ("/api/suppliers/{ident}/calendar/history", 401),
        )
    },
    "GET /api/suppliers/{ident}/calendar": {
        "nobody": 401,
        "own": 200,
        "foreign": 404,
        "operations": 200,
    },
    "GET /p/calendar": {"nobody": 303, "supplier": 200, "operations": 404},
    **{
        address: {"nobody": 401, "own": 404, "foreign": 404, "operations": status}
        for address, status in (
            ("POST /bins/{code}/ordering", 409),
            ("POST /bins/{code}/ordering/preview", 200),
            ("POST /bins/{code}/ordering/take-over", 409),
            ("POST /bins/{code}/planned-usage", 422),
            ("POST /bins/{code}/planned-usage/{planned_usage_id}/withdraw", 404),
            ("POST /suppliers/{ident}/calendar", 409),
            ("POST /suppliers/{ident}/calendar/preview", 422),
            ("PATCH /api/bins/{code}/policy", 422),
            ("POST /api/bins/{code}/policy/preview", 200),
            ("POST /api/bins/{code}/policy/take-over", 409),
            ("POST /api/bins/{code}/planned-usage", 422),
            ("POST /api/bins/{code}/planned-usage/{planned_usage_id}/withdraw", 404),
            ("PUT /api/suppliers/{ident}/calendar", 422),
            ("POST /api/suppliers/{ident}/calendar/preview", 422),
        )
    },
    "GET /api/export/{name}": {"nobody": 401, "supplier": 404, "operations": 404},
    **{
        f"GET /{address}": {"nobody": 303, "own": 404, "foreign": 404, "operations": 200}
        for noun in ("customers", "items", "places", "sites", "suppliers")
        for address in (
            noun,
            f"{noun}/new",
            f"{noun}/{{ident}}/edit",
            f"{noun}/{{ident}}/history",
        )
    },
    **{
        f"GET /{address}": {"nobody": 303, "own": 404, "foreign": 404, "operations": 200}
        for address in ("bins", "bins/new", "import")
    },
    "GET /bins/{ident}/edit": {"nobody": 303, "own": 404, "foreign": 404, "operations": 200},
    "GET /bins/{ident}/history": {"nobody": 303, "own": 404, "foreign": 404, "operations": 200},
    "GET /items/{ident}/suppliers/{supplier}": {
        "nobody": 303,
        "own": 404,
        "foreign": 404,
        "operations": 200,
    },
    **{
        f"POST /{address}": {"nobody": 401, "own": 404, "foreign": 404, "operations": 422}
        for address in (
            "bins/new",
            "import",
            "items/{ident}/suppliers/{supplier}",
            *(f"{noun}/new" for noun in ("customers", "items", "places", "sites", "suppliers")),
        )
    },
    **{
        f"POST /{noun}/{{ident}}/edit": {"nobody": 401, "own": 404, "foreign": 404}
        for noun in ("bins", "customers", "items", "places", "sites", "suppliers")
    },
    "GET /kpis": {"nobody": 303, "supplier": 404, "operations": 200},
    "GET /kpis/{behind}": {"nobody": 303, "supplier": 404, "operations": 404},
    "GET /review": {"nobody": 303, "supplier": 200, "operations": 200},
    "GET /review.pdf": {"nobody": 303, "supplier": 200, "operations": 404},
    "GET /api/review": {"nobody": 401, "supplier": 200, "operations": 404},
    "GET /api/review.pdf": {"nobody": 401, "supplier": 200, "operations": 404},
    "GET /api/kpis": {"nobody": 401, "supplier": 404, "operations": 200},
    "GET /cases": {"nobody": 303, "supplier": 404, "operations": 200},
    "GET /exceptions": {"nobody": 303, "supplier": 404, "operations": 308},
    "GET /me": {"nobody": 303, "supplier": 404, "operations": 200},
    "POST /me/mail": {"nobody": 401, "supplier": 404, "operations": 303},
    "GET /api/me": {"nobody": 401, "supplier": 404, "operations": 200},
    "PUT /api/me/mail": {"nobody": 401, "supplier": 404, "operations": 422},
    "GET /api/cases": {"nobody": 401, "supplier": 404, "operations": 200},
    "GET /api/exceptions": {"nobody": 401, "supplier": 404, "operations": 308},
    "POST /api/exceptions/{key}/snooze": {"nobody": 401, "supplier": 404, "operations": 308},
    "POST /cases/{key}/snooze": {"nobody": 401, "supplier": 404, "operations": 422},
    "POST /api/cases/{key}/snooze": {"nobody": 401, "supplier": 404, "operations": 422},
    "GET /orders/{number}/evidence": {"nobody": 303, "own": 200, "foreign": 404, "operations": 200},
    "GET /api/orders/{number}/evidence": {
        "nobody": 401,
        "own": 200,
        "foreign": 404,
        "operations": 200,
    },
    "GET /api/health": {"nobody": 200, "supplier": 200, "operations": 200},
    "GET /api/ready": {"nobody": 200, "supplier": 200, "operations": 200},
    "GET /metrics": {"nobody": 200},
    "GET /static/{name}": {"nobody": 404},
    "GET /favicon.ico": {"nobody": 200},
    **{
        f"GET {at}/agreements": {"nobody": nobody, "supplier": 200, "operations": 200}
        for at, nobody in (("", 303), ("/api", 401))
    },
    **{
        f"GET {at}/agreements/{{agreement}}": {
            "nobody": nobody,
            "own": 200,
            "foreign": 404,
            "operations": 200,
        }
        for at, nobody in (("", 303), ("/api", 401))
    },
    "GET /api/agreements/{agreement}/reached": {
        "nobody": 401,
        "own": 200,
        "foreign": 404,
        "operations": 200,
    },
    "GET /agreements/new": {"nobody": 303, "supplier": 404, "operations": 200},
    "POST /agreements/new": {"nobody": 401, "supplier": 404, "operations": 404},
    "POST /api/agreements": {"nobody": 401, "supplier": 404, "operations": 422},
    # Of its own one is told what an empty one lacks, or that this number is not there.
    "POST /agreements/{agreement}/propose": {
        "nobody": 401,
        "own": 422,
        "foreign": 404,
        "operations": 422,
    },
    "POST /api/agreements/{agreement}/proposals": {
        "nobody": 401,
        "own": 422,
        "operations": 422,
    },
    **{
        f"POST {address}": {"nobody": 401, "own": 404, "foreign": 404, "operations": 404}
        for address in (
            "/agreements/{agreement}/proposals/{number}/{answer}",
            "/api/agreements/{agreement}/proposals/{number}/accept",
            "/api/agreements/{agreement}/proposals/{number}/decline",
        )
    },
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


def ident_of(world, noun: str, *, foreign: bool) -> str:
    """Of a thing that is Ferro AG's, or another's. The world's second site has bins of both."""
    code, supplier = ("HRT-R09-B2", "Norrby") if foreign else ("LND-R04-B2", "Ferro AG")
    with world.database.admin() as conn:
        if foreign:  # a site and a customer where Ferro AG has no bin
            conn.execute(
                "INSERT INTO sites (name) VALUES ('Norrby alone') ON CONFLICT DO NOTHING;"
                "INSERT INTO customers (name) VALUES ('Norrby alone') ON CONFLICT DO NOTHING"
            )
        else:
            conn.execute(
                "INSERT INTO customers (name) VALUES ('Lindau AG') ON CONFLICT DO NOTHING;"
                "UPDATE sites SET customer_id = 1 WHERE name = 'Lindau Pumps';"
                "INSERT INTO places (site_id, name) VALUES (1, 'Hall') ON CONFLICT DO NOTHING"
            )
        queries = {
            "items": "SELECT item_id FROM bins WHERE code = %(code)s",
            "sites": "SELECT max(site_id) FROM sites WHERE %(foreign)s OR site_id = 1",
            "customers": "SELECT max(customer_id) FROM customers",
            "suppliers": "SELECT supplier_id FROM suppliers WHERE name = %(supplier)s",
            "places": "SELECT max(place_id) FROM places",
        }
        if noun not in queries:
            return code
        values = {"code": code, "foreign": foreign, "supplier": supplier}
        row = conn.execute(queries[noun], values).fetchone()
    assert row is not None
    return str(row[0])


def agreement_of(world, noun: str, *, foreign: bool) -> int:
    if noun != "agreements":
        return 0
    own = world.agreement()
    return world.agreement("Hartmann Rail", "Norrby") if foreign else own


def asked_together() -> Iterator[tuple[str, dict[str, int]]]:
    """Who only looks changes nothing, so that all may ask of one and the same world."""
    for address, who in ROUTES.items():
        alone = {} if address.startswith("GET ") else who
        together = {asker: at for asker, at in who.items() if asker not in {*alone, "foreign"}}
        for one in (together, *({asker: at} for asker, at in who.items() if asker not in together)):
            if one:
                yield address, one


@pytest.mark.parametrize(
    ("address", "who"),
    list(asked_together()),
    ids=lambda one: one if isinstance(one, str) else "-".join(one),
)
def test_who_sees_what(world, browser, address: str, who: dict[str, int]) -> None:
    world.a_morning()
    method, path = address.split(" ")
    foreign = "foreign" in who
    code = "HRT-R09-B2" if foreign else "LND-R04-B2"
    noun = path.removeprefix("/api").split("/")[1]
    number = "7" if noun == "agreements" else world.order_label(code)
    path = path.format(
        agreement=agreement_of(world, noun, foreign=foreign),
        answer="accept",
        code=code,
        order_id=world.order_of(code),
        number=number,
        key="low_not_covered:1",
        behind="nothing",
        name="nothing.css",
        ident=ident_of(world, noun, foreign=foreign),
        supplier="new",
        form="count",
        planned_usage_id=1,
        verb="acknowledge",
        finding_id=1,
    )
    json = {} if path.startswith("/api/") and method in ("POST", "PATCH", "PUT") else None
    for asker, status in who.items():
        email = {"nobody": None, "operations": OPERATIONS}.get(asker, FERRO)
        answer = browser(email).request(method, path, json=json)
        assert answer.status_code == status, asker
        if email == FERRO:
            for word in OF_NORRBY:
                assert word not in answer.text, f"{address} told Ferro AG {word}"
    if foreign:
        assert world.order_state(code) == "sent"


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
    addresses = {address.split(" ")[1] for address in ROUTES}
    assert set(described["paths"]) == {one for one in addresses if one.startswith("/api/")}
    for name in (
        "AccuracyOut", "BinOut", "CaseOut", "CountIn", "CountOut", "EnteredOut", "EvidenceOut",
        "AskIn", "BecauseIn", "ChangeIn", "ComparedOut", "ConfirmIn", "DecideIn",
        "FindingOut", "FindingsOut", "KpiOut", "LevelsOut", "MovementOut", "MovementsOut",
        "OrderOut", "ReviewOut", "SampleIn", "ShipIn", "TareOut", "UnitOut",
        "AgreementLineOut", "AgreementOut", "NewIn", "PredictionOut", "ProposalIn", "ProposalOut",
    ):  # fmt: skip
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
