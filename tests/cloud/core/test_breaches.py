from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.breaches import (
    Breach,
    Cover,
    Dwell,
    Limits,
    Watch,
    closed,
    cover_of,
    next_breach,
    next_watch,
)
from cloud.core.stock import OpenLine

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
LIMITS = Limits(minimum=20, margin=10, capacity=100)


def breach_after(*pieces: int, limits: Limits = LIMITS) -> Breach | None:
    breach = None
    for count in pieces:
        breach = next_breach(breach, count, NINE, limits)
    return breach


@pytest.mark.parametrize("pieces", [20, 19, 0])
def test_a_bin_is_low_at_its_minimum(pieces: int) -> None:
    assert breach_after(21) is None
    assert breach_after(pieces) is not None


def test_a_hand_on_the_bin_does_not_close_it() -> None:
    assert breach_after(20, 25, 19) == Breach(opened_at=NINE, opened_pieces=20, lowest_pieces=19)


def test_a_breach_closes_above_minimum_and_margin() -> None:
    assert breach_after(20, 30) is not None
    assert breach_after(20, 31) is None


def test_a_full_bin_is_not_low_however_wide_the_margin() -> None:
    wide = Limits(minimum=20, margin=500, capacity=100)
    assert breach_after(20, 99, limits=wide) is not None
    assert breach_after(20, 100, limits=wide) is None


def test_a_bin_may_be_low_again_after_it_was_refilled() -> None:
    assert breach_after(20, 80, 10) == Breach(opened_at=NINE, opened_pieces=10, lowest_pieces=10)


@given(
    pieces=st.lists(st.integers(0, 100), min_size=1),
    repeats=st.lists(st.integers(1, 4), min_size=1),
)
def test_the_same_reading_again_changes_nothing(pieces: list[int], repeats: list[int]) -> None:
    doubled = [count for at, count in enumerate(pieces) for _ in range(repeats[at % len(repeats)])]
    assert breach_after(*pieces) == breach_after(*doubled)


MINUTE = timedelta(minutes=1)


def watched(*pieces: int, dwell: Dwell = Dwell(), watch: Watch = Watch()) -> Watch:  # noqa: B008 - both are frozen
    """A level a minute."""
    start = NINE if watch.seen_at is None else watch.seen_at + MINUTE
    for at, count in enumerate(pieces):
        watch = next_watch(watch, count, start + at * MINUTE, LIMITS, dwell=dwell)
    return watch


def test_without_a_dwell_it_is_low_at_once() -> None:
    assert watched(20).breach == Breach(opened_at=NINE, opened_pieces=20, lowest_pieces=20)


def test_with_a_dwell_it_is_low_after_so_long_and_so_many_levels() -> None:
    assert watched(19, 19, dwell=Dwell(levels=3)).breach is None
    assert watched(19, 19, 18, dwell=Dwell(levels=3)).breach is not None
    assert watched(19, 19, dwell=Dwell(seconds=61)).breach is None
    assert watched(19, 19, 17, dwell=Dwell(seconds=61)).breach == Breach(
        opened_at=NINE + 2 * MINUTE, opened_pieces=17, lowest_pieces=17
    )


def test_a_level_that_is_fine_begins_the_wait_anew() -> None:
    assert watched(19, 19, 21, 19, 19, dwell=Dwell(levels=3)).breach is None


def test_the_same_level_delivered_twice_is_one_level() -> None:
    watch = Watch()
    for _ in range(5):
        watch = next_watch(watch, 19, NINE, LIMITS, dwell=Dwell(levels=2))
    assert watch.breach is None


def test_a_level_from_before_changes_nothing() -> None:
    low = watched(30, 10)
    assert next_watch(low, 90, NINE, LIMITS) is low


def test_what_rises_counts_when_it_is_confirmed_and_what_falls_at_once() -> None:
    low = watched(10)
    arm = next_watch(low, 90, NINE + MINUTE, LIMITS, confirmed=False)
    assert arm.breach == low.breach
    assert next_watch(arm, 90, NINE + 2 * MINUTE, LIMITS).breach is None
    assert next_watch(Watch(), 10, NINE, LIMITS, confirmed=False).breach is not None


def test_each_breach_has_a_cycle_of_its_own() -> None:
    assert [watched(*pieces).cycle for pieces in ((20,), (20, 90), (20, 90, 10, 31))] == [1, 2, 3]


def test_a_receipt_closes_a_breach_that_is_still_below_the_margin() -> None:
    low = watched(10, 25)
    assert (closed(low).breach, closed(low).cycle) == (None, 2)
    assert closed(closed(low)) == closed(low)


@given(noise=st.lists(st.integers(-1, 1), min_size=2, max_size=300))
def test_a_piece_more_or_less_around_the_minimum_is_one_breach(noise: list[int]) -> None:
    assert watched(20, *(20 + one for one in noise)).cycle == 1


@given(
    pieces=st.lists(st.integers(0, 100), max_size=60),
    seconds=st.integers(0, 600),
    levels=st.integers(1, 5),
)
def test_a_breach_is_open_only_after_its_dwell_and_cycles_only_grow(
    pieces: list[int], seconds: int, levels: int
) -> None:
    watch, dwell = Watch(), Dwell(seconds=seconds, levels=levels)
    for at, count in enumerate(pieces):
        before, watch = watch, next_watch(watch, count, NINE + at * MINUTE, LIMITS, dwell=dwell)
        assert watch.cycle - before.cycle == (before.breach is not None and watch.breach is None)
        if watch.breach is not None:
            assert watch.low_levels >= levels
            assert watch.low_since is not None
            assert watch.breach.opened_at - watch.low_since >= timedelta(seconds=seconds)
            assert watch.breach.lowest_pieces <= LIMITS.minimum


def test_low_and_covered_differs_from_low_and_late_and_from_low_and_alone() -> None:
    day = timedelta(days=1)

    def line(in_days: int) -> OpenLine:
        return OpenLine(
            order_id=UUID(int=1),
            label="RO-1",
            cycle=1,
            ordered=10,
            expected_at=NINE + in_days * day,
        )

    def cover(*lines: OpenLine, runs_out_in: int | None = 3) -> Cover:
        out = None if runs_out_in is None else NINE + runs_out_in * day
        return cover_of(lines, NINE, day, out).cover

    assert cover() is Cover.NOT_COVERED
    assert cover(line(-2)) is Cover.NOT_COVERED
    assert cover(line(2), line(9)) is Cover.COVERED
    assert cover(line(4)) is Cover.LATE
    assert cover(line(4), runs_out_in=None) is Cover.COVERED
    assert cover_of([line(2)], NINE, day, None).until == NINE + 2 * day
