from datetime import UTC, datetime, timedelta

import pytest

from cloud.core.readings import Reading, to_ms
from cloud.core.times import StepAt, aside_because, believed, corrected_ms

NOW_MS = to_ms(datetime(2026, 3, 29, 1, 30, tzinfo=UTC))  # clocks are set forward in Europe
STEPS = [StepAt(10, 5_000), StepAt(20, -2_000)]


def reading(seq: int, *, trusted: bool) -> Reading:
    return Reading(0, seq, NOW_MS, 1, None, None, None, 0, 0, clock_trusted=trusted)


@pytest.mark.parametrize(
    ("seq", "trusted", "moved_ms"),
    [(1, False, 3_000), (9, False, 3_000), (10, False, -2_000), (20, False, None), (1, True, None)],
)
def test_every_later_step_moves_what_was_unsure(
    seq: int,
    trusted: bool,  # noqa: FBT001 - of the table above
    moved_ms: int | None,
) -> None:
    expected = None if moved_ms is None else NOW_MS + moved_ms
    assert corrected_ms(reading(seq, trusted=trusted), STEPS) == expected


def test_without_a_step_there_is_nothing_to_correct() -> None:
    assert corrected_ms(reading(1, trusted=False), []) is None


def test_a_step_beyond_all_times_ends_at_their_end() -> None:
    far = corrected_ms(reading(1, trusted=False), [StepAt(2, 2**60)])
    assert far == 2**47
    assert corrected_ms(reading(1, trusted=False), [StepAt(2, -(2**60))]) == 0


@pytest.mark.parametrize(
    "now",
    [
        datetime(2024, 2, 29, 12, 0, tzinfo=UTC),  # a leap day
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),  # daylight saving begins, and ends
        datetime(2026, 10, 25, 1, 0, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_the_edges_of_what_is_believed_are_exact_on_every_day_of_the_calendar(
    now: datetime,
) -> None:
    span = believed(to_ms(now), timedelta(days=400))
    latest, earliest = now + timedelta(minutes=10), now - timedelta(days=400)
    assert aside_because(to_ms(latest), span) is None
    assert aside_because(to_ms(latest) + 1, span) == "it is dated in the future"
    assert aside_because(to_ms(earliest), span) is None
    assert "further back" in str(aside_because(to_ms(earliest) - 1, span))
