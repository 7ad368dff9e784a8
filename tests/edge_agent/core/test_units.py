from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.units import MILLIGRAMS, milligrams, unit_named


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (" KG", "kg"),
        ("g  ", "g"),
        ("gm", "g"),
        ("GR", "g"),
        ("lbs", "lb"),
        ("T", "t"),
        ("tn", "t"),
        ("ct", "ct"),
        ("PC", "pcs"),
        ("Pcs", "pcs"),
        ("", None),
        ("%", None),
        ("kg2", None),
        ("k g", None),
        ("N", None),
    ],
)
def test_a_unit_has_one_name_and_what_no_table_knows_is_none(written: str, name: object) -> None:
    assert unit_named(written) == name


@pytest.mark.parametrize(
    ("weight", "unit", "whole"),
    [
        ("0.1", "g", 100),
        ("-1.640", "kg", -1_640_000),
        ("1", "lb", 453_592),
        ("16", "oz", 453_592),  # sixteen ounces are a pound
        ("12.5", "mg", 12),  # halves to even
        ("13.5", "mg", 14),
        ("1", "ct", 200),
        ("1.5", "t", 1_500_000_000),
    ],
)
def test_weights_become_whole_milligrams(weight: str, unit: str, whole: int) -> None:
    assert milligrams(Decimal(weight), unit) == whole


def test_pieces_are_no_weight() -> None:
    with pytest.raises(KeyError):
        milligrams(Decimal(1), "pcs")


@given(
    weight=st.decimals(-(10**6), 10**6, places=6, allow_nan=False),
    unit=st.sampled_from(sorted(MILLIGRAMS)),
)
def test_the_error_is_never_more_than_half_a_milligram(weight: Decimal, unit: str) -> None:
    assert abs(milligrams(weight, unit) - weight * MILLIGRAMS[unit]) <= Decimal("0.5")


@given(steps=st.integers(-(10**12), 10**12), decimals=st.integers(0, 3))
def test_what_grams_can_show_in_milligrams_is_exact(steps: int, decimals: int) -> None:
    assert milligrams(Decimal(steps).scaleb(-decimals), "g") == steps * 10 ** (3 - decimals)


@given(st.integers(-(10**12), 10**12), st.sampled_from(sorted(MILLIGRAMS)))
def test_a_whole_number_weighs_what_it_would_as_a_decimal(weight: int, unit: str) -> None:
    assert milligrams(weight, unit) == milligrams(Decimal(weight), unit)
    assert isinstance(milligrams(weight, unit), int)
