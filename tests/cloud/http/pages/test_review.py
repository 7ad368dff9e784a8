"""The review of a quarter: the same for both sides, nobody else's, as a page and as PDF."""

from datetime import timedelta

import pytest

from tests.cloud.http.world import FERRO, NORRBY, OPERATIONS

ASKED = "supplier=Ferro+AG&quarter=2026Q4"


def test_both_sides_read_the_same_numbers(world, browser) -> None:
    world.a_morning()
    world.now += timedelta(seconds=1)
    ours = browser(OPERATIONS).get(f"/review?{ASKED}").text
    theirs = browser(FERRO).get("/review?quarter=2026Q4").text
    assert "Review of Ferro AG" in ours

    def numbers(page: str) -> list[str]:
        cells = page.split('<td class="right">')[1:]
        return [cell.split("</td>")[0] for cell in cells]

    assert numbers(ours) == numbers(theirs) != []
    assert "NORRBY-SECRET" not in theirs


def test_operations_choose_whose_and_nobody_reads_anothers(world, browser) -> None:
    world.a_morning()
    page = browser(OPERATIONS).get("/review").text
    assert "Whose quarter?" in page
    assert "<option>Norrby</option>" in page
    supplier = browser(NORRBY)
    for path in ("/review", "/review.pdf", "/api/review", "/api/review.pdf"):
        assert supplier.get(f"{path}?{ASKED}").status_code == 404, path
        assert supplier.get(f"{path}?supplier=Norrby").status_code == 200, path


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("supplier=Nobody", 404),
        ("supplier=Norrby&quarter=2026Q5", 422),
        ("supplier=Norrby&quarter=2031Q1", 422),  # yet to come
        ("supplier=Norrby&quarter=2019Q1", 200),  # nothing is known of it, and it says so
    ],
)
def test_a_quarter_that_cannot_be_is_refused(world, browser, query: str, status: int) -> None:
    world.a_morning()
    assert browser(OPERATIONS).get(f"/review?{query}").status_code == status


def test_the_pdf_is_one_and_has_a_name(world, browser) -> None:
    world.a_morning()
    answer = browser(OPERATIONS).get(f"/review.pdf?{ASKED}")
    assert answer.headers["content-type"] == "application/pdf"
    assert 'filename="review-Ferro-AG-2026Q4.pdf"' in answer.headers["content-disposition"]
    assert answer.content.startswith(b"%PDF-")
