"""How numbers and times are written."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud.http import words

NOW = datetime(2026, 11, 20, 9, 41, 30, tzinfo=UTC)
BERLIN = words.zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "now"),
        (9.9, "now"),
        (10, "10 s"),
        (59, "50 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
    ],
)
def test_an_age_is_told_in_coarse_steps(seconds: float, text: str) -> None:
    assert words.ago(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (60, "1 min"), (7800, "2 h 10 min"), (7200, "2 h")]
)
def test_a_span_is_told_to_the_minute(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(7800, "2 h 10 min"), (108_000, "1.2 d")])
def test_what_is_compared_is_told_to_a_tenth_of_a_day(seconds: float, text: str) -> None:
    assert words.lasting(seconds) == text


def test_a_time_names_the_day_only_when_it_is_another() -> None:
    assert words.clock(NOW - timedelta(hours=1), BERLIN, NOW) == "09:41"
    assert words.clock(NOW - timedelta(days=1), BERLIN, NOW) == "Thu 19 Nov, 10:41"
    assert words.clock(NOW - timedelta(days=400), BERLIN, NOW) == "16 Oct 2025, 11:41"


def test_the_day_is_that_of_the_site_not_of_utc() -> None:
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)  # half past midnight in Berlin
    assert words.clock(late, BERLIN, late) == "00:30"
    assert words.exact(late, BERLIN) == "Sat 21 Nov 2026, 00:30:00 CET"
    assert words.zone_name(late, BERLIN) == "CET"


@pytest.mark.parametrize(
    ("names", "zone"),
    [
        (["Europe/Berlin", "Europe/Berlin"], "Europe/Berlin"),
        (["Europe/Vienna", "Europe/Berlin"], "Europe/Berlin"),
        (["Africa/Lagos", "Europe/Berlin"], "UTC"),  # the same in winter alone
        (["Europe/Berlin", "America/Lima"], "UTC"),
        ([], "UTC"),
        (["Nowhere/Land"], "UTC"),
    ],
)
def test_a_page_of_several_sites_has_their_zone_where_they_share_one(
    names: list[str], zone: str
) -> None:
    assert str(words.one_zone(names, NOW)) == zone


def test_an_unknown_zone_is_shown_as_utc() -> None:
    assert words.exact(NOW, words.zone("Nowhere/Land")).endswith("UTC")


@pytest.mark.parametrize(
    ("weight_mg", "text"),
    [
        (1_842_349, "1,842.3 g"),
        (1_842_350, "1,842.4 g"),
        (49, "0.0 g"),
        (-49, "0.0 g"),
        (-350_000, "\N{MINUS SIGN}350.0 g"),
    ],
)
def test_a_weight_is_rounded_by_whole_numbers(weight_mg: int, text: str) -> None:
    assert words.grams(weight_mg) == text


def test_a_piece_weight_keeps_its_milligrams() -> None:
    assert words.piece_weight(4_180_000) == "4.180 g"
    assert words.piece_weight(215_900) == "0.215 g"


def test_packs_are_named_only_when_they_come_out_even() -> None:
    assert words.packs(1500, 500) == "3 packs of 500"
    assert words.packs(500, 500) == "1 pack of 500"
    assert words.packs(7, 1) == ""
    assert words.packs(501, 500) == ""
