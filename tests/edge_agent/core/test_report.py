import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.reading import Condition, Outcome, Total, Weight
from edge_agent.core.report import Reported, ReportLimits, worth_sending
from edge_agent.wire.messages import Quality, Stability

LIMITS = ReportLimits(deadband_mg=500, heartbeat_s=60.0)


def weight(weight_mg: int, quality: Quality = Quality.GOOD) -> Weight:
    return Weight(weight_mg=weight_mg, stability=Stability.STATED, quality=quality)


SILENT = Condition(condition="silent", because="no answer")
SILENT_STILL = Condition(condition="silent", because="the port is gone")
OVERLOAD = Condition(condition="overload", because="S +")


@pytest.mark.parametrize(
    ("before", "after", "worth"),
    [
        (weight(1_000), weight(1_499), False),
        (weight(1_000), weight(1_500), True),
        (weight(1_000), weight(500), True),
        (weight(1_000), weight(1_000, Quality.DOUBTFUL), True),
        (weight(1_000), SILENT, True),
        (SILENT, weight(1_000), True),
        (SILENT, SILENT_STILL, False),  # the same condition, in other words
        (SILENT, OVERLOAD, True),
        (Total(total=7), Total(total=7), False),
        (Total(total=7), Total(total=8), True),
    ],
)
def test_what_changed_is_worth_sending(before: Outcome, after: Outcome, *, worth: bool) -> None:
    assert worth_sending(Reported(outcome=before, at_ms=0), after, 1_000, LIMITS) is worth


@pytest.mark.parametrize("outcome", [weight(1), Total(total=1), SILENT])
def test_the_first_word_is_sent_and_the_same_again_after_the_heartbeat(outcome: Outcome) -> None:
    assert worth_sending(None, outcome, 0, LIMITS)
    last = Reported(outcome=outcome, at_ms=0)
    assert not worth_sending(last, outcome, 59_999, LIMITS)
    assert worth_sending(last, outcome, 60_000, LIMITS)


def test_without_a_deadband_every_settled_weight_is_sent() -> None:
    last = Reported(outcome=weight(1), at_ms=0)
    assert worth_sending(last, weight(1), 1, ReportLimits(deadband_mg=0))


@given(st.lists(st.integers(-400, 400), max_size=60))
def test_slow_drift_is_never_further_off_than_the_deadband(steps: list[int]) -> None:
    last, shown = Reported(outcome=weight(0), at_ms=0), 0
    for step in steps:
        shown += step
        if worth_sending(last, weight(shown), 0, LIMITS):
            last = Reported(outcome=weight(shown), at_ms=0)
        assert isinstance(last.outcome, Weight)
        assert abs(shown - last.outcome.weight_mg) < LIMITS.deadband_mg
