from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.counts import (
    Accuracy,
    Compared,
    Count,
    CountReason,
    levels_held,
    stock_accuracy,
    take_count,
)
from cloud.core.followed import Doubt, Doubting, Followed, MovementKind, to_us
from cloud.core.refusals import CountImpossible, CountTooOld

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOLERANCE = Fraction(2, 100)


def count(pieces: int, at: datetime = NOON) -> Count:
    return Count(pieces=pieces, counted_at=at, counted_by="Ada", reason=CountReason.CYCLE)


KNOWN = Followed(
    pieces=98,
    plateau_us=to_us(NOON - timedelta(hours=1)),
    plateau_first=(1, 5),
    plateau_last=(1, 9),
)


def test_a_count_corrects_the_level_and_names_the_readings_beside_it() -> None:
    difference = take_count(KNOWN, count(100))
    (movement,) = difference.step.movements
    assert (difference.pieces, difference.step.state.pieces) == (-2, 100)
    assert (movement.kind, movement.pieces) == (MovementKind.CORRECTION, 2)
    assert movement.because == "Ada counted 100 (cycle)."
    assert [movement.after.first.seq, movement.after.last.seq] == [5, 9]


def test_the_first_count_is_the_opening() -> None:
    difference = take_count(Followed(), count(100))
    assert difference.pieces is None
    assert [one.kind for one in difference.step.movements] == [MovementKind.OPENING]


def test_a_count_takes_away_the_doubt_about_pieces_and_no_other() -> None:
    doubts = (Doubt(Doubting.STUCK, "."), Doubt(Doubting.UNIT_CHANGED, "."))
    state = Followed(pieces=98, doubts=doubts, unexplained_mg=7.0)
    after = take_count(state, count(98)).step.state
    assert (after.doubts, after.unexplained_mg) == (doubts[:1], 0.0)


def test_what_was_counted_before_the_last_movement_is_refused() -> None:
    with pytest.raises(CountTooOld):
        take_count(KNOWN, count(100, NOON - timedelta(hours=2)))


@pytest.mark.parametrize("pieces", [-1, 2001])
def test_a_count_that_cannot_be_is_refused(pieces: int) -> None:
    with pytest.raises(CountImpossible):
        take_count(KNOWN, count(pieces), capacity=1000)


def compared(*pairs: tuple[int, int]) -> list[Compared]:
    return [Compared(counted=physical, system=system) for physical, system in pairs]


@pytest.mark.parametrize(
    ("counts", "hit_rate", "gross", "net"),
    [
        (compared((100, 98), (50, 50), (20, 23)), 2 / 3, 0.9705882352941176, 0.9941176470588236),
        (compared((10, 10), (10, 10)), 1.0, 1.0, 1.0),
        (compared((0, 0)), 1.0, 1.0, 1.0),
        (compared((0, 3)), 0.0, 0.0, 0.0),
    ],
)
def test_net_hides_what_cancels_so_three_numbers_are_told(
    counts: list[Compared], hit_rate: float, gross: float, net: float
) -> None:
    found = stock_accuracy(counts, TOLERANCE)
    assert found is not None
    assert (found.hit_rate, found.gross, found.net) == pytest.approx((hit_rate, gross, net))


def test_without_a_count_nothing_is_accurate() -> None:
    assert stock_accuracy([], TOLERANCE) is None


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), min_size=1))
def test_gross_is_never_better_than_net(pairs: list[tuple[int, int]]) -> None:
    found = stock_accuracy(compared(*pairs), TOLERANCE)
    assert isinstance(found, Accuracy)
    assert found.gross <= found.net + 1e-12


def on(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("levels", "until", "mean", "stockouts", "hours", "availability"),
    [
        ([(on(1), 10), (on(3), 0), (on(4, 12), 40)], on(11), 28.0, 1, 36.0, 0.85),
        (
            [(on(1), 0), (on(2), 5), (on(5), 0), (on(5, 6), 9)],
            on(8),
            5.678571428571429,
            2,
            30.0,
            0.8214285714285714,
        ),
    ],
)
def test_levels_are_weighed_by_the_time_they_held(
    *,
    levels: list[tuple[datetime, int]],
    until: datetime,
    mean: float,
    stockouts: int,
    hours: float,
    availability: float,
) -> None:
    held = levels_held(levels, until)
    assert held is not None
    assert held.mean_pieces == pytest.approx(mean, abs=1e-9)
    assert (held.stockouts, held.stockout_hours) == (stockouts, hours)
    assert held.availability == pytest.approx(availability, abs=1e-9)


def test_of_no_time_nothing_is_said() -> None:
    assert levels_held([(on(1), 5)], on(1)) is None
