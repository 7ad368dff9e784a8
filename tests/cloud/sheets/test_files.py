"""Files of nouns: what a spreadsheet does to a value is undone, or the file is refused."""

import io
import zipfile

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.imports import plan_of
from cloud.core.nouns import ITEM, read
from cloud.core.refusals import SheetUnreadable
from cloud.sheets import files

TEXT = st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=12)
NASTY = ["007", "=1+1", "'x", "'=x", "-5", "+49", "@a", "1e5", "a;b,c", 'say "x"']


@given(
    sku=TEXT | st.sampled_from(NASTY),
    name=TEXT | st.sampled_from(NASTY),
    weight=st.integers(1, 10**9),
    price=st.none() | st.integers(0, 10**9),
)
def test_any_item_survives_a_file(sku: str, name: str, weight: int, price: int | None) -> None:
    values = read(
        ITEM,
        {
            "sku": sku,
            "name": name,
            "unit_weight_ug": weight,
            "price_e4": price,
            "currency": None if price is None else "EUR",
        },
    ).values
    for file, content in (
        ("items.csv", files.csv_of(ITEM, [values])),
        ("x.xlsx", files.workbook_of({"item": [values]})),
    ):
        (sheet,) = files.read_file(file, content)
        (step,) = plan_of([sheet], {}).steps
        assert dict(step.values) == dict(values)


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_text_of_ours_is_a_formula_to_a_spreadsheet(start: str) -> None:
    values = {"sku": f"{start}cmd|calc", "name": "x", "unit_weight_ug": 1}
    rows = [read(ITEM, values).values]
    assert f"\r\n'{start}cmd" in files.csv_of(ITEM, rows).decode("utf-8-sig")
    book = openpyxl.load_workbook(io.BytesIO(files.workbook_of({"item": rows})))
    assert book["items"]["A2"].data_type == "s"


@pytest.mark.parametrize(
    ("content", "comma"),
    [
        ("sku;name\n007;Hülse\n".encode("utf-8-sig"), True),
        ("sku;name\r\n007;Hülse\r\n".encode("cp1252"), True),
        ("sku\tname\n007\tHülse\n".encode("utf-16"), True),
        ("sep=;\nsku;name\n007;Hülse\n".encode(), True),
        ("sku,name\n007,Hülse\n".encode(), False),
    ],
)
def test_however_a_spreadsheet_saves_it_the_text_is_the_same(content: bytes, comma) -> None:
    (sheet,) = files.read_file("Items.csv", content)
    assert sheet.name == "items"
    assert [*sheet.columns] == ["sku", "name"]
    assert [[*row] for _, row in sheet.rows] == [["007", "Hülse"]]
    assert sheet.comma is comma


def test_a_number_shown_with_leading_zeros_keeps_them_and_a_whole_float_is_whole() -> None:
    book = openpyxl.Workbook()
    book.active.title = "items"
    book.active.append(["sku", "pack", "unit_weight_g"])
    book.active.append([413, 200.0, 0.1])
    book.active["A2"].number_format = "000000"
    out = io.BytesIO()
    book.save(out)
    (sheet,) = files.read_file("x.xlsx", out.getvalue())
    assert [[*row] for _, row in sheet.rows] == [["000413", "200", "0.1"]]


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", b"0" * (files.UNPACKED_BYTES_MAX + 1))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04 and no zip", "no whole workbook"),
        (bomb(), "unpacks to more"),
        (b"a" * (files.FILE_BYTES_MAX + 1), "larger than 8 MiB"),
        (b"\x00\x01\x02", "neither UTF-8"),
        (b"sku\n" + b"x\n" * (files.ROWS_MAX + 1), "more than 20,000 rows"),
        (b"sku\n" + b"x," * 70 + b"x", "more than 60 columns"),
        (b"sku\n" + b"x" * 3000, "more than 2,000 characters"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_is_no_sheet_or_too_much_of_one_is_refused_with_the_reason(
    content: bytes, why: str
) -> None:
    with pytest.raises(SheetUnreadable, match=why):
        files.read_file("items.csv", content)
