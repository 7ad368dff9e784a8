import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.retry import BASE_S, LONGEST_S, longest_pause_s


@pytest.mark.parametrize(
    ("tries", "failing_s", "longest_s"),
    [(1, 0, 0.5), (2, 1, 1), (3, 3, 2), (9, 89, 2), (99, 90, 30), (99, 900, 120), (2, 900, 1)],
)
def test_a_pause_is_short_in_a_short_cut_and_long_after_hours(
    tries: int, failing_s: float, longest_s: float
) -> None:
    assert longest_pause_s(tries, failing_s) == longest_s


@given(st.integers(1, 10**6), st.floats(0, 10**9))
def test_however_long_it_fails_a_pause_stays_bounded(tries: int, failing_s: float) -> None:
    assert BASE_S <= longest_pause_s(tries, failing_s) <= LONGEST_S[-1][1]
    assert longest_pause_s(tries, failing_s) <= longest_pause_s(tries + 1, failing_s)
