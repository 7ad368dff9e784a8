"""The page of a bin in every state of trust: its words, its estimate, and never a bare number."""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from cloud.core.trust import Trust
from cloud.http.doubts import TRUST_WORDS
from tests.browser.conftest import serving
from tests.browser.test_every_page import RULES
from tests.cloud.http.doubtful import BIN_OF, doubt
from tests.cloud.http.world import OPERATIONS

pytestmark = pytest.mark.browser

PICTURES = os.environ.get("BINLINE_PICTURES")  # a folder: where the pictures are wanted
UNTRUSTED = [trust for trust in Trust if trust is not Trust.FRESH]


@pytest.fixture(scope="module")
def served(make_database):
    with serving(make_database(f"test_bin_page_{os.getpid()}")) as site:
        with site.world.database.admin() as conn:
            conn.execute(
                "TRUNCATE orders, breaches, order_events, notices, attempts, bin_state, bin_levels,"
                " readings CASCADE"
            )
        doubt(site.world)
        yield site


def picture(page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


@pytest.mark.parametrize("trust", Trust)
def test_every_state_of_trust_says_what_it_means(visit, served, trust: Trust) -> None:
    page = visit(f"/bins/{BIN_OF[trust]}", OPERATIONS)
    now = page.get_by_label("Level now")
    text = now.inner_text()
    assert f"{TRUST_WORDS[trust].word}." in text
    if trust is not Trust.FRESH:
        assert TRUST_WORDS[trust].means in text
        ends = "until then" if trust is Trust.UNKNOWN else "on this number"
        assert f"Nothing is ordered {ends}." in text
    picture(page, f"bin-{trust.value}-light")
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, f"bin-{trust.value}-390")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not page.broken


@pytest.mark.parametrize("trust", UNTRUSTED)
def test_an_untrusted_level_is_never_shown_as_if_it_were_measured(
    visit, served, trust: Trust
) -> None:
    text = visit(f"/bins/{BIN_OF[trust]}", OPERATIONS).get_by_label("Level now").inner_text()
    for line in re.findall(r"[^\n]*of \d[\d,]* pieces[^\n]*", text):
        assert "estimate" in line or "last known" in line or trust is Trust.UNKNOWN, line
    if trust is not Trust.UNKNOWN:
        assert re.search(r"≈ \d+\s+of [\d,]+ pieces, estimate \d+ to \d+", text), text


def test_on_the_wall_an_untrusted_tile_says_estimate(visit, served) -> None:
    page = visit("/wall", OPERATIONS)
    page.wait_for_selector(".live.is-live")
    for trust in UNTRUSTED:
        tile = page.locator(f'li[data-code="{BIN_OF[trust]}"]')
        text = tile.inner_text()
        if trust is Trust.UNKNOWN:
            assert re.search(r"^\W\s+/ 1,000", text, re.MULTILINE), text
            continue
        assert re.search(r"≈ \d+", text), text
        assert re.search(r"estimate \d+ to \d+", text), text
    assert "±" in page.locator(f'li[data-code="{BIN_OF[Trust.FRESH]}"]').inner_text()
    picture(page, "wall-light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("trust", [Trust.FRESH, Trust.OFFLINE, Trust.UNKNOWN])
def test_no_violation_of_wcag(visit, served, trust: Trust, scheme: str) -> None:
    page = visit(f"/bins/{BIN_OF[trust]}", OPERATIONS, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
    picture(page, f"bin-{trust.value}-{scheme}-open")


@pytest.mark.parametrize("trust", [Trust.FRESH, Trust.STUCK])
def test_nothing_scrolls_sideways_at_320_pixels(visit, served, trust: Trust) -> None:
    page = visit(f"/bins/{BIN_OF[trust]}", OPERATIONS, width=320)
    wide = page.evaluate("document.documentElement.scrollWidth")
    picture(page, f"bin-{trust.value}-phone")
    assert wide <= 320, page.evaluate(
        """[...document.querySelectorAll('body *')].filter(e =>
            e.getBoundingClientRect().right > 320 && !e.closest('.scroll')
        ).map(e => e.className || e.tagName).slice(0, 8)"""
    )


def test_a_count_is_entered_and_what_is_refused_keeps_what_was_typed(visit, served) -> None:
    page = visit(f"/bins/{BIN_OF[Trust.NOT_ZEROED]}", OPERATIONS)
    page.get_by_label("Pieces counted").fill("999999")
    page.get_by_label("In your words").fill("the turn of the rack")
    page.get_by_role("button", name="Enter count").click()
    assert "So many pieces cannot be in this bin." in page.get_by_role("alert").inner_text()
    assert page.get_by_label("In your words").input_value() == "the turn of the rack"
    picture(page, "bin-count-refused")
    page.get_by_label("Pieces counted").fill("340")
    page.get_by_role("button", name="Enter count").click()
    page.get_by_text("Entered.").wait_for()
    assert "343, 3 too many" in page.locator("#count").inner_text()
