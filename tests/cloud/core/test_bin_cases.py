from dataclasses import replace
from datetime import timedelta

import pytest

from cloud.core.bin_cases import scale_tolerance
from cloud.core.breaches import Cover
from cloud.core.case_list import cases
from cloud.core.cases import (
    Action,
    Kind,
)
from cloud.core.levels import Calibration
from cloud.core.trust import Trust
from tests.cloud.core.case_facts import DAY, FINE, HOUR, LOW, NOW, kinds


def test_a_dead_scale_says_so_and_its_old_number_says_nothing() -> None:
    dead = replace(LOW, trust=Trust.STALE, trust_because="Silent.", untrusted_since=NOW)
    assert kinds(dead) == [Kind.SENSOR_DOWN]


def test_a_change_that_is_being_confirmed_needs_nobody_yet() -> None:
    moving = replace(FINE, unconfirmed=4, unconfirmed_since=NOW - HOUR)
    assert kinds(moving) == []
    (case,) = cases([moving], NOW + timedelta(seconds=1)).open
    assert case.because == "A-1: the scale shows 4 pieces more, and that is not booked."


def test_another_change_that_waits_is_another_case() -> None:
    odd = replace(FINE, trust=Trust.UNIT_CHANGED, trust_because="Odd.", untrusted_since=NOW)
    later = replace(odd, untrusted_since=NOW + HOUR)
    assert cases([odd], NOW).open[0].key != cases([later], NOW).open[0].key
    assert Kind.SENSOR_DOWN not in kinds(odd)


def test_the_book_may_not_drift_from_the_scale_in_silence() -> None:
    apart = replace(FINE, pieces=100, weighed=90, weighed_tolerance=9, level_since=NOW - DAY)
    (case,) = cases([apart], NOW).open
    assert case.because == "A-1: 100 are booked, and the scale weighs 90."
    assert case.since == NOW - DAY
    assert kinds(replace(apart, weighed=91)) == [], "the scale cannot tell the difference"
    assert kinds(replace(apart, weighed=None)) == [], "not weighed, or just now something moves"
    assert kinds(replace(apart, unconfirmed=-10, unconfirmed_since=NOW)) == []
    stale = replace(apart, trust=Trust.STALE, untrusted_since=NOW)
    assert kinds(stale) == [Kind.SENSOR_DOWN], "an old weight proves nothing"
    counted = replace(apart, counted=100, counted_at=NOW, count="count-4")
    assert kinds(counted) == [Kind.COUNT_DIFFERS], "the book is right: it is the scale that is not"
    assert kinds(replace(counted, pieces=90, counted=90)) == []


@pytest.mark.parametrize(
    ("pieces", "sd_pieces", "calibration", "tolerance"),
    [
        (0, 0.0, Calibration(tare_mg=0, unit_weight_ug=4_200_000), 2),
        (100, 0.0, Calibration(tare_mg=0, unit_weight_ug=4_200_000), 2),
        (1_000, 0.0, Calibration(tare_mg=0, unit_weight_ug=4_200_000), 14),  # 1 % and some spread
        (1_000, 0.0, Calibration(tare_mg=0, unit_weight_ug=4_200_000, unit_error_ug=4_200), 5),
        (10, 0.0, Calibration(tare_mg=0, unit_weight_ug=1_000_000, scale_sd_mg=2_000), 9),
        (10, 5.0, Calibration(tare_mg=0, unit_weight_ug=1_000_000), 20),
    ],
)
def test_book_and_scale_may_differ_by_what_the_scale_cannot_tell(
    pieces: int, sd_pieces: float, calibration: Calibration, tolerance: int
) -> None:
    assert scale_tolerance(pieces, sd_pieces, calibration) == tolerance


def test_an_empty_bin_needs_a_person_whatever_is_on_its_way() -> None:
    empty = replace(LOW, pieces=0, cover=Cover.COVERED, runs_out_at=NOW - HOUR)
    (case,) = cases([empty], NOW).open
    assert case.because == "A-1 is empty, and its order has not come yet."
    assert (case.action, case.act_before) == (Action.EXPEDITE, NOW - HOUR)
    (late,) = cases([replace(empty, pieces=1, cover=Cover.LATE)], NOW).open
    assert late.key != case.key, "it got worse"
    seen = replace(empty, unconfirmed=90, unconfirmed_since=NOW)
    assert kinds(seen) == [], "a refill lies in it, and is being confirmed"
    (alone,) = cases([replace(empty, cover=Cover.NOT_COVERED)], NOW).open
    assert alone.because == "A-1 is empty, and nothing is on its way."
