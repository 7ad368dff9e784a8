from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.agreements import Prediction
from cloud.core.forecasts.bin_replay import DAYS_KNOWN_MIN, Past, outcome_of, predict
from cloud.core.forecasts.replaying import Lot, replay, tally
from cloud.core.policies.base import Terms


def past(
    demand: Sequence[int | None],
    *,
    before: tuple[int, int] = (20, 100),
    after: tuple[int, int] = (40, 100),
    lead_days: int = 0,
    terms: Terms | None = None,
) -> Past:
    return Past(
        demand=demand,
        lead_days=lead_days,
        terms=terms or Terms(),
        before=before,
        after=after,
    )


def test_a_month_by_hand() -> None:
    """30 a day, minimum 40, up to 100, there the next morning: 100 70 40, and again."""
    outcome = outcome_of(past([30] * 30), (40, 100))
    assert (outcome.days, outcome.wanted, outcome.served) == (30, 900, 900)
    assert outcome.stock == 55  # evenings of 70 and 40


def test_a_lead_time_that_the_minimum_does_not_last_costs_service() -> None:
    late = outcome_of(past([30] * 30, lead_days=2), (20, 100))
    in_time = outcome_of(past([30] * 30, lead_days=2), (90, 190))
    assert late.served < late.wanted == in_time.served


def test_packs_and_the_capacity_count() -> None:
    """A pack of 60 fits once into 100 with 20 in it; two would lie on the floor."""
    terms = Terms(pack=60, capacity=100)
    outcome = outcome_of(past([20] * 30, terms=terms), (20, 100))
    assert outcome.served == outcome.wanted
    assert outcome.stock <= 80


def test_days_that_nobody_knows_are_left_out() -> None:
    known = [5, 0, 7] * 12
    gaps = [*known[:10], None, None, *known[10:]]
    assert outcome_of(past(gaps), (20, 100)) == outcome_of(past(known), (20, 100))


@given(
    st.lists(st.integers(0, 60), min_size=28, max_size=90),
    st.integers(0, 80),
    st.integers(1, 120),
    st.integers(0, 5),
)
def test_no_more_is_served_than_wanted_and_a_higher_minimum_never_serves_less_at_once(
    demand: list[int], minimum: int, more: int, lead_days: int
) -> None:
    one = past(demand, lead_days=lead_days)
    outcome = outcome_of(one, (minimum, minimum + more))
    assert 0 <= outcome.served <= outcome.wanted == sum(demand)
    assert outcome.on_hand >= 0
    plenty = outcome_of(one, (10_000, 20_000))
    assert plenty.served == plenty.wanted


@given(st.lists(st.integers(0, 40), min_size=28, max_size=60), st.integers(20, 60))
def test_where_no_second_order_is_wanted_it_is_the_replay_of_panels(
    demand: list[int], minimum: int
) -> None:
    """Overnight deliveries: the other replay, from the same start, in pieces of one."""
    first = outcome_of(past(demand), (minimum, 200))
    twice = np.array([[*demand, *demand]], float)
    lot = Lot(quantity=np.array([200 - minimum], float), moq=np.array([1.0]), pack=np.array([1.0]))
    points = [np.array([[float(minimum)]])] * twice.shape[1]
    periods = list(replay(twice, points, np.array([[200.0]]), lot, 0))
    later = tally(np.array([demand], float), iter(periods[len(demand) :]))
    assert first.on_hand == int(later.on_hand[0, 0])
    assert first.served == int(later.served[0, 0])


def test_too_short_a_past_is_no_prediction() -> None:
    short = past([3] * (DAYS_KNOWN_MIN - 1))
    assert predict([]) is None
    assert predict([short]) is None
    found = predict([short, past([30] * 30)])
    assert found is not None
    assert (found.bins, found.bins_unknown, found.days) == (1, 1, 30)


@pytest.mark.parametrize("used", [0, 30])
def test_a_prediction_stands_beside_what_the_present_limits_gave(used: int) -> None:
    found = predict([past([used] * 40)])
    assert found == Prediction(
        days=40, bins=1, bins_unknown=0,
        fill_per_mille=1_000 if used else None, stock=55 if used else 100,
        before_fill_per_mille=1_000 if used else None, before_stock=40 if used else 100,
    )  # fmt: skip
