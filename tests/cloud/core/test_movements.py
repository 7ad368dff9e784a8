"""What holds of every series, however it is cut, repeated or broken off."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.followed import to_us
from cloud.core.following import Counted, catch_up
from cloud.core.levels import Calibration
from cloud.core.movements import (
    Doubting,
    Followed,
    Measure,
    MovementKind,
    Rules,
    Seen,
    follow,
    recounted,
    settle_until,
)
from cloud.core.pending import settles_us

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
UNIT_MG = 7_300
TARE_MG = 412_000
CALIBRATION = Calibration(tare_mg=TARE_MG, unit_weight_ug=UNIT_MG * 1000, scale_sd_mg=100)
SCALE = Rules(calibration=CALIBRATION, interval_s=60, refill_pieces=50)
CONDITIONS = ("silent", "unstable", "overload", "underload", "fault", "back", "jammed")


def weighed(
    at_s: float,
    pieces: float,
    seq: int,
    *,
    stability: int = 0,
    sensor_id: int = 0,
    quality: int = 0,
) -> Seen:
    weight_mg = TARE_MG + round(pieces * UNIT_MG)
    return Seen(
        NOON + timedelta(seconds=at_s),
        1,
        seq,
        weight_mg,
        None,
        stability,
        quality,
        clock_trusted=True,
        sensor_id=sensor_id,
    )


def said(at_s: float, condition: str, seq: int) -> Seen:
    return weighed(at_s, 0, seq)._replace(weight_mg=None, condition=condition)


def levels(*pieces: float, every_s: float = 60) -> list[Seen]:
    return [weighed(n * every_s, each, n + 1) for n, each in enumerate(pieces)]


def found(seen: list[Seen], rules: Rules = SCALE) -> list[tuple[str, int]]:
    return [(str(one.kind), one.pieces) for one in follow(None, seen, rules).movements]


@st.composite
def lives(draw: st.DrawFn) -> list[Seen]:
    """Whatever a bin may be said to weigh: plateaus, noise, conditions, gaps, an empty scale."""
    seen: list[Seen] = []
    at_s = 0.0
    pieces = draw(st.integers(0, 300))
    for _ in range(draw(st.integers(1, 25))):
        pieces = max(0, pieces + draw(st.sampled_from([0, 0, -1, -3, -40, 2, 60])))
        at_s += draw(st.sampled_from([60, 60, 5, 3_600]))
        for _ in range(draw(st.sampled_from([1, 1, 3, 6]))):
            at_s += draw(st.sampled_from([10, 60]))
            shape = draw(st.sampled_from(["weight"] * 6 + ["condition", "gone", "odd", "doubtful"]))
            seq = len(seen) + 1
            stability = draw(st.sampled_from([0, 1, 2]))
            jitter = draw(st.floats(-0.05, 0.05))
            match shape:
                case "weight":
                    seen.append(weighed(at_s, pieces + jitter, seq, stability=stability))
                case "condition":
                    seen.append(said(at_s, draw(st.sampled_from(CONDITIONS)), seq))
                case "gone":
                    seen.append(weighed(at_s, -TARE_MG / UNIT_MG + jitter, seq))
                case "odd":
                    odd = draw(st.floats(-60, 900))
                    seen.append(weighed(at_s, odd, seq, stability=stability))
                case _:
                    seen.append(weighed(at_s, 0, seq, quality=1))
    return seen


@given(seen=lives(), cuts=st.lists(st.integers(0, 150), max_size=8))
def test_where_the_readings_are_cut_does_not_matter(seen: list[Seen], cuts: list[int]) -> None:
    whole = follow(None, seen, SCALE)
    state: Followed | None = None
    movements = []
    edges = [0, *sorted(min(cut, len(seen)) for cut in cuts), len(seen)]
    for since, until in itertools.pairwise(edges):
        step = follow(state, seen[since:until], SCALE)
        state = Followed.from_json(step.state.to_json())
        assert state == step.state
        movements += step.movements
    assert movements == whole.movements
    assert state == whole.state


@given(seen=lives())
def test_one_by_one_is_as_good_as_all_at_once(seen: list[Seen]) -> None:
    whole = follow(None, seen, SCALE)
    state, movements = None, []
    for reading in seen:
        step = follow(state, [reading], SCALE)
        state = step.state
        movements += step.movements
    assert (state, movements) == (whole.state, whole.movements)


@given(seen=lives(), again=st.lists(st.integers(0, 150), max_size=10))
def test_a_repeated_reading_changes_nothing(seen: list[Seen], again: list[int]) -> None:
    places = [place for place in again if place < len(seen)]
    repeated = sorted(
        [*seen, *(seen[place] for place in places)],
        key=lambda one: (one.at, one.stream_no, one.seq),
    )
    assert follow(None, repeated, SCALE) == follow(None, seen, SCALE)


@given(seen=lives())
def test_the_level_is_the_sum_of_its_movements_and_never_below_none(seen: list[Seen]) -> None:
    level = 0
    state: Followed | None = None
    for reading in seen:
        step = follow(state, [reading], SCALE)
        state = step.state
        for movement in step.movements:
            assert movement.before_pieces == level
            level += movement.pieces
            assert movement.after_pieces == level
            assert level >= 0
            assert movement.event_at <= movement.known_at_reading <= reading.at
        assert (state.pieces or 0) == level


@given(seen=lives())
def test_what_is_no_number_never_moves_anything(seen: list[Seen]) -> None:
    state: Followed | None = None
    for reading in seen:
        step = follow(state, [reading], SCALE)
        if reading.weight_mg is None or reading.quality != 0:
            assert step.movements == []
        state = step.state


@given(seen=lives(), wait_s=st.integers(0, 10**7))
def test_time_alone_books_gains_and_never_usage(seen: list[Seen], wait_s: int) -> None:
    state = follow(None, seen, SCALE).state
    step = settle_until(state, seen[-1].at + timedelta(seconds=wait_s), SCALE)
    if wait_s > SCALE.interval_s:
        assert step.movements == []
    gained = [one for one in step.movements if one.pieces > 0]
    # A loss comes out only behind a gain that it is a part of: up by 60, and 4 of them taken.
    assert len(gained) == len(step.movements) or gained[:1] == step.movements[:1]


@given(seen=lives())
def test_the_state_stays_small(seen: list[Seen]) -> None:
    state = follow(None, seen, SCALE).state
    assert len(state.window) <= 162
    assert len(state.to_json()) < 20_000


@settings(max_examples=30)
@given(st.lists(st.integers(0, 400), min_size=2, max_size=12))
def test_every_level_that_holds_is_found_to_the_piece(held: list[int]) -> None:
    """Any stairs up and down, each for ten minutes: the sums are right all along."""
    seen: list[Seen] = []
    for level in held:
        for _ in range(10):
            seen.append(weighed(60 * len(seen), level, len(seen) + 1))
    rules = Rules(
        calibration=Calibration(
            tare_mg=TARE_MG,
            unit_weight_ug=UNIT_MG * 1000,
            unit_error_ug=1.0,
            unit_sd_ug=1.0,
            scale_sd_mg=100,
        ),
        interval_s=60,
        refill_pieces=50,
    )
    state = follow(None, seen, rules).state
    assert state.pieces == held[-1]
    assert not state.doubts


def test_usage_is_booked_with_the_first_settled_reading_that_shows_it() -> None:
    state = follow(None, levels(100, 100, 100), SCALE).state
    step = follow(state, [weighed(150, 97, 9, stability=0)], SCALE)
    (movement,) = step.movements
    assert (movement.kind, movement.pieces) == (MovementKind.USAGE, -3)
    assert movement.before is not None
    assert [movement.before.first.seq, movement.before.last.seq] == [1, 3]
    assert [movement.after.first.seq, movement.after.last.seq] == [9, 9]
    assert movement.because == "The bin became lighter by 3 pieces."
    assert step.state.pieces == 97


def test_a_gain_is_booked_when_nobody_took_it_back_for_two_minutes() -> None:
    state = follow(None, levels(100, 100, 200), SCALE).state
    assert (state.pieces, state.unconfirmed) == (100, 100)
    early = settle_until(state, NOON + timedelta(seconds=179), SCALE)
    assert early.movements == []
    step = follow(state, [weighed(240, 200, 4)], SCALE)
    (movement,) = step.movements
    assert (movement.kind, movement.pieces) == (MovementKind.REFILL, 100)
    assert movement.event_at == NOON + timedelta(seconds=120)


def test_two_minutes_may_end_between_two_signs_of_life() -> None:
    slow = Rules(calibration=CALIBRATION, interval_s=900, refill_pieces=50)
    state = follow(None, levels(100, 100, 200), slow).state
    before, after = (settle_until(state, NOON + timedelta(seconds=s), slow) for s in (239, 240))
    assert before.movements == []
    assert [one.pieces for one in after.movements] == [100]
    assert follow(after.state, [weighed(1020, 200, 4)], slow).movements == []


def test_what_leans_on_the_bin_is_forgotten_with_it() -> None:
    assert found(levels(100, 100, 420.7, 100, 100, every_s=50)) == [("opening", 100)]


def test_what_is_taken_under_a_leaning_thing_is_still_found() -> None:
    seen = levels(100, 100, 420.7, 97, 97, every_s=50)
    assert found(seen) == [("opening", 100), ("usage", -3)]


def test_usage_after_a_refill_is_told_apart_from_it() -> None:
    seen = levels(100, 100, 200, 196, 196, 196, 196, every_s=50)
    assert found(seen) == [("opening", 100), ("refill", 100), ("usage", -4)]


def test_a_few_pieces_more_are_put_back_and_no_refill() -> None:
    assert found(levels(100, 100, 104, 104, 104, 104))[1:] == [("put_back", 4)]


def test_a_bin_that_comes_back_fuller_was_swapped() -> None:
    gone = -TARE_MG / UNIT_MG
    assert found(levels(100, 100, gone, 200, 200, 200, 200))[1:] == [("swap", 100)]


def test_a_bin_that_comes_back_lighter_was_used() -> None:
    gone = -TARE_MG / UNIT_MG
    assert found(levels(100, 100, gone, gone, 90, 90))[1:] == [("usage", -10)]


def test_the_zero_is_checked_whenever_the_bin_is_off() -> None:
    gone = -TARE_MG / UNIT_MG
    off = [weighed(120 + n, gone, 10 + n)._replace(weight_mg=330) for n in range(3)]
    seen = [*levels(100, 100), *off, weighed(200, 100, 20)]
    assert follow(None, seen, SCALE).state.zero_error_mg == 330


def test_a_scale_that_took_its_bin_for_zero_is_told_and_nothing_is_booked() -> None:
    rezeroed = [weighed(4_000 + 60 * n, 0, 10 + n)._replace(weight_mg=0) for n in range(5)]
    step = follow(None, [*levels(100, 100, 100), *rezeroed], SCALE)
    assert [doubt.kind for doubt in step.state.doubts] == [Doubting.NOT_ZEROED, Doubting.ABSENT]
    assert len(step.movements) == 1
    back = follow(step.state, [weighed(5_000, 100, 30)], SCALE)
    assert (back.state.doubts, back.movements) == ((), [])


def test_a_difference_after_a_lost_zero_is_a_correction_and_never_usage() -> None:
    rezeroed = [weighed(4_000 + 60 * n, 0, 10 + n)._replace(weight_mg=0) for n in range(5)]
    step = follow(None, [*levels(100, 100, 100), *rezeroed, weighed(5_000, 60, 30)], SCALE)
    assert [one.kind for one in step.movements[1:]] == [MovementKind.CORRECTION]


def test_a_tare_key_is_no_usage() -> None:
    tared = 200 - TARE_MG / UNIT_MG
    step = follow(None, levels(200, 200, 200, tared, tared, tared, tared, tared), SCALE)
    assert len(step.movements) == 1
    assert [doubt.kind for doubt in step.state.doubts] == [Doubting.NOT_ZEROED]
    back = follow(step.state, [weighed(900 + 60 * n, 200, 20 + n) for n in range(9)], SCALE)
    assert (back.movements, back.state.doubts, back.state.pieces) == ([], (), 200)


def test_another_part_is_told_and_not_booked_until_it_is_gone() -> None:
    step = follow(None, levels(100, 100, *[103.4] * 9), SCALE)
    assert [doubt.kind for doubt in step.state.doubts] == [Doubting.UNIT_CHANGED]
    assert step.state.pieces == 100
    assert "which is 3.40 pieces" in step.state.doubts[0].because
    used = follow(step.state, [weighed(900 + 60 * n, 101.4, 20 + n) for n in range(9)], SCALE)
    assert [one.pieces for one in used.movements] == [-2]
    back = follow(used.state, [weighed(1800 + 60 * n, 98, 40 + n) for n in range(9)], SCALE)
    assert (back.state.pieces, back.state.doubts) == (98, ())


def test_a_count_settles_another_part_for_good() -> None:
    step = follow(None, levels(100, 100, *[103.4] * 9), SCALE)
    counted = recounted(step.state, 102, NOON + timedelta(seconds=890), "Two others are in it.")
    assert counted.state.doubts == ()
    later = follow(counted.state, [weighed(900 + 60 * n, 103.4, 20 + n) for n in range(9)], SCALE)
    assert (later.state.pieces, later.state.doubts, later.movements) == (102, (), [])


def test_a_condition_keeps_the_level_and_drops_what_was_not_confirmed() -> None:
    seen = [*levels(100, 100, 200), said(130, "overload", 9), weighed(190, 100, 10)]
    step = follow(None, seen, SCALE)
    assert (step.state.pieces, step.state.unconfirmed, len(step.movements)) == (100, 0, 1)


def test_a_late_reading_is_left_to_an_earlier_checkpoint() -> None:
    state = follow(None, levels(100, 100, 100), SCALE).state
    assert follow(state, [weighed(30, 50, 99)], SCALE) == follow(state, [], SCALE)


def test_a_level_of_several_scales_is_of_all_of_them() -> None:
    rules = Rules(calibration=CALIBRATION, interval_s=60, refill_pieces=50, sensors=(1, 2))

    def both(at_s: float, left: float, right: float, seq: int) -> list[Seen]:
        halves = (round(TARE_MG / 2 + part * UNIT_MG) for part in (left, right))
        return [
            weighed(at_s + n, 0, seq + n, sensor_id=n + 1)._replace(weight_mg=half)
            for n, half in enumerate(halves)
        ]

    first = both(0, 60, 40, 1)
    assert follow(None, first[:1], rules).state.pieces is None
    seen = [*first, *both(60, 60, 40, 3), *both(120, 55, 43, 5), *both(180, 55, 43, 7)]
    seen += [weighed(181, 0, 50, sensor_id=3)]
    step = follow(None, seen, rules)
    assert [(str(one.kind), one.pieces) for one in step.movements] == [
        ("opening", 100),
        ("usage", -2),
    ]


def test_where_one_of_several_scales_says_nothing_the_level_is_doubted_and_nothing_moves() -> None:
    rules = Rules(calibration=CALIBRATION, interval_s=60, refill_pieces=50, sensors=(1, 2))
    half = round(TARE_MG / 2)

    def said(at_s: float, seq: int, sensor_id: int, pieces: float) -> Seen:
        weight_mg = half + round(pieces * UNIT_MG)
        return weighed(at_s, 0, seq, sensor_id=sensor_id)._replace(weight_mg=weight_mg)

    both = [said(60 * (n // 2), n + 1, 1 + n % 2, 50) for n in range(6)]
    state = follow(None, both, rules).state
    assert (state.pieces, state.doubts) == (100, ())
    alone = [said(180 + 60 * n, 7 + n, 1, 50 if n < 3 else 10) for n in range(5)]
    silent = follow(state, alone, rules)
    assert silent.state.pieces == 100
    assert [doubt.kind for doubt in silent.state.doubts] == [Doubting.SUSPECT]
    back = [said(480 + 60 * (n // 2), 20 + n, 1 + n % 2, 10) for n in range(8)]
    again = follow(silent.state, back, rules)
    assert (again.state.pieces, again.state.doubts) == (20, ())
    assert Followed.from_json(silent.state.to_json()) == silent.state


def test_a_bin_that_is_seen_to_be_empty_holds_nothing_whatever_the_movements_left() -> None:
    """The unit weight is one percent too much: of 200 taken one by one, 198 were counted."""
    levels_mg = [TARE_MG + 200 * 7_227 - taken * 20 * 7_227 for taken in range(11)]
    seen = [
        weighed(60 * n, 0, n + 1)._replace(weight_mg=round(weight))
        for n, weight in enumerate(levels_mg)
    ]
    rules = Rules(calibration=CALIBRATION, interval_s=60, refill_pieces=50)
    state = follow(None, seen, rules).state
    assert state.pieces == 0


def test_a_count_is_a_correction_and_never_usage() -> None:
    state = follow(None, levels(100, 100, 100), SCALE).state
    step = recounted(state, 98, NOON + timedelta(seconds=150), "Ada counted 98.")
    (movement,) = step.movements
    assert (movement.kind, movement.pieces) == (MovementKind.CORRECTION, -2)
    after = follow(step.state, [weighed(180, 97, 9)], SCALE)
    assert [(one.kind, one.pieces) for one in after.movements] == [(MovementKind.USAGE, -3)]
    assert after.state.pieces == 95


def held(at_s: float, pieces: float, seq: int) -> Seen:
    return weighed(at_s, pieces, seq, stability=1)


def test_what_was_only_held_for_two_seconds_is_taken_when_it_lasted_longer_than_a_lull() -> None:
    """Unstable is said after half a minute without rest: until then it may be a lull of it."""
    seen = [*levels(100, 100), held(70, 97, 3)]
    state = follow(None, seen, SCALE).state
    assert (state.pieces, state.unconfirmed, state.exact) == (100, -3, False)
    assert settle_until(state, NOON + timedelta(seconds=109), SCALE).movements == []
    (taken,) = settle_until(state, NOON + timedelta(seconds=111), SCALE).movements
    assert (taken.pieces, taken.event_at) == (-3, NOON + timedelta(seconds=70))
    assert settles_us(state) == to_us(NOON + timedelta(seconds=110))
    (later,) = follow(state, [held(130, 97, 4)], SCALE).movements
    assert (later.pieces, later.event_at) == (-3, taken.event_at)
    assert found([*levels(100, 100), weighed(70, 97, 3)])[1:] == [("usage", -3)]


@pytest.mark.parametrize(
    "then",
    [
        [held(85, 100, 4), held(145, 100, 5)],
        [weighed(100, 0, 4)._replace(weight_mg=None, condition="unstable"), held(110, 100, 5)],
        [held(85, 102, 4), held(100, 100, 5), held(160, 100, 6)],
    ],
)
def test_a_lull_of_something_that_shakes_is_no_use(then: list[Seen]) -> None:
    assert found([*levels(100, 100), held(70, 99, 3), *then]) == [("opening", 100)]


def test_taken_again_within_the_time_of_a_lull_is_taken_once_and_after_it_twice() -> None:
    start = [*levels(100, 100), held(70, 97, 3)]
    assert found([*start, held(80, 95, 4), held(140, 95, 5)])[1:] == [("usage", -5)]
    assert found([*start, held(120, 95, 4), held(180, 95, 5)])[1:] == [
        ("usage", -3),
        ("usage", -2),
    ]


@pytest.mark.parametrize(
    ("counted", "moved", "after"),
    [
        (97, [("usage", -3)], [0]),  # it agrees with what the scale shows now
        (100, [], [-3]),  # nothing is gone, says who counted
        (94, [("correction", -6)], [0]),  # less than anybody thought: of what it shows now
    ],
)
def test_a_count_settles_what_is_seen_and_not_confirmed(
    counted: int, moved: list[tuple[str, int]], after: list[int]
) -> None:
    state = follow(None, [*levels(100, 100), held(70, 97, 3)], SCALE).state
    counts = [Counted(NOON + timedelta(seconds=80), counted, "Ada counted.")]
    caught = catch_up(state, [held(180, 97, 4)], counts, SCALE)
    booked = [(str(one.kind), one.pieces) for one in caught.movements]
    assert booked[: len(moved)] == moved
    assert [pieces for _, pieces in booked[len(moved) :]] == [one for one in after if one]
    assert caught.state.pieces == counted + sum(after)


def stuck(pieces: float, count: int) -> list[Seen]:
    """Noisy, and then the very same again and again."""
    noisy = [weighed(n, pieces + (n * 7 % 5 - 2) / 200, n + 1, stability=2) for n in range(200)]
    same = [weighed(200 + n, pieces, 201 + n, stability=2) for n in range(count)]
    return noisy + same


def raw(at_s: float, pieces: float, seq: int, every_s: float = 1) -> list[Seen]:
    return [
        weighed(at_s + every_s * n, pieces + (n * 7 % 5 - 2) / 200, seq + n, stability=2)
        for n in range(30)
    ]


BLIND = {
    "silent, and said so": [*levels(100, 100), said(120, "silent", 3)],
    "silent, and nobody said so": levels(100, 100),
    "away": [*levels(100, 100), weighed(120, -TARE_MG / UNIT_MG, 3)],
    "shaking": [*levels(100, 100), said(120, "unstable", 3)],
    "stuck": stuck(100, 395),
    "a gain was waiting": [*levels(100, 100), weighed(110, 160, 3), said(120, "silent", 4)],
    "a loss was waiting": [*levels(100, 100), held(110, 97, 3), said(120, "silent", 4)],
}
# What was counted while it was blind, what lies there when the weight is back, what is booked.
AFTER_BLIND: list[tuple[list[int], float, list[tuple[str, int]]]] = [
    ([80], 80, [("correction", -20)]),  # nothing more
    ([80], 75, [("correction", -20), ("usage", -5)]),
    ([80], 100, [("correction", -20)]),  # nothing moved: who counted has corrected the level
    ([180], 180, [("refill", 80)]),  # came unseen, and was counted after
    ([180], 170, [("refill", 80), ("usage", -10)]),
    ([140], 140, [("correction", 40)]),  # less than comes at a time
    ([40, 120], 120, [("correction", -60), ("correction", 80)]),  # the first count was wrong
    ([78], 80, [("correction", -22), ("correction", 2)]),  # two were overlooked
    ([80], 300, [("correction", -20), ("refill", 220)]),
    ([90, 80], 78, [("correction", -10), ("correction", -10), ("usage", -2)]),
    ([80, 100], 90, [("correction", -20), ("correction", 20), ("usage", -10)]),
    ([100], 80, [("usage", -20)]),  # it agrees with what was known: all of it came after
    ([0], 0, [("correction", -100)]),
]


@pytest.mark.parametrize("blind", BLIND.values(), ids=BLIND)
@pytest.mark.parametrize(("counted", "lies", "booked"), AFTER_BLIND)
def test_what_a_count_has_told_while_the_scale_was_blind_is_not_told_again(
    blind: list[Seen], counted: list[int], lies: float, booked: list[tuple[str, int]]
) -> None:
    counts = [
        Counted(NOON + timedelta(seconds=500 + 20 * n), pieces, "Ada counted.")
        for n, pieces in enumerate(counted)
    ]
    stated = blind[-1].stability != 2
    back = _stated(600, lies, 1_000) if stated else raw(600, lies, 1_000, every_s=6)
    caught = catch_up(None, [*blind, *back], counts, SCALE)
    found = [(str(one.kind).replace("swap", "refill"), one.pieces) for one in caught.movements]
    assert found == [("opening", 100), *booked]
    ordered = [one.event_at for one in caught.movements]
    assert ordered == sorted(ordered)
    assert caught.state.pieces == 100 + sum(pieces for _, pieces in booked)
    assert caught.state.seen_mg is None
    used = catch_up(caught.state, _stated(2_000, lies + 7, 2_000), [], SCALE).movements
    assert [one.pieces for one in used] == [7], "and it is the reference again"


def _stated(at_s: float, pieces: float, seq: int) -> list[Seen]:
    return [weighed(at_s + 60 * n, pieces, seq + n) for n in range(4)]


def test_a_level_that_was_counted_blind_is_not_exact_until_it_is_weighed() -> None:
    counts = [Counted(NOON + timedelta(seconds=500), 80, "Ada counted.")]
    blind = catch_up(None, levels(100, 100), counts, SCALE)
    assert (blind.state.pieces, blind.state.exact) == (80, False)
    assert Followed.from_json(blind.state.to_json()) == blind.state
    assert catch_up(blind.state, _stated(600, 80, 9), [], SCALE).state.exact


def test_what_is_taken_and_not_believed_yet_is_not_taken_again_when_it_is_counted() -> None:
    """Of a scale that cannot say when it rests, some readings have to tell of it."""
    start = raw(0, 100, 1)
    counts = [Counted(NOON + timedelta(seconds=31.5), 80, "Ada counted.")]
    caught = catch_up(None, [*start, *raw(30, 80, 100)], counts, SCALE)
    assert [one.pieces for one in caught.movements] == [100, -20]
    assert caught.state.pieces == 80


def test_of_two_scales_one_that_is_silent_makes_the_count_a_blind_one() -> None:
    rules = replace(SCALE, sensors=(1, 2))

    def both(at_s: float, pieces: float, seq: int) -> list[Seen]:
        left = weighed(at_s, pieces, seq, sensor_id=1)._replace(weight_mg=TARE_MG)
        right = weighed(at_s + 1, pieces, seq + 1, sensor_id=2)
        assert right.weight_mg is not None
        return [left, right._replace(weight_mg=right.weight_mg - TARE_MG)]

    before = [one for n in range(4) for one in both(20 * n, 100, 2 * n + 1)]
    silent = said(90, "silent", 20)._replace(sensor_id=2)
    after = [one for n in range(4) for one in both(200 + 20 * n, 78, 2 * n + 30)]
    counts = [Counted(NOON + timedelta(seconds=100), 80, "Ada counted.")]
    caught = catch_up(None, [*before, silent, *after], counts, rules)
    assert [one.pieces for one in caught.movements] == [100, -20, -2]


def test_a_scale_that_says_nothing_of_rest_has_a_level_after_four_readings_that_is_not_exact() -> (
    None
):
    unknown = replace(SCALE, calibration=replace(CALIBRATION, scale_sd_mg=0))
    seen = [weighed(60 * n, 100 + (n % 3 - 1) / 200, n + 1, stability=2) for n in range(12)]
    first = [follow(None, seen[:count], unknown).state for count in range(1, 13)]
    assert [state.pieces for state in first[:5]] == [None, None, None, 100, 100]
    assert not any(state.exact for state in first[:8]), "its noise is not known yet"
    assert first[11].exact
    taken = [*seen[:4], weighed(250, 97, 5, stability=2), weighed(300, 97, 6, stability=2)]
    assert found(taken, unknown) == [("opening", 100)], "and nothing moves by it yet"


def test_settling_is_for_scales_alone() -> None:
    tags = Rules(calibration=CALIBRATION, interval_s=60, refill_pieces=5, measure=Measure.TAGS)
    assert settle_until(Followed(), NOON, tags).movements == []


def test_a_wrong_zero_makes_no_exact_level() -> None:
    gone = -TARE_MG / UNIT_MG
    off = [weighed(120 + n, gone, 10 + n)._replace(weight_mg=4_000) for n in range(3)]
    seen = [*levels(100, 100), *off, weighed(200, 100, 20)]
    assert follow(None, seen[:2], SCALE).state.exact
    assert not follow(None, seen, SCALE).state.exact
