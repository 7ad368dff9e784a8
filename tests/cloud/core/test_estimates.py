from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.estimates import UsageRate, estimate, usage_rate

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RATE = UsageRate(mean=10.0, variance=16.0, days=28)


def test_days_without_usage_count() -> None:
    assert usage_rate([10, 0, 0, 10]) == UsageRate(mean=5.0, variance=100 / 3, days=4)
    assert usage_rate([7]) == UsageRate(mean=7.0, variance=7.0, days=1)
    assert usage_rate([]) is None


def test_an_estimate_goes_down_and_its_band_widens() -> None:
    told = [
        estimate(level=100, level_sd=0, level_at=NOON, rate=RATE, now=NOON + timedelta(days=days))
        for days in (0, 1, 4)
    ]
    assert [(one.low, one.pieces, one.high) for one in told] == [
        (100, 100, 100),
        (81, 90, 99),
        (42, 60, 78),
    ]
    assert told[1].because == "Estimated: 100 at last, 24 hours ago; 10.0 used a day."
    assert not told[0].may_act


def test_without_a_rate_it_may_be_anything_up_to_the_last_level() -> None:
    told = estimate(
        level=100, level_sd=0, level_at=NOON, rate=None, now=NOON + timedelta(seconds=1)
    )
    assert (told.low, told.pieces, told.high) == (0, 100, 100)


@given(
    level=st.integers(0, 10**6),
    level_sd=st.floats(0, 100),
    mean=st.floats(0, 10**4),
    variance=st.floats(0, 10**6),
    days=st.integers(1, 400),
    ages_s=st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)).map(sorted),
)
def test_it_is_never_below_none_and_never_narrower_later(
    *, level: int, level_sd: float, mean: float, variance: float, days: int, ages_s: list[int]
) -> None:
    rate = UsageRate(mean=mean, variance=variance, days=days)
    sooner, later = (
        estimate(
            level=level,
            level_sd=level_sd,
            level_at=NOON,
            rate=rate,
            now=NOON + timedelta(seconds=age),
        )
        for age in ages_s
    )
    for one in (sooner, later):
        assert 0 <= one.low <= one.pieces <= one.high
    assert later.pieces <= sooner.pieces
    assert later.low <= sooner.low


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40))
def test_a_clock_that_went_back_makes_no_pieces(per_day: list[int]) -> None:
    told = estimate(
        level=50,
        level_sd=0,
        level_at=NOON,
        rate=usage_rate(per_day),
        now=NOON - timedelta(days=3),
    )
    assert (told.low, told.pieces, told.high) == (50, 50, 50)
