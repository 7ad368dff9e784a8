"""What a field takes, on paper and in the program, and what is said when it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.nouns import BIN, ITEM, NOUNS, PLACE, SITE, paper_of, read, read_paper

WEIGHT = ITEM.by_name["unit_weight_ug"]
RIVET = {"sku": "007", "name": "Rivet"}


@pytest.mark.parametrize(
    ("text", "comma", "micrograms"),
    [
        ("1.83", False, 1_830_000), ("1,83", True, 1_830_000), ("1,83", False, 1_830_000),
        ("16", False, 16_000_000), ("0.000001", False, 1), ("1.830000", False, 1_830_000),
        ("1.834", False, 1_834_000), ("1,834", True, 1_834_000),
        ("1.834", True, None), ("1,834", False, None),  # a thousand, or one and a bit?
        ("1.234,5", True, None), ("1e3", False, None), ("-1", False, None), ("0", False, None),
        ("0.0000001", False, None), ("heavy", False, None), ("", False, None),
    ],
)  # fmt: skip
def test_a_weight_is_read_as_it_is_written_or_not_at_all(
    text: str, comma, micrograms: int | None
) -> None:
    got = read_paper(ITEM, {**RIVET, "unit_weight_g": text}, comma=comma)
    assert got.values.get("unit_weight_ug") == micrograms
    assert [one.field for one in got.mistakes] == ([] if micrograms else ["unit_weight_ug"])


@given(st.integers(1, 10**12))
def test_a_weight_on_paper_is_the_same_weight(micrograms: int) -> None:
    text = paper_of(WEIGHT, micrograms)
    got = read_paper(ITEM, {**RIVET, "unit_weight_g": text})
    assert got.values["unit_weight_ug"] == micrograms


def test_every_mistake_is_told_with_what_is_allowed() -> None:
    got = read(
        BIN, {"code": "a b", "minimum": "5", "measure": "guess", "critical": 1, "hue": "red"}
    )
    fields = {one.field for one in got.mistakes}
    assert fields == {
        "code", "minimum", "measure", "critical", "hue", "site", "item", "supplier", "capacity",
    }  # fmt: skip
    assert all(one.allowed for one in got.mistakes)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"capacity": 10, "minimum": 10}, ["minimum"]),
        ({"capacity": 10, "minimum": 5, "order_up_to": 5}, ["order_up_to"]),
        ({"capacity": 10, "minimum": 5, "order_up_to": 11}, ["order_up_to"]),
        ({"capacity": 10, "minimum": 5, "order_up_to": 10}, []),
    ],
)
def test_a_bin_orders_above_its_minimum_and_within_its_room(
    fields: dict[str, object], wrong: list[str]
) -> None:
    whole = {"code": "A-1", "site": "s", "item": "i", "supplier": "u", **fields}
    assert [one.field for one in read(BIN, whole).mistakes] == wrong


def test_a_price_has_a_currency() -> None:
    whole = {**RIVET, "unit_weight_ug": 1}
    assert [m.field for m in read(ITEM, {**whole, "price_e4": 5}).mistakes] == ["currency"]
    assert [m.field for m in read(ITEM, {**whole, "currency": "EUR"}).mistakes] == ["price_e4"]
    assert [m.field for m in read(ITEM, {**whole, "currency": "eur"}).mistakes] == ["currency"]


@pytest.mark.parametrize(
    ("path", "is_good"),
    [
        ("Hall", True), ("Hall / R04 / R04-B", True), ("Hall/R04", False), ("Hall / ", False),
        (" / ".join("abcdefgh"), True), (" / ".join("abcdefghi"), False),
    ],
)  # fmt: skip
def test_a_path_names_places_from_the_top_down(path: str, is_good) -> None:
    assert (read(PLACE, {"site": "s", "path": path}).mistakes == ()) is is_good


def test_what_is_not_said_of_a_change_stays_and_nothing_means_the_default() -> None:
    was = read(SITE, {"name": "Lindau", "customer": "L", "place": "Plant 2"}).values
    assert dict(read(SITE, {}, was).values) == dict(was)
    assert read(SITE, {"place": None}, was).values["place"] == ""


def test_what_may_hold_a_reference_names_a_noun_that_comes_before_it() -> None:
    seen: set[str] = set()
    for noun in NOUNS.values():
        assert {field.refers for field in noun.fields if field.refers} <= seen
        seen.add(noun.name)
