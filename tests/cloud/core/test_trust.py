from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.followed import Doubt, Doubting, Measure
from cloud.core.levels import Calibration
from cloud.core.trust import BinState, Trust, trust_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
GOOD = BinState(
    interval_s=60,
    calibration=Calibration(tare_mg=350_000, unit_weight_ug=4_200_000),
    heard_at=NOON,
    measured_at=NOON,
    weight_mg=2_000_000,
    quality=0,
    clock_trusted=True,
    gateway="lindau-1",
    gateway_presence="online",
)


def test_a_number_just_heard_may_be_acted_on() -> None:
    judgement = trust_of(GOOD, NOON + timedelta(seconds=4))
    assert judgement.trust is Trust.FRESH
    assert judgement.may_act
    assert judgement.because == "Heard 4 s ago."


@pytest.mark.parametrize(
    ("changes", "trust", "because"),
    [
        ({"heard_at": None}, Trust.STALE, "Never heard of."),
        ({"condition": "overload"}, Trust.SUSPECT, "The scale is overloaded."),
        ({"condition": "jammed"}, Trust.SUSPECT, "The scale reports 'jammed'."),
        ({"weight_mg": None}, Trust.UNKNOWN, "No weight has come yet."),
        ({"quality": 1}, Trust.SUSPECT, "The gateway marks this weight as doubtful."),
        ({"quality": 7}, Trust.SUSPECT, "The gateway marks this weight as doubtful."),
        (
            {"weight_mg": 175_000},
            Trust.ABSENT,
            "The scale shows less than the empty bin weighs: the bin is not on it.",
        ),
        (
            {"clock_trusted": False},
            Trust.SUSPECT,
            "The gateway's clock is not set, so the age of this weight is not known.",
        ),
    ],
)
def test_each_doubt_has_its_own_word_and_reason(
    changes: dict[str, object], trust: Trust, because: str
) -> None:
    judgement = trust_of(replace(GOOD, **changes), NOON)
    assert (judgement.trust, judgement.because) == (trust, because)
    assert not judgement.may_act


def test_three_intervals_of_silence_are_borne_and_not_a_moment_more() -> None:
    limit = NOON + timedelta(seconds=180)
    assert trust_of(GOOD, limit).trust is Trust.FRESH
    assert trust_of(GOOD, limit + timedelta(milliseconds=1)).trust is Trust.STALE


def test_silence_says_how_long_and_whether_the_gateway_is_away() -> None:
    at = NOON + timedelta(minutes=4)
    assert trust_of(GOOD, at).because == "Not heard of for 4 min, expected every 60 s."
    away = replace(GOOD, gateway_presence="offline")
    assert trust_of(away, at).because.endswith(" Gateway lindau-1 is offline.")


def test_a_scale_that_drifts_a_little_below_its_empty_bin_is_not_absent() -> None:
    assert trust_of(replace(GOOD, weight_mg=176_000), NOON).trust is Trust.FRESH


def test_a_bin_without_tare_can_be_empty_but_not_absent() -> None:
    loose = Calibration(tare_mg=0, unit_weight_ug=4_200_000)
    assert trust_of(replace(GOOD, calibration=loose, weight_mg=0), NOON).trust is Trust.FRESH


@given(
    age_s=st.integers(181, 10**8),
    condition=st.sampled_from([None, "overload"]),
    weight_mg=st.integers(-(2**53), 2**53),
)
def test_what_is_old_is_never_fresh_whatever_it_says(
    age_s: int, condition: str | None, weight_mg: int
) -> None:
    state = replace(GOOD, condition=condition, weight_mg=weight_mg)
    assert trust_of(state, NOON + timedelta(seconds=age_s)).trust is Trust.STALE


def test_what_is_silent_because_its_gateway_is_away_is_offline() -> None:
    away = replace(GOOD, gateway_presence="offline")
    assert trust_of(away, NOON + timedelta(minutes=4)).trust is Trust.OFFLINE
    assert trust_of(away, NOON + timedelta(minutes=1)).trust is Trust.FRESH


@pytest.mark.parametrize("kind", list(Doubting))
def test_what_the_readings_make_doubtful_is_told_with_its_reason(kind: Doubting) -> None:
    doubts = (Doubt(kind, "Because of that."), Doubt(Doubting.SUSPECT, "And of this."))
    judgement = trust_of(replace(GOOD, doubts=doubts), NOON)
    assert (judgement.trust, judgement.because) == (Trust(kind), "Because of that.")
    assert not judgement.may_act
    assert trust_of(replace(GOOD, doubts=()), NOON).may_act


def test_a_scale_at_zero_with_the_bin_on_it_is_not_called_absent() -> None:
    doubts = (Doubt(Doubting.NOT_ZEROED, "It lost its zero."),)
    judgement = trust_of(replace(GOOD, weight_mg=0, doubts=doubts), NOON)
    assert (judgement.trust, judgement.because) == (Trust.NOT_ZEROED, "It lost its zero.")


def test_what_is_not_weighed_needs_no_weight() -> None:
    tags = replace(GOOD, measure=Measure.TAGS, weight_mg=None, quality=None, clock_trusted=None)
    assert trust_of(tags, NOON).may_act
    assert not trust_of(replace(tags, quality=1), NOON).may_act
    assert not trust_of(replace(tags, clock_trusted=False), NOON).may_act
