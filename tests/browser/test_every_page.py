"""What holds for every page: WCAG 2.2 AA in light and dark, no scrolling sideways at 320 px."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe

from cloud.core.agreements import Side
from cloud.postgres import users
from tests.browser.conftest import serving
from tests.cloud.http.world import FERRO, OPERATIONS, PASSWORD_HASH

pytestmark = pytest.mark.browser

QUIET = "orders@quiet.test"  # a supplier without any order
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}

# name -> (path, who looks); {order}, {number} and {link} are of the low bin
PAGES = {
    "log-in": ("/login", None),
    "wall": ("/wall", OPERATIONS),
    "wall, filtered to nothing": ("/wall?q=nothing+like+that", OPERATIONS),
    "bin, low": ("/bins/LND-R04-B2", OPERATIONS),
    "bin, stale": ("/bins/LND-R01-A8", OPERATIONS),
    "orders": ("/orders", OPERATIONS),
    "orders, none": ("/orders?state=ended", OPERATIONS),
    "order": ("/orders/{number}", OPERATIONS),
    "shadow, none": ("/shadow", OPERATIONS),
    "cases": ("/cases", OPERATIONS),
    "KPIs": ("/kpis", OPERATIONS),
    "KPIs, the list behind": ("/kpis/orders?name=Lindau+Pumps", OPERATIONS),
    "review": ("/review?supplier=Ferro+AG&quarter=2026Q4", OPERATIONS),
    "review, for its supplier": ("/review?quarter=2026Q4", FERRO),
    "agreements": ("/agreements", OPERATIONS),
    "agreements, of a supplier": ("/agreements", FERRO),
    "agreements, none": ("/agreements", QUIET),
    "agreement": ("/agreements/{agreement}", OPERATIONS),
    "agreement, to the supplier": ("/agreements/{agreement}", FERRO),
    "agreement, new": ("/agreements/new", OPERATIONS),
    "evidence": ("/orders/{number}/evidence", OPERATIONS),
    "evidence, to the supplier": ("/orders/{number}/evidence", FERRO),
    "bins": ("/bins", OPERATIONS),
    "bins, nothing matches": ("/bins?q=nothing+like+that", OPERATIONS),
    "bin, edit": ("/bins/LND-R04-B2/edit", OPERATIONS),
    "bin, new": ("/bins/new", OPERATIONS),
    "bin, ordering": ("/bins/LND-R02-C7/ordering", OPERATIONS),
    "supplier, calendar": ("/suppliers/1/calendar", OPERATIONS),
    "calendar, to the supplier": ("/p/calendar", FERRO),
    "bin, history": ("/bins/LND-R04-B2/history", OPERATIONS),
    "items": ("/items", OPERATIONS),
    "item, edit": ("/items/1/edit", OPERATIONS),
    "item, supplied by": ("/items/1/suppliers/new", OPERATIONS),
    "places, none": ("/places", OPERATIONS),
    "sites": ("/sites", OPERATIONS),
    "import": ("/import", OPERATIONS),
    "items, not for a supplier": ("/items", FERRO),
    "portal": ("/p", FERRO),
    "portal, one order": ("/p/orders/{order}", FERRO),
    "portal, nothing": ("/p", QUIET),
    "answer": ("{link}", None),
    "answer, expired": ("/a/" + "A" * 48, None),
    "not found": ("/nothing", None),
}


@pytest.fixture(scope="module")
def served(make_database):
    """One site for all: nothing is changed here."""
    with serving(make_database(f"test_pages_{os.getpid()}")) as site:
        with site.world.database.admin() as conn:
            supplier = conn.execute(
                "INSERT INTO suppliers (name) VALUES ('Quiet') RETURNING supplier_id"
            ).fetchone()
            users.add(
                conn,
                email=QUIET,
                password_hash=PASSWORD_HASH,
                role="supplier",
                supplier_id=supplier[0],
            )
        agreement = site.world.agreement(
            valid_until="2026-12-01", service="fill", target_per_mille=985
        )
        site.world.proposal(
            agreement,
            Side.SUPPLIER,
            {"LND-R04-B2": {"minimum": 800, "order_up_to": 1_900}},
            answer_hours=2,
        )
        yield site


def path_of(served, name: str) -> tuple[str, str | None]:
    path, email = PAGES[name]
    world = served.world
    return path.format(
        order=world.order_of("LND-R04-B2"),
        number=world.order_label("LND-R04-B2"),
        link=world.link("LND-R04-B2"),
        agreement=1,
    ), email


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_no_violation_of_wcag(visit, served, name: str, scheme: str) -> None:
    page = visit(*path_of(served, name), scheme=scheme)
    if name.startswith("wall"):
        page.wait_for_selector(".live.is-live")
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
    assert not page.broken


@pytest.mark.parametrize("name", PAGES)
def test_nothing_scrolls_sideways_at_320_pixels(visit, served, name: str) -> None:
    page = visit(*path_of(served, name), width=320)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 320, page.evaluate(
        """[...document.querySelectorAll('body *')].filter(e =>
            e.getBoundingClientRect().right > 320 && !e.closest('.scroll')
        ).map(e => e.className || e.tagName).slice(0, 8)"""
    )
