from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.retry import OUTAGE_S_MAX, SEND_AFTER_S, next_send_after, outage_wait_s

JITTER = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("tries", "after"),
    [
        (1, timedelta(seconds=5)),
        (2, timedelta(minutes=5)),
        (3, timedelta(minutes=30)),
        (4, timedelta(hours=2)),
        (9, timedelta(hours=24)),
    ],
)
def test_tries_come_quickly_at_first_and_then_patiently(tries: int, after: timedelta) -> None:
    assert next_send_after(tries, 0.5) == after


def test_after_the_last_try_it_is_given_up() -> None:
    assert next_send_after(len(SEND_AFTER_S), 0.5) is None


@given(tries=st.integers(1, len(SEND_AFTER_S) - 1), jitter=JITTER)
def test_the_jitter_moves_a_try_by_a_tenth_at_most(tries: int, jitter: float) -> None:
    after = next_send_after(tries, jitter)
    assert after is not None
    assert abs(after.total_seconds() / SEND_AFTER_S[tries] - 1) <= 0.1 + 1e-9


@given(failures=st.integers(0, 10**6), jitter=JITTER)
def test_an_outage_is_waited_out_with_full_jitter_under_a_limit(
    failures: int, jitter: float
) -> None:
    assert 0 <= outage_wait_s(failures, jitter) <= OUTAGE_S_MAX * jitter
