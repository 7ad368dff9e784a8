import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.receipts import ReceiptState, reconcile


@pytest.mark.parametrize(
    ("shipped", "weighed", "sd", "tolerance", "state", "difference", "booked"),
    [
        (100, 100, 0.4, 2, "match", 0, 100),
        (100, 97, 0.4, 2, "short", -3, 97),
        (250, 200, 1.0, 2, "short", -50, 200),
        (60, 0, 0.5, 2, "missing", -60, 0),
        (100, 102, 0.4, 2, "match", 2, 102),
        (100, 103, 0.4, 2, "over", 3, 103),
        (100, 97, 1.0, 2, "match", -3, 97),  # the scale cannot tell
        (0, 0, 0.4, 2, "match", 0, 0),
        (0, 40, 0.4, 2, "over", 40, 40),  # nobody announced it
        (1, 0, 0.1, 2, "match", -1, 0),
    ],
)
def test_what_was_weighed_is_booked_and_the_difference_told(
    *,
    shipped: int,
    weighed: int,
    sd: float,
    tolerance: int,
    state: str,
    difference: int,
    booked: int,
) -> None:
    receipt = reconcile(shipped=shipped, weighed=weighed, sd_pieces=sd, tolerance=tolerance)
    assert (receipt.state, receipt.difference, receipt.booked) == (state, difference, booked)


def test_it_says_why_in_a_sentence() -> None:
    receipt = reconcile(shipped=100, weighed=97, sd_pieces=0.4, tolerance=2)
    assert receipt.because == "100 were announced, 97 weighed: 3 too few."


@given(shipped=st.integers(0, 10**6), weighed=st.integers(0, 10**6), tolerance=st.integers(0, 99))
def test_a_match_is_a_match_from_both_sides(shipped: int, weighed: int, tolerance: int) -> None:
    receipt = reconcile(shipped=shipped, weighed=weighed, sd_pieces=0.0, tolerance=tolerance)
    assert (receipt.state is ReceiptState.MATCH) == (abs(shipped - weighed) <= tolerance)
    assert receipt.shipped + receipt.difference == receipt.booked
