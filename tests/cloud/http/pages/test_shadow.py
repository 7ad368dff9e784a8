"""The page of what would have been ordered."""

import re

from tests.cloud.http.shadowed import shadowed
from tests.cloud.http.world import OPERATIONS


def _text(browser) -> str:
    text = browser(OPERATIONS).get("/shadow").text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_both_stand_beside_each_other(world, browser) -> None:
    shadowed(world)
    page = _text(browser)
    assert "Lock nut M8" in page
    assert "1,500 1 order" in page
    assert "700 1 refill" in page


def test_without_a_shadow_the_page_says_what_would_stand_there(browser) -> None:
    assert "Nothing in shadow" in _text(browser)
