"""A paper as PDF: it is one, says what it was given, and is the same each time."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud.pdf import papers
from cloud.pdf.papers import Cell, Grid, Paper, Part, bars, pdf_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def paper(title: str = "Review of Ferro AG", rows: int = 1) -> Paper:
    grid = Grid(
        title="Bins",
        heads=("Bin", "Oct", "Trend"),
        rows=[
            [
                Cell(text=f"R{n}", sub="a < b & c"),
                Cell(text="97 %"),
                Cell(text="", bars=(1.0, None)),
            ]
            for n in range(rows)
        ],
        more=3,
    )
    empty = Grid(heads=("Bin",), rows=[], nothing="None.")
    return Paper(
        title=title,
        subtitle="2026Q4",
        facts=[("Bins", "3")],
        parts=[Part(title="Service", note="Whether it was there.", grids=[grid, empty])],
        made_at=NOON,
    )


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_it_is_a_pdf_and_the_same_paper_makes_the_same_bytes() -> None:
    first = pdf_of(paper())
    assert first.startswith(b"%PDF-")
    assert first.rstrip().endswith(b"%%EOF")
    assert pages(first) == 1
    assert pdf_of(paper()) == first
    assert pdf_of(paper("Review of Norrby")) != first


def test_what_is_long_goes_on_over_pages() -> None:
    assert pages(pdf_of(paper(rows=200))) > 3


def test_a_letter_that_the_face_lacks_is_written_another_way_and_never_left_out() -> None:
    face = papers._Face(
        regular="", bold="", letters=frozenset(map(ord, "abcdefghijklmnopqrstuvwxyzLdZ -"))
    )
    assert face.said("Łódź") == "Lodz"
    assert face.said("a\N{MINUS SIGN}b") == "a-b"
    assert face.said("株") == "?"


def test_marks_of_the_language_it_is_drawn_in_are_text() -> None:
    assert papers._face().marked("a < b & c") == "a &lt; b &amp; c"
    pdf_of(paper("<b>Ferro & <i>Sons"))  # would be refused, if it were taken for marks


def test_without_the_face_of_the_machine_there_is_that_of_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    papers._face.cache_clear()
    monkeypatch.setattr(papers, "DEJAVU", Path("/nowhere"))
    try:
        assert ord("ü") in papers._face().letters
        assert pdf_of(paper("Łódź")).startswith(b"%PDF-")
    finally:
        papers._face.cache_clear()


def test_bars_are_as_high_as_their_values_and_what_is_not_defined_has_none() -> None:
    assert bars((1.0, None, 2.0), 30, 10) == [(0.0, 5.0, 7.0), (20.0, 10.0, 7.0)]
    assert bars((0.0,), 30, 10) == [(0.0, 0.6, 21.0)]
    assert bars((None,), 30, 10) == bars((), 30, 10) == []
