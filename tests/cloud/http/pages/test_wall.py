"""The wall as it is drawn by the server: complete without a script."""

import re

from tests.cloud.http.world import OPERATIONS


def shown(page: str) -> set[str]:
    rows = re.findall(r'<li data-code="([^"]+)"( hidden)?>', page)
    return {code for code, hidden in rows if not hidden}


def tile(page: str, code: str) -> str:
    found = re.search(rf'<li data-code="{code}".*?</li>', page, re.DOTALL)
    assert found is not None
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0])).strip()


def test_every_tile_tells_its_state_in_a_word(world, browser) -> None:
    page = browser(OPERATIONS).get("/wall").text
    assert "Stale" in tile(page, "LND-R04-B2")  # nothing was ever heard
    world.a_morning()
    page = browser(OPERATIONS).get("/wall").text
    assert tile(page, "LND-R02-C7") == "Hex bolt M8x30 R02-C7 · 10487 OK 800 / 1,000 now"
    assert tile(page, "LND-R03-C6") == "Fuse 10 A R03-C6 · 10858 Empty 0 / 4,000 ordered"
    assert tile(page, "LND-R04-B2") == "Lock nut M8 R04-B2 · 10741 Low 412 / 2,000 ordered"
    assert tile(page, "LND-R01-A8") == (
        "Set screw M5 R01-A8 · 10827 Stale ≈ 343 / 1,000 3 h old estimate 0 to 343"
    )


def test_the_address_holds_the_view(world, browser) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    for address, codes in (
        ("/wall?state=empty", {"LND-R03-C6"}),
        ("/wall?state=low", {"LND-R03-C6", "LND-R04-B2", "HRT-R09-B2"}),
        ("/wall?state=stale", {"LND-R01-A8"}),
        ("/wall?state=ordered&q=hartmann", {"HRT-R09-B2"}),
        ("/wall?q=10487", {"LND-R02-C7"}),
        ("/wall?q=nothing+like+that", set()),
    ):
        page = visitor.get(address).text
        assert shown(page) == codes, address
        assert ('data-part="none" hidden' in page) is bool(codes)


def test_the_six_numbers_and_what_needs_a_person(world, browser) -> None:
    world.a_morning()
    world.gateway("hartmann-1", "offline", ago_s=7200)
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", browser(OPERATIONS).get("/wall").text))
    assert "Bins above minimum 57.1 % 4 of 7 fresh readings" in page
    assert "Empty now 1 R03-C6" in page
    assert "Below minimum 3 of 8 3 on order" in page
    assert "No fresh reading 1 behind lindau-1" in page
    assert "Open orders 3 3 not answered yet" in page
    assert "Gateways online 1 of 2 away: hartmann-1" in page
    assert "Fuse 10 A at Lindau Pumps, R03-C6 is empty, and its order has not come yet." in page
    assert "Gateway hartmann-1 is offline: 3 bins are behind it." in page
    assert "Set screw M5 at Lindau Pumps, R01-A8: Not heard of for 3 h" in page


def test_a_cloud_without_bins_says_what_comes_next(world, browser) -> None:
    with world.database.admin() as conn:
        conn.execute("UPDATE bins SET active = false")
    page = browser(OPERATIONS).get("/wall").text
    assert "No bin yet" in page
    assert "binline demo" in page


def test_the_first_paint_says_as_of_when_it_is(browser) -> None:
    assert "As of 10:41:30 CET" in browser(OPERATIONS).get("/wall").text
