"""Files of nouns in and out: CSV and Excel workbooks, one sheet per noun.

What a spreadsheet does to a value on the way is undone where it can be, and refused where it
cannot: a semicolon and a decimal comma mean a German one; a text that begins like a formula is
written with an apostrophe before it, which is taken off again; a number that a cell shows with
leading zeros is read with them. Formulas are never kept, only what they came to.
"""

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from cloud.core.imports import Sheet
from cloud.core.nouns import NOUNS, Kind, Noun, Values, paper
from cloud.core.refusals import SheetUnreadable

FILE_BYTES_MAX = 8 * 1024 * 1024
UNPACKED_BYTES_MAX = 64 * 1024 * 1024  # a workbook is a zip: a small one can hold gigabytes
ROWS_MAX = 20_000
COLUMNS_MAX = 60
CELL_CHARS_MAX = 2_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def read_file(name: str, content: bytes) -> list[Sheet]:
    if len(content) > FILE_BYTES_MAX:
        raise SheetUnreadable(f"it is larger than {FILE_BYTES_MAX // 1024 // 1024} MiB")
    if content.startswith(b"PK\x03\x04"):
        return _read_workbook(content)
    return [_read_csv(PurePath(name).stem.lower(), content)]


def csv_of(noun: Noun, rows: Iterable[Values]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([field.on_paper for field in noun.fields])
    for values in rows:
        writer.writerow([_safe(text) for text in paper(noun, values).values()])
    # With the mark, for else Excel takes it for the code page of the machine.
    return out.getvalue().encode("utf-8-sig")


def workbook_of(tables: Mapping[str, Iterable[Values]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    for noun in NOUNS.values():
        if noun.name not in tables:
            continue
        sheet = book.create_sheet(noun.plural)
        sheet.freeze_panes = "A2"
        for number, field in enumerate(noun.fields):
            width = max(12, min(40, len(field.on_paper) + 4))
            sheet.column_dimensions[openpyxl.utils.get_column_letter(number + 1)].width = width
        sheet.append([_cell(sheet, field.on_paper, bold=True) for field in noun.fields])
        for values in tables[noun.name]:
            shown = paper(noun, values)
            sheet.append(
                [
                    _cell(sheet, shown[field.on_paper], number=field.kind is Kind.NUMBER)
                    for field in noun.fields
                ]
            )
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _cell(sheet: Any, text: str, *, bold: bool = False, number: bool = False) -> Any:  # noqa: ANN401 - openpyxl has no types
    if not text:
        return None
    cell = WriteOnlyCell(sheet, value=Decimal(text) if number else text)
    if not number:
        cell.data_type = "s"  # also where it begins like a formula
        cell.number_format = "@"
    if bold:
        cell.font = Font(bold=True)
    return cell


# ------------------------------------------------------------------------------ CSV


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith((*FORMULA_STARTS, "'")) and not _is_number(text) else text


def _plain(text: str) -> str:
    return (
        text[1:] if text.startswith("'") and text[1:].startswith((*FORMULA_STARTS, "'")) else text
    )


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()


def _read_csv(name: str, content: bytes) -> Sheet:
    text = _decoded(content)
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lower().startswith("sep="):
        text, mark = text.partition("\n")[2], first[4:5]
    else:
        mark = max(",;\t", key=first.count)
    try:
        rows = [*csv.reader(io.StringIO(text, newline=""), delimiter=mark or ",", strict=True)]
    except csv.Error as error:
        raise SheetUnreadable(str(error)) from error
    numbered = [(n, [_plain(c) for c in row]) for n, row in enumerate(rows, 1)]
    return _sheet(name, iter(numbered), comma=mark != ",")


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]  # the second is what an older Excel in Europe writes
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise SheetUnreadable("its text is neither UTF-8 nor Windows-1252")


# ------------------------------------------------------------------------------ workbooks


def _read_workbook(content: bytes) -> list[Sheet]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(one.file_size for one in packed.infolist()) > UNPACKED_BYTES_MAX:
                raise SheetUnreadable("it unpacks to more than such a workbook holds")  # noqa: TRY301 - passed on
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        try:
            return [
                _sheet(sheet.title.strip().lower(), _rows_of(sheet), comma=False)
                for sheet in book.worksheets
                if sheet.sheet_state == "visible"
            ]
        finally:
            book.close()
    except SheetUnreadable:
        raise
    except Exception as error:  # whatever openpyxl stumbles over in bytes of a stranger
        raise SheetUnreadable(f"it is no whole workbook ({type(error).__name__})") from error


def _rows_of(sheet: Any) -> Iterator[tuple[int, list[str]]]:  # noqa: ANN401 - openpyxl has no types
    for number, row in enumerate(sheet.iter_rows(max_col=COLUMNS_MAX + 1), 1):
        yield number, [_text(cell) for cell in row]


def _text(cell: Any) -> str:  # noqa: ANN401 - openpyxl has no types
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        text = format(Decimal(repr(value)).normalize(), "f")
        shown = str(cell.number_format)
        # 000413 may be the number 413, shown with six digits.
        return text.zfill(len(shown)) if shown and set(shown) == {"0"} else text
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return str(value)


def _sheet(name: str, rows: Iterator[tuple[int, Sequence[str]]], *, comma: bool) -> Sheet:
    columns: list[str] = []
    kept: list[tuple[int, Sequence[str]]] = []
    for number, row in rows:
        cells = [*row]
        while cells and not cells[-1].strip():
            cells.pop()
        if not cells:
            continue
        if len(cells) > COLUMNS_MAX:
            raise SheetUnreadable(f"row {number} of {name} has more than {COLUMNS_MAX} columns")
        if any(len(cell) > CELL_CHARS_MAX for cell in cells):
            raise SheetUnreadable(
                f"a cell in row {number} of {name} has more than {CELL_CHARS_MAX:,} characters"
            )
        if not columns:
            columns = cells
        elif len(kept) == ROWS_MAX:
            raise SheetUnreadable(f"{name} has more than {ROWS_MAX:,} rows; send it in parts")
        else:
            kept.append((number, cells))
    return Sheet(name=name, columns=columns, rows=kept, comma=comma)
