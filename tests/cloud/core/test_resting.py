"""Whoever keeps a weighing between two looks comes to what writing it out each time comes to."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.followed import Followed, Measure, Movement, Seen
from cloud.core.movements import follow
from cloud.core.resting import Rest, Resting
from tests.cloud.core.test_movements import SCALE, levels, lives, weighed

WATCHED = replace(SCALE, sensors=(0,))


def kept(seen: list[Seen], sizes: list[int]) -> tuple[Followed, list[Movement], int]:
    """Follow in pieces, and keep the weighing for as long as it rests; how often it did."""
    state, movements, rests = Followed(), list[Movement](), 0
    resting: Resting | None = None
    place = turn = 0
    while place < len(seen):
        piece = seen[place : place + sizes[turn % len(sizes)]]
        place, turn = place + len(piece), turn + 1
        resting = resting or Resting.of(state, WATCHED)
        if resting is None:
            step = follow(state, piece, WATCHED)
            state, movements = step.state, movements + step.movements
            continue
        rest = resting.feed_all(piece)
        if rest is not None:
            rests += 1
            now = resting.done()
            assert now.last is not None
            assert rest == Rest(now.sd_pieces, now.level_us, now.plateau_us, now.last[0])
            assert shown(now) == shown(state)
            continue
        state, movements = resting.done(), movements + resting.movements
        resting = None
    return (state if resting is None else resting.done()), movements, rests


def shown(state: Followed) -> object:
    assert not state.doubts
    assert not state.pending
    return (state.pieces, state.exact, state.unconfirmed, state.zero_error_mg)


@given(seen=lives(), sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_what_is_kept_comes_to_what_is_written_out_each_time(
    seen: list[Seen], sizes: list[int]
) -> None:
    state, movements, _ = kept(seen, sizes)
    step = follow(None, seen, WATCHED)
    assert (state, movements) == (step.state, step.movements)


def test_a_bin_that_nobody_touches_rests_and_one_that_is_used_does_not() -> None:
    assert kept(levels(*[100] * 20), [1])[2] == 19
    assert kept(levels(*[100, 90] * 10), [1])[2] == 0


def test_what_is_no_single_scale_or_is_not_at_rest_is_not_kept() -> None:
    state = follow(None, levels(100, 100), WATCHED).state
    assert Resting.of(state, WATCHED)
    assert not Resting.of(None, WATCHED)
    assert not Resting.of(Followed(), WATCHED)
    assert not Resting.of(state, replace(WATCHED, sensors=(0, 1)))
    assert not Resting.of(state, replace(WATCHED, measure=Measure.COUNTER_OUT))
    gains = follow(None, levels(100, 100, 160), WATCHED).state
    assert gains.pending
    assert not Resting.of(gains, WATCHED)


def test_what_another_sensor_says_is_not_looked_at() -> None:
    state = follow(None, levels(100, 100), WATCHED).state
    resting = Resting.of(state, WATCHED)
    assert resting
    assert resting.feed_all([weighed(300, 20, 9, sensor_id=7)])
    assert resting.done() == state
