from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.anchor import SLEW_PART, STEP_MS_MIN, Anchor, Step
from edge_agent.wire.messages import EPOCH_MS_MAX

SEPTEMBER = 1_790_000_000_000
HOUR, YEAR = 3_600_000, 365 * 86_400_000


def epoch_ms(*when: int) -> int:
    return round(datetime(*when, tzinfo=UTC).timestamp() * 1000)


def started(wall_ms: int = SEPTEMBER, *, trusted: bool = False) -> Anchor:
    return Anchor(wall_ms=wall_ms, monotonic_ms=50_000, trusted=trusted)


def time_at(anchor: Anchor, monotonic_ms: int) -> int:
    return anchor.stamp(monotonic_ms) + anchor.offset_ms


def test_time_goes_on_with_the_monotonic_clock() -> None:
    anchor = started()
    assert time_at(anchor, 50_000) == SEPTEMBER
    assert time_at(anchor, 53_210) == SEPTEMBER + 3_210


@pytest.mark.parametrize(
    "wrong_ms",
    [0, SEPTEMBER - YEAR, SEPTEMBER + YEAR, SEPTEMBER - HOUR, SEPTEMBER + 5 * HOUR, SEPTEMBER + 7],
)
def test_when_a_time_service_has_come_the_step_says_what_was_wrong(wrong_ms: int) -> None:
    anchor = started(wrong_ms)
    before = time_at(anchor, 60_000)
    step = anchor.look(wall_ms=SEPTEMBER + 20_000, monotonic_ms=70_000, trusted=True)
    assert step is not None
    assert anchor.trusted
    assert before + step.step_ms == SEPTEMBER + 10_000
    assert time_at(anchor, 60_000) == SEPTEMBER + 10_000, "what was stamped before is moved too"


@pytest.mark.parametrize(
    "when",
    [
        (2026, 3, 29, 1, 0),  # summer time begins in Europe
        (2026, 10, 25, 1, 0),  # and ends: an hour of the wall comes twice
        (2026, 11, 1, 6, 0),
        (2028, 2, 29, 0, 0),
        (2028, 12, 31, 23, 59),
    ],
)
def test_no_hour_of_the_calendar_is_a_step(when: tuple[int, ...]) -> None:
    """Wall clocks count in UTC; what a calendar makes of it is for those who show it."""
    start = epoch_ms(*when) - HOUR
    anchor = started(start, trusted=True)
    for minute in range(26 * 60):
        passed = minute * 60_000
        assert (
            anchor.look(wall_ms=start + passed, monotonic_ms=50_000 + passed, trusted=True) is None
        )
    assert time_at(anchor, 50_000 + 26 * HOUR) == start + 26 * HOUR


def test_a_jump_of_an_untrusted_clock_is_followed_and_counted() -> None:
    anchor = started(0)
    step = anchor.look(wall_ms=YEAR, monotonic_ms=51_000, trusted=False)
    assert step is not None
    assert step.step_ms == YEAR - 1_000
    assert not anchor.trusted
    settled = anchor.look(wall_ms=SEPTEMBER, monotonic_ms=52_000, trusted=True)
    assert settled is not None
    assert step.step_ms + settled.step_ms == SEPTEMBER - 2_000, "the steps add up"


def test_a_jump_of_a_trusted_clock_moves_nothing_that_was_measured_before() -> None:
    anchor = started(trusted=True)
    step = anchor.look(wall_ms=SEPTEMBER + HOUR, monotonic_ms=51_000, trusted=True)
    assert step == Step(step_ms=0, because="a trusted clock was moved by 3599000 ms")
    assert time_at(anchor, 51_000) == SEPTEMBER + HOUR


def test_once_trusted_it_stays_so() -> None:
    """Hours without a network, and the kernel withdraws its word; seconds matter to no bin."""
    anchor = started(trusted=True)
    assert (
        anchor.look(wall_ms=SEPTEMBER + 9 * HOUR, monotonic_ms=50_000 + 9 * HOUR, trusted=False)
        is None
    )
    assert anchor.trusted


@pytest.mark.parametrize("ppm", [500, -500])
def test_a_drift_of_500_ppm_is_followed_without_a_step_and_never_back(ppm: int) -> None:
    anchor = started(trusted=True)
    latest = 0
    for second in range(30 * 3_600):
        monotonic_ms = 50_000 + second * 1_000
        wall_ms = SEPTEMBER + second * 1_000 + second * ppm // 1_000
        assert anchor.look(wall_ms=wall_ms, monotonic_ms=monotonic_ms, trusted=True) is None
        now = time_at(anchor, monotonic_ms)
        assert now > latest
        assert abs(now - wall_ms) <= 2
        latest = now


def test_an_untrusted_clock_is_not_followed_in_small_things() -> None:
    anchor = started()
    assert anchor.look(wall_ms=SEPTEMBER + 10_900, monotonic_ms=60_000, trusted=False) is None
    assert anchor.offset_ms == 0


@pytest.mark.parametrize("wall_ms", [-1, EPOCH_MS_MAX])
def test_a_time_that_the_wire_could_not_carry_is_not_looked_at(wall_ms: int) -> None:
    anchor = started()
    assert anchor.look(wall_ms=wall_ms, monotonic_ms=60_000, trusted=True) is None
    assert not anchor.trusted


looks = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(-3_000, 3_000) | st.integers(-YEAR, YEAR)),
    max_size=30,
)


@given(looks=looks, trusted=st.booleans())
def test_between_two_steps_time_never_goes_back(
    looks: list[tuple[int, int]], *, trusted: bool
) -> None:
    anchor = started(trusted=trusted)
    monotonic_ms, wall_off_ms, before = 50_000, 0, 0
    for passed_ms, moved_ms in looks:
        monotonic_ms += passed_ms
        wall_off_ms += moved_ms
        wall_ms = SEPTEMBER + monotonic_ms - 50_000 + wall_off_ms
        step = anchor.look(wall_ms=wall_ms, monotonic_ms=monotonic_ms, trusted=trusted)
        now = time_at(anchor, monotonic_ms)
        if step is None:
            assert now >= before
            assert abs(now - wall_ms) <= STEP_MS_MIN or wall_ms < 0
        before = now
    assert SLEW_PART > 1
