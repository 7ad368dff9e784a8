"""What history may do to a bin: suggest; and set, only where a person said so and within a band."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.breaches import Limits
from cloud.core.forecasts.parameters import Method, Parameters
from cloud.core.policy_settings import PolicySettings
from cloud.core.suggestions import (
    Kept,
    Levels,
    Suggestion,
    kept_by_history,
    news,
    rate_of,
    suggestion_of,
)

LIMITS = Limits(minimum=500, margin=20, capacity=2_000)
AS_AGREED = Levels(minimum=500, order_up_to=None)
AUTOMATIC = PolicySettings(
    version=1, automatic=True, minimum_from=300, minimum_to=800, agreed_minimum=500
)
DAYS = replace(
    AUTOMATIC,
    policy="days_of_supply",
    parameters={"days_min": 5, "days_max": 20, "rate_milli_per_day": 10_000},
)


def found(point: int = 700, up_to: int = 1_900, **more: Any) -> Parameters:
    told: dict[str, Any] = {
        "mean_per_period": 350.0,
        "spread": 80.0,
        "reorder_point": point,
        "order_up_to": up_to,
        "method": Method.HISTORY,
        "learning": False,
        "because": "as it was used",
    }
    return Parameters(**{**told, **more})


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        (AUTOMATIC, (700, 1_900)),
        (replace(AUTOMATIC, policy="fixed_quantity"), (700, None)),
        (replace(AUTOMATIC, policy="periodic"), (None, 700)),  # what lasts over the round
        (DAYS, (250, 1_000)),  # 50 a day
        (replace(AUTOMATIC, policy="two_bin"), (None, None)),
    ],
)
def test_each_policy_is_told_the_levels_it_has(
    settings: PolicySettings, levels: tuple[int | None, int | None]
) -> None:
    said = suggestion_of(found(), settings, LIMITS.capacity)
    assert (said.minimum, said.order_up_to) == levels
    assert said.rate_milli_per_day == 50_000


def test_a_few_pieces_are_no_news() -> None:
    for point, is_news in ((500, False), (525, False), (530, True), (470, True)):
        said = suggestion_of(found(point, 2_000), AUTOMATIC, LIMITS.capacity)
        assert (news(said, AS_AGREED, LIMITS.capacity) is not None) is is_news


def test_who_learns_suggests_nothing() -> None:
    said = suggestion_of(found(learning=True), AUTOMATIC, LIMITS.capacity)
    assert news(said, AS_AGREED, LIMITS.capacity) is None


@given(
    point=st.integers(0, 5_000),
    up_to=st.integers(1, 9_000),
    minimum=st.integers(0, 1_999),
    low=st.integers(0, 1_500),
    width=st.integers(0, 400),
)
def test_whatever_history_says_the_bin_stays_possible_and_within_its_band(
    point: int, up_to: int, minimum: int, low: int, width: int
) -> None:
    settings = replace(AUTOMATIC, minimum_from=low, minimum_to=low + width, agreed_minimum=minimum)
    present = Levels(minimum=minimum, order_up_to=None)
    said = suggestion_of(found(point, up_to), settings, LIMITS.capacity)
    kept = kept_by_history(said, settings, present, None, LIMITS)
    if kept.levels is not None:
        assert low <= kept.levels.minimum <= low + width
        assert kept.levels.minimum < (kept.levels.order_up_to or LIMITS.capacity) <= LIMITS.capacity


def test_beyond_the_band_it_is_held_and_says_what_history_says() -> None:
    said = suggestion_of(found(1_200), AUTOMATIC, LIMITS.capacity)
    kept = kept_by_history(said, AUTOMATIC, AS_AGREED, None, LIMITS)
    assert kept.levels == Levels(minimum=800, order_up_to=1_900)
    assert kept.held == "History says 1,200; the band from 300 to 800 holds it at 800."


def test_what_a_person_changed_by_hand_is_left_alone() -> None:
    said = suggestion_of(found(), AUTOMATIC, LIMITS.capacity)
    applied = Levels(minimum=650, order_up_to=1_900)
    by_hand = Levels(minimum=640, order_up_to=1_900)
    kept = kept_by_history(said, AUTOMATIC, by_hand, applied, LIMITS)
    assert kept.levels is None
    assert "Somebody has set 640 and 1,900 since" in kept.held
    again = kept_by_history(said, AUTOMATIC, applied, applied, LIMITS)
    assert again == Kept(levels=Levels(minimum=700, order_up_to=1_900))


def test_until_it_knows_better_what_was_agreed_holds() -> None:
    said = suggestion_of(found(learning=True), AUTOMATIC, LIMITS.capacity)
    assert kept_by_history(said, AUTOMATIC, AS_AGREED, None, LIMITS) == Kept()
    applied = Levels(minimum=650, order_up_to=1_900)
    kept = kept_by_history(said, AUTOMATIC, applied, applied, LIMITS)
    assert kept.levels == AS_AGREED


def test_the_rate_of_days_of_supply_follows_as_far_as_the_band_lets_it() -> None:
    said = suggestion_of(found(), DAYS, LIMITS.capacity)
    assert rate_of(said, DAYS, Levels(minimum=250, order_up_to=1_000)) == 50_000
    held = kept_by_history(said, DAYS, AS_AGREED, None, LIMITS).levels
    assert held == Levels(minimum=300, order_up_to=1_000)
    assert held is not None
    assert rate_of(said, DAYS, held) == 60_000  # 5 days of it are the 300
    assert rate_of(said, replace(DAYS, parameters={}), held) == said.rate_milli_per_day


def test_a_suggestion_of_nothing_is_no_news() -> None:
    said = Suggestion(
        minimum=None, order_up_to=None, rate_milli_per_day=1, learning=False, because=""
    )
    assert news(said, AS_AGREED, LIMITS.capacity) is None
