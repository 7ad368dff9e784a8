from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.reading import Condition, ConditionWord, Fault, Sample, Weight
from edge_agent.core.settle import SettleLimits, Settling
from edge_agent.wire.messages import Stability

LIMITS = SettleLimits(samples=2, band_mg=500, held_s=2.0, unstable_after_s=30.0)


def sample(weight_mg: int, *, stable: bool | None = True) -> Sample:
    return Sample(sensor="s", weight_mg=weight_mg, stable=stable)


def moving(weight_mg: int) -> Sample:
    return sample(weight_mg, stable=False)


def mute(weight_mg: int) -> Sample:
    """From a device that cannot say whether it is stable."""
    return sample(weight_mg, stable=None)


def fault(condition: ConditionWord = "fault") -> Fault:
    return Fault(sensor="s", condition=condition, because="because")


def stated(weight_mg: int) -> Weight:
    return Weight(weight_mg=weight_mg, stability=Stability.STATED)


def settled(
    *answers: Sample | Fault, every_ms: int = 500, limits: SettleLimits = LIMITS
) -> list[Weight | Condition | None]:
    settling = Settling(limits)
    return [settling.feed(answer, number * every_ms) for number, answer in enumerate(answers)]


def test_two_stable_answers_that_agree_settle() -> None:
    assert settled(sample(1_000), sample(1_200)) == [None, stated(1_200)]


def test_each_further_answer_that_agrees_settles_too() -> None:
    assert settled(sample(1), sample(1), sample(1)) == [None, stated(1), stated(1)]


def test_with_one_sample_wanted_a_stable_answer_settles_at_once() -> None:
    at_once = SettleLimits(samples=1)
    assert settled(sample(7), sample(9_000), limits=at_once) == [stated(7), stated(9_000)]


def test_two_stable_answers_that_differ_do_not_settle() -> None:
    assert settled(sample(1_000), sample(1_501)) == [None, None]


def test_a_moving_sample_never_counts() -> None:
    assert settled(moving(1), moving(1), moving(1)) == [None] * 3
    assert settled(sample(1), moving(1), sample(1), sample(1)) == [None, None, None, stated(1)]


def test_without_a_flag_a_weight_settles_when_it_has_held_still_long_enough() -> None:
    held = Weight(weight_mg=1_300, stability=Stability.HELD)
    assert settled(*[mute(1_300)] * 5) == [None, None, None, None, held]


def test_without_a_flag_a_step_starts_the_wait_anew() -> None:
    assert settled(*[mute(0)] * 3, *[mute(600)] * 4) == [None] * 7


def test_without_a_flag_a_creeping_weight_is_not_at_rest() -> None:
    creeping = [mute(200 * step) for step in range(8)]
    assert settled(*creeping) == [None] * 8


def test_a_fault_is_believed_when_it_comes_twice_in_a_row() -> None:
    overload = Condition(condition="overload", because="because")
    assert settled(fault("overload"), fault("overload")) == [None, overload]
    assert settled(fault("overload"), fault("underload")) == [None, None]
    assert settled(fault(), sample(1), fault()) == [None, None, None]


def test_a_fault_between_two_answers_starts_the_count_anew() -> None:
    assert settled(sample(1), fault(), sample(1)) == [None, None, None]


def test_being_busy_is_no_news_until_it_goes_on() -> None:
    assert settled(*[fault("unstable")] * 5) == [None] * 5
    [*_, last] = settled(*[fault("unstable")] * 61)
    assert isinstance(last, Condition)
    assert last.condition == "unstable"


def test_moving_for_long_is_a_condition_and_rest_ends_it() -> None:
    outcomes = settled(*[moving(n) for n in range(61)], sample(5), sample(5))
    assert outcomes[:60] == [None] * 60
    assert isinstance(outcomes[60], Condition)
    assert outcomes[60].condition == "unstable"
    assert outcomes[-1] == stated(5)


def test_answers_that_never_agree_are_said_to_be_unstable_and_not_passed_over() -> None:
    [*_, last] = settled(*[answer for _ in range(40) for answer in (sample(1), fault())])
    assert isinstance(last, Condition)
    assert last.condition == "unstable"


def test_what_was_before_a_reset_does_not_agree_with_what_comes_after() -> None:
    settling = Settling(LIMITS)
    assert settling.feed(sample(1), 0) is None
    settling.reset()
    assert settling.feed(sample(1), 500) is None
    assert settling.feed(sample(1), 1_000) == stated(1)


ANSWERS = st.one_of(
    st.builds(sample, st.integers(-2_000, 2_000), stable=st.sampled_from([True, False, None])),
    st.builds(fault, st.sampled_from(["fault", "overload", "unstable"])),
)


@given(st.lists(ANSWERS, max_size=40), st.integers(1, 4))
def test_a_weight_is_only_ever_one_that_was_just_shown_and_did_not_move(
    answers: list[Sample | Fault], samples: int
) -> None:
    limits = SettleLimits(samples=samples, band_mg=500, held_s=1.0)
    for answer, outcome in zip(answers, settled(*answers, limits=limits), strict=True):
        if isinstance(outcome, Weight):
            assert isinstance(answer, Sample)
            assert answer.stable is not False
            assert outcome.weight_mg == answer.weight_mg
