"""The live wall in a browser: quick, honest about what it does not know, and usable by keyboard."""

import re
import time
import urllib.request
from datetime import timedelta

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from cloud.http import live, words
from tests.cloud.http.world import OPERATIONS

pytestmark = pytest.mark.browser

TILE = 'li[data-code="{}"] .tile'
SEEN_S_MAX = 2.0
BACK_S_MAX = 8.0


def viewers(served) -> float:
    with urllib.request.urlopen(f"{served.url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith("binline_live_viewers")).split()[1])


def is_live(page) -> None:
    expect(page.locator(".live")).to_have_text(words_like("Live"))


def words_like(start: str):
    return re.compile(rf"^{start}")


def test_a_changed_weight_is_seen_within_two_seconds_of_its_commit(visit, served) -> None:
    page = visit("/wall", OPERATIONS)
    is_live(page)
    count = page.locator(TILE.format("LND-R02-C7") + " .tile-count b")
    expect(count).to_have_text("800")
    seen_after = []
    for pieces in (791, 786, 640):
        served.world.weigh("LND-R02-C7", pieces, ago_s=0.1)
        committed = time.monotonic()
        expect(count).to_have_text(str(pieces), timeout=SEEN_S_MAX * 1000)
        seen_after.append(time.monotonic() - committed)
    assert max(seen_after) < SEEN_S_MAX
    assert not page.broken


def test_a_bin_that_becomes_low_changes_in_colour_shape_and_word(visit, served) -> None:
    page = visit("/wall", OPERATIONS)
    is_live(page)
    tile = page.locator(TILE.format("LND-R02-C7"))
    served.world.weigh("LND-R02-C7", 100, ago_s=0.1)
    expect(tile).to_have_class(words_like("tile is-low"))
    expect(tile.locator(".tile-word")).to_have_text("Low")
    expect(tile.locator(".tile-mark use")).to_have_attribute("href", "#m-low")
    served.world.clock()
    served.world.assess("LND-R02-C7")
    expect(tile.locator(".tile-slot")).to_have_text("ordered")
    expect(page.locator('[data-filter="low"] [data-part=count]')).to_have_text("4")
    expect(page.locator('[data-figure="ordered"] [data-part=value]')).to_have_text("4")


def test_a_dead_server_is_said_and_nothing_stays_fresh(visit, served) -> None:
    """Then it comes back by itself, whole, and without a reload."""
    with served.world.database.admin() as conn:
        conn.execute("UPDATE bins SET interval_s = 2")
    served.world.weigh("LND-R02-C7", 800, ago_s=0)
    page = visit("/wall", OPERATIONS)
    is_live(page)
    tile = page.locator(TILE.format("LND-R02-C7"))
    page.evaluate("() => { window.marked = true }")
    served.stop()
    expect(page.locator(".live")).to_have_text(words_like("Not live since"))
    expect(page.locator("[data-part=say]")).to_have_text(words_like("Not live"))
    expect(page.locator("[data-part=as-of]")).to_have_text(words_like("Numbers and tasks as of"))
    # By the page's own clock, six seconds after the last word.
    expect(tile).to_have_class(words_like("tile is-stale"), timeout=15_000)
    expect(tile.locator(".tile-word")).to_have_text("Stale")
    served.world.weigh("LND-R02-C7", 555, ago_s=0)
    back = time.monotonic()
    served.start()
    # "≈ 555" where the server came up so slowly that the reading is stale again.
    expect(tile.locator(".tile-count b")).to_contain_text("555", timeout=BACK_S_MAX * 1000)
    is_live(page)
    assert time.monotonic() - back < BACK_S_MAX
    assert page.evaluate("() => window.marked")
    expect(page.locator("[data-part=as-of]")).to_be_hidden()
    expect(page.locator("bin-wall")).not_to_have_class("not-live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_wall_that_is_not_live_is_as_readable(visit, served, scheme: str) -> None:
    page = visit("/wall", OPERATIONS, scheme=scheme)
    is_live(page)
    served.stop()
    page.wait_for_selector(".live.is-away")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_database_that_is_away_is_said(visit, served) -> None:
    page = visit("/wall", OPERATIONS)
    is_live(page)
    name = served.world.database.name
    server = served.world.database.server
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as conn:
        conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        expect(page.locator(".live")).to_contain_text("the database does not answer", timeout=15000)
        conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    expect(page.locator(".live")).to_have_text(words_like("Live"), timeout=40000)


def test_filters_live_in_the_address(visit, served) -> None:
    page = visit("/wall", OPERATIONS)
    is_live(page)
    rows = page.locator("li[data-code]:visible")
    expect(rows).to_have_count(8)
    page.click(".chip[data-filter=low]")
    expect(rows).to_have_count(3)
    assert page.url.endswith("/wall?state=low")
    page.fill("input[type=search]", "hartmann")
    expect(rows).to_have_count(1)
    assert page.url.endswith("/wall?state=low&q=hartmann")
    colleague = visit(page.url, OPERATIONS)
    expect(colleague.locator("li[data-code]:visible")).to_have_count(1)
    page.go_back()
    expect(rows).to_have_count(8)
    page.fill("input[type=search]", "nothing like that")
    expect(page.locator("[data-part=none]")).to_be_visible()
    page.click("[data-clear]")
    expect(rows).to_have_count(8)


def test_the_wall_is_walked_by_arrows_and_left_by_one_tab(visit) -> None:
    page = visit("/wall", OPERATIONS)
    is_live(page)
    assert page.locator('.tile[tabindex="0"]').count() == 1
    page.locator('.tile[tabindex="0"]').focus()
    codes = [page.evaluate("document.activeElement.parentElement.dataset.code")]
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home", "ArrowDown"):
        page.keyboard.press(key)
        codes.append(page.evaluate("document.activeElement.parentElement.dataset.code"))
    order = page.eval_on_selector_all("li[data-code]", "rows => rows.map(r => r.dataset.code)")
    assert codes[:6] == [order[0], order[1], order[2], order[1], order[-1], order[0]]
    assert codes[6] not in (None, order[0])
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.locator('.tile[tabindex="0"]').focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.rail') !== null")
    page.locator('.tile[tabindex="0"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/bins/*")


def test_each_tile_tells_its_place_in_its_list(visit) -> None:
    page = visit("/wall?state=low", OPERATIONS)
    is_live(page)
    places = page.eval_on_selector_all(
        "li[data-code]:not([hidden])",
        "rows => rows.map(r => [r.ariaPosInSet, r.ariaSetSize, r.closest('section').dataset.site])",
    )
    assert sorted(places) == [["1", "1", "2"], ["1", "2", "1"], ["2", "2", "1"]]


def test_a_hidden_wall_gives_its_place_back(visit, served) -> None:
    page = visit("/wall", OPERATIONS)
    is_live(page)
    assert viewers(served) == 1
    hide = """hidden => {
        Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.evaluate(hide, True)  # noqa: FBT003 - an argument of the script
    wait_for(lambda: viewers(served) == 0)
    page.evaluate(hide, False)  # noqa: FBT003 - as above
    wait_for(lambda: viewers(served) == 1)
    is_live(page)


def test_a_new_bin_appears_in_its_site(visit, served, monkeypatch) -> None:
    monkeypatch.setattr(live, "RELOAD_S", 0.5)
    page = visit("/wall", OPERATIONS)
    is_live(page)
    with served.world.database.admin() as conn:
        conn.execute(
            "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum)"
            " VALUES ('LND-NEW', 1, 1, 1, 'R00-A1', 1000, 100)"
        )
    tile = page.locator(TILE.format("LND-NEW"))
    expect(tile.locator(".tile-place")).to_have_text("R00-A1 · 10741")
    expect(tile.locator(".tile-count")).to_have_text(words_like(".{1} / 1,000"))
    assert tile.get_attribute("href") == "/bins/LND-NEW"


def test_tiles_do_not_move_away_under_a_hand(visit, served) -> None:
    page = visit("/wall", OPERATIONS)
    is_live(page)
    order = "rows => rows.map(r => r.dataset.code)"
    before = page.eval_on_selector_all('[data-site="1"] li', order)
    page.hover(TILE.format(before[-1]))
    served.world.weigh("LND-R02-C7", 0, ago_s=0)
    expect(page.locator(TILE.format("LND-R02-C7"))).to_have_class(words_like("tile is-empty"))
    page.wait_for_timeout(1500)
    assert page.eval_on_selector_all('[data-site="1"] li', order) == before
    page.hover("h1")
    wait_for(lambda: page.eval_on_selector_all('[data-site="1"] li', order)[0] == "LND-R02-C7")


def test_a_session_that_ended_offers_to_sign_in(visit, served, monkeypatch) -> None:
    monkeypatch.setattr(live, "SESSION_CHECK_S", 0.5)
    page = visit("/wall?state=low", OPERATIONS)
    is_live(page)
    with served.world.database.admin() as conn:
        conn.execute("DELETE FROM sessions")
    link = page.locator(".live a")
    expect(link).to_have_text("Sign in")
    assert link.get_attribute("href") == "/login?next=%2Fwall%3Fstate%3Dlow"


def test_the_wall_is_complete_without_scripts(visit) -> None:
    page = visit("/wall?state=low", OPERATIONS, scripts=False)
    assert page.locator("li[data-code]:visible").count() == 3
    assert page.locator(".live").inner_text().startswith("As of")


def test_the_page_and_the_server_spell_an_age_alike(visit) -> None:
    page = visit("/login")
    seconds = [0, 9, 10, 19, 59, 60, 119, 3599, 3600, 7260, 86_399, 86_400, 200_000]
    spelt = page.evaluate(
        """async seconds => {
            const page = await import(document.querySelector('script[type=module]').src);
            return seconds.map(s => page.ago(s * 1000));
        }""",
        seconds,
    )
    assert spelt == [words.ago(each) for each in seconds]


def test_a_wrong_clock_on_the_visitor_s_machine_makes_nothing_fresh(chromium, served) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.clock.install(time=served.world.clock() - timedelta(hours=5))
    page.clock.resume()
    context.add_cookies(
        [{"name": "binline", "value": served.cookie(OPERATIONS), "url": served.url}]
    )
    page.goto(f"{served.url}/wall")
    is_live(page)
    expect(page.locator(TILE.format("LND-R01-A8"))).to_have_class(words_like("tile is-stale"))
    expect(page.locator(TILE.format("LND-R01-A8") + " .tile-slot")).to_have_text("3 h old")
    expect(page.locator(TILE.format("LND-R02-C7"))).to_have_class(words_like("tile is-ok"))
    context.close()


def wait_for(holds, limit_s: float = 10) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.05)


def test_no_word_of_a_tile_is_cut_where_count_and_order_are_long(visit, served) -> None:
    with served.world.database.admin() as conn:
        conn.execute("UPDATE bin_levels SET exact = false, sd_pieces = 2.1")
    for width in (390, 1280):
        page = visit("/wall", OPERATIONS, width=width)
        cut = page.eval_on_selector_all(
            ".tile-says, .tile-count b, .figure-sub",
            "all => all.filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth)"
            ".map(one => one.textContent)",
        )
        assert cut == []
