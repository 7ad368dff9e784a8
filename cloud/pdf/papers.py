"""A paper of titles, facts and grids, and the same as PDF: A4, with page numbers.

A page in the browser is made of the same `Paper`, so that what is printed and what is sent say the
same. Letters are those of DejaVu Sans, where the machine has it, else of Vera, which comes with the
library and knows Western Europe alone; a letter that the face lacks is written without its
accents, and what then is still unknown as a question mark, never as nothing.
"""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Drawing, Rect
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

DEJAVU = Path("/usr/share/fonts/truetype/dejavu")
_MARGIN = 16 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_INK, _SOFT = colors.HexColor("#12181f"), colors.HexColor("#566273")
_LINE, _GROUND = colors.HexColor("#dde2e8"), colors.HexColor("#eef1f4")
_BAR = colors.HexColor("#0b5cad")
_BARS_WIDE, _BARS_HIGH = 30.0, 12.0
_FIRST_SHARE = 0.34  # of the width, where a grid says what its rows are


@dataclass(frozen=True, kw_only=True)
class Cell:
    text: str
    sub: str = ""
    href: str = ""  # in the browser; on paper there is nothing to press
    bars: tuple[float | None, ...] = ()  # a trend, from zero to the greatest


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The first cell of a row names it; numbers stand to the right."""

    title: str = ""
    heads: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    more: int = 0  # rows that are not shown
    nothing: str = ""  # what is said where there is no row


@dataclass(frozen=True, kw_only=True)
class Part:
    title: str
    note: str = ""
    grids: Sequence[Grid]


@dataclass(frozen=True, kw_only=True)
class Paper:
    title: str
    subtitle: str
    facts: Sequence[tuple[str, str]]
    parts: Sequence[Part]
    made_at: datetime


def pdf_of(paper: Paper) -> bytes:
    """The same bytes for the same paper."""
    face = _face()
    into = io.BytesIO()
    document = BaseDocTemplate(
        into,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=20 * mm,
        title=face.said(f"{paper.title}, {paper.subtitle}"),
        author="Binline",
        lang="en",
        invariant=1,
    )
    frame = Frame(
        document.leftMargin, document.bottomMargin, document.width, document.height,
        leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0,
    )  # fmt: skip

    def foot(canvas: Canvas, page: BaseDocTemplate) -> None:
        canvas.saveState()
        canvas.setFont(face.regular, 7.5)
        canvas.setFillColor(_SOFT)
        line = face.said(f"{paper.title} · {paper.subtitle}")
        canvas.drawString(_MARGIN, 11 * mm, line)
        canvas.drawRightString(A4[0] - _MARGIN, 11 * mm, f"{page.page}")
        canvas.restoreState()

    document.addPageTemplates([PageTemplate(id="page", frames=[frame], onPage=foot)])
    document.build(_story(paper, face))
    return into.getvalue()


# ------------------------------------------------------------------ letters


@dataclass(frozen=True, kw_only=True)
class _Face:
    regular: str
    bold: str
    letters: frozenset[int]

    def said(self, text: str) -> str:
        return "".join(c if ord(c) in self.letters else self._instead(c) for c in text)

    def marked(self, text: str) -> str:
        return escape(self.said(text))

    def _instead(self, letter: str) -> str:
        plain = unicodedata.normalize("NFKD", _WITHOUT_STROKE.get(letter, letter))
        kept = "".join(c for c in plain if ord(c) in self.letters)
        return kept or "?"


# Letters that are one with their stroke, so that taking accents off leaves them as they are.
_WITHOUT_STROKE = {
    "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Ħ": "H", "ħ": "h",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i", "\N{MINUS SIGN}": "-",
}  # fmt: skip


@cache
def _face() -> _Face:
    for regular, bold in (
        (DEJAVU / "DejaVuSans.ttf", DEJAVU / "DejaVuSans-Bold.ttf"),
        (Path("Vera.ttf"), Path("VeraBd.ttf")),  # the library finds its own
    ):
        try:
            faces = TTFont("Binline", str(regular)), TTFont("Binline-Bold", str(bold))
        except TTFError:
            continue
        for one in faces:
            pdfmetrics.registerFont(one)
        known = frozenset(faces[0].face.charToGlyph) & frozenset(faces[1].face.charToGlyph)
        return _Face(regular="Binline", bold="Binline-Bold", letters=known)
    raise AssertionError("the library brings a face of its own")


# ------------------------------------------------------------------ what is on the paper


def _story(paper: Paper, face: _Face) -> list[Flowable]:
    style = _styles(face)
    story: list[Flowable] = [
        Paragraph(face.marked(paper.title), style["title"]),
        Paragraph(face.marked(paper.subtitle), style["subtitle"]),
        Spacer(0, 3 * mm),
        _facts(paper.facts, face, style),
    ]
    for part in paper.parts:
        head = [Spacer(0, 5 * mm), Paragraph(face.marked(part.title), style["part"])]
        if part.note:
            head.append(Paragraph(face.marked(part.note), style["note"]))
        for grid in part.grids:
            title = [Paragraph(face.marked(grid.title), style["grid"])] if grid.title else []
            body: Flowable = (
                _grid(grid, face, style)
                if grid.rows
                else Paragraph(face.marked(grid.nothing), style["note"])
            )
            more = [Paragraph(f"And {grid.more:,} more.", style["note"])] if grid.more else []
            # A title never stands alone at the foot of a page.
            story.append(KeepTogether([*head, *title, body, *more]))
            head = []
        story.extend(head)
    return story


def _styles(face: _Face) -> dict[str, ParagraphStyle]:
    def style(name: str, size: float, *, bold: bool = False, **more: object) -> ParagraphStyle:
        return ParagraphStyle(
            name,
            fontName=face.bold if bold else face.regular,
            fontSize=size,
            leading=size * 1.28,
            textColor=more.pop("textColor", _INK),
            **more,
        )

    return {
        "title": style("title", 17, bold=True),
        "subtitle": style("subtitle", 10, textColor=_SOFT),
        "part": style("part", 12, bold=True, spaceAfter=2),
        "grid": style("grid", 9, bold=True, spaceBefore=5, spaceAfter=2),
        "note": style("note", 7.5, textColor=_SOFT, spaceAfter=3),
        "cell": style("cell", 8),
        "sub": style("sub", 6.5, textColor=_SOFT),
        "right": style("right", 8, alignment=2),
        "right_sub": style("right_sub", 6.5, textColor=_SOFT, alignment=2),
        "head": style("head", 7, bold=True, textColor=_SOFT),
        "head_right": style("head_right", 7, bold=True, textColor=_SOFT, alignment=2),
    }


def _facts(
    facts: Sequence[tuple[str, str]], face: _Face, style: dict[str, ParagraphStyle]
) -> Flowable:
    rows = [
        [Paragraph(face.marked(name), style["sub"]), Paragraph(face.marked(said), style["cell"])]
        for name, said in facts
    ]
    table = Table(rows, colWidths=[32 * mm, _WIDTH - 32 * mm], hAlign="LEFT")
    table.setStyle(_LINES)
    return table


_LINES = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]
)
_HEAD = TableStyle([("BACKGROUND", (0, 0), (-1, 0), _GROUND)])


def _grid(grid: Grid, face: _Face, style: dict[str, ParagraphStyle]) -> Flowable:
    heads = [
        Paragraph(face.marked(head), style["head" if at == 0 else "head_right"])
        for at, head in enumerate(grid.heads)
    ]
    rows = [
        [_cell(cell, face, style, right=at > 0) for at, cell in enumerate(row)] for row in grid.rows
    ]
    first = _WIDTH * _FIRST_SHARE
    others = (_WIDTH - first) / max(1, len(grid.heads) - 1)
    table = Table(
        [heads, *rows],
        colWidths=[first, *[others] * (len(grid.heads) - 1)],
        repeatRows=1,
        hAlign="LEFT",
    )
    table.setStyle(_LINES)
    table.setStyle(_HEAD)
    return table


def _cell(
    cell: Cell, face: _Face, style: dict[str, ParagraphStyle], *, right: bool
) -> list[Flowable]:
    if cell.bars:
        return [_bars(cell.bars)]
    main, sub = ("right", "right_sub") if right else ("cell", "sub")
    told: list[Flowable] = [Paragraph(face.marked(cell.text), style[main])]
    if cell.sub:
        told.append(Paragraph(face.marked(cell.sub), style[sub]))
    return told


def _bars(values: Sequence[float | None]) -> Drawing:
    drawing = Drawing(_BARS_WIDE, _BARS_HIGH, hAlign="RIGHT")
    for left, high, wide in bars(values, _BARS_WIDE, _BARS_HIGH):
        drawing.add(Rect(left, 0, wide, high, fillColor=_BAR, strokeColor=None))
    return drawing


def bars(
    values: Sequence[float | None], wide: float, high: float
) -> list[tuple[float, float, float]]:
    """Of each value that is defined: from where, how high, how wide. What is not has no bar."""
    most = max((abs(value) for value in values if value is not None), default=0.0)
    each = wide / max(1, len(values))
    return [
        (at * each, max(0.6, high * abs(value) / most) if most else 0.6, each * 0.7)
        for at, value in enumerate(values)
        if value is not None
    ]
