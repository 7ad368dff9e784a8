"""What scanners send. Examples from GS1's General Specifications, and from what shops scan."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.drivers import barcodes

SEPARATOR = "\x1d"


def explained(data: str, aim: str | None = None, separator: str = "") -> dict[str, object]:
    return barcodes.explained({"data": data, "aim": aim, "separator": separator})


def test_digits_of_an_article_are_one_gtin_however_many_there_are() -> None:
    assert explained("5901234123457", "]E0")["gtin"] == "05901234123457"
    assert explained("11524496", "]E4")["gtin"] == "00000011524496"
    assert explained("012345678905", "]E0")["gtin"] == "00012345678905"
    assert explained("5901234123457")["gtin"] == "05901234123457"


def test_a_german_article_is_not_taken_for_an_order_number() -> None:
    """400 is the prefix of the country, and an application identifier."""
    found = explained("4006381333931", "]E0")
    assert found["gtin"] == "04006381333931"
    assert "elements" not in found


def test_where_nothing_says_which_was_meant_both_are_told_and_marked() -> None:
    found = explained("4006381333931")
    assert (found["gtin"], found["ambiguous"]) == ("04006381333931", True)
    assert found["elements"] == {"400": "6381333931"}


def test_in_a_gs1_symbol_it_is_the_order_number() -> None:
    found = explained("4006381333931", "]C1")
    assert found["elements"] == {"400": "6381333931"}
    assert "gtin" not in found


@pytest.mark.parametrize(
    ("data", "aim", "error"),
    [
        ("4006381333932", "]E0", "gtin check digit, expected 1"),
        ("11524493", "]E4", "gtin check digit, expected 6"),
        ("0105901234123458", "]C1", "gtin check digit, expected 7"),
        ("0105901234123458", None, "gtin check digit, expected 7"),
        ("00376130321109103421", None, "sscc check digit, expected 0"),
    ],
)
def test_a_number_that_fails_its_own_digit_was_misread(
    data: str, aim: str | None, error: str
) -> None:
    assert explained(data, aim)["error"] == error


@pytest.mark.parametrize("data", ["11524493", "4711", "BIN-0042", "2012345000012"])
def test_the_label_of_a_bin_needs_no_check_digit(data: str) -> None:
    assert explained(data) == {"data": data, "aim": None}
    assert "error" not in explained(data, "]C0")


@pytest.mark.parametrize("aim", ["]A0", "]F0", "]I0", "]X0"])
def test_only_symbols_of_gs1_hold_articles(aim: str) -> None:
    found = explained("5901234123457", aim)
    assert "gtin" not in found
    assert "elements" not in found


def test_a_lost_separator_is_marked_and_not_guessed() -> None:
    whole = "0107032069804988100329" + SEPARATOR + "15210526"
    assert explained(whole)["elements"] == {"01": "07032069804988", "10": "0329", "15": "210526"}
    assert "ambiguous" not in explained(whole)
    lost = explained(whole.replace(SEPARATOR, ""))
    assert lost["ambiguous"] is True
    assert lost["elements"] == {"01": "07032069804988", "10": "032915210526"}


def test_what_a_scanner_sends_in_its_place_counts_as_the_separator() -> None:
    assert explained("10AB|17301231", "]C1", "|")["elements"] == {"10": "AB", "17": "301231"}


def test_elements_of_fixed_length_need_no_separator() -> None:
    assert "ambiguous" not in explained("010590123412345715210526", "]C1")


def test_a_crate_that_comes_back_is_called_one() -> None:
    assert explained("800307071324001022085952")["grai"] is True


def test_a_web_address_may_hold_the_same_elements() -> None:
    found = explained("https://example.com/01/614141123452/10/ABC123?15=250330", "]Q3")
    assert found["elements"] == {"01": "00614141123452", "10": "ABC123", "15": "250330"}


@pytest.mark.parametrize("data", ["]", "]C", "]]", "10]", "1]\x1d", " ", "\x1d"])
def test_half_a_scan_is_what_it_is(data: str) -> None:
    assert explained(data)["data"] == data


IDENTIFIERS = ["00", "01", "02", "10", "11", "15", "17", "21", "37", "3103", "400", "7003", "8003"]
GS1_LIKE = st.lists(
    st.one_of(
        st.sampled_from(IDENTIFIERS),
        st.text("0123456789", min_size=1, max_size=20),
        st.sampled_from([SEPARATOR, "A", "/", "]", "]C1", "https://id.gs1.org/01/", "(01)", "?"]),
    ),
    max_size=8,
).map("".join)
AIMS = st.sampled_from([None, "]zz", *barcodes.SYMBOLOGIES])


@given(data=st.one_of(GS1_LIKE, st.text(max_size=40)), aim=AIMS, separator=st.sampled_from("|1 "))
@settings(deadline=2_000, max_examples=500)
def test_no_scan_raises_and_what_was_scanned_is_kept(
    data: str, aim: str | None, separator: str
) -> None:
    found = explained(data, aim, separator)
    assert found["data"] == data
    assert not {"error", "gtin"} <= set(found)


@given(digits=st.text("0123456789", min_size=12, max_size=12))
@settings(deadline=2_000)
def test_every_article_number_is_read_with_its_digit_and_with_no_other(digits: str) -> None:
    check = -sum(int(digit) * (1, 3)[at % 2] for at, digit in enumerate(digits)) % 10
    assert explained(f"{digits}{check}", "]E0")["gtin"] == f"0{digits}{check}"
    assert "expected" in str(explained(f"{digits}{(check + 1) % 10}", "]E0")["error"])
