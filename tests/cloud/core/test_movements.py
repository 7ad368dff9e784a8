"""What holds of every series, however it is cut, repeated or broken off."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.levels import Calibration
from cloud.core.movements import (
    Followed,
    Measure,
    MovementKind,
    Rules,
    Seen,
    follow,
    recounted,
    settle_until,
)

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


def held(at_s: float, pieces: float, seq: int) -> Seen:
    return weighed(at_s, pieces, seq, stability=1)


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


def test_a_count_settles_another_part_for_good() -> None:
    step = follow(None, levels(100, 100, *[103.4] * 9), SCALE)
    counted = recounted(step.state, 102, NOON + timedelta(seconds=890), "Two others are in it.")
    assert counted.state.doubts == ()
    later = follow(counted.state, [weighed(900 + 60 * n, 103.4, 20 + n) for n in range(9)], SCALE)
    assert (later.state.pieces, later.state.doubts, later.movements) == (102, (), [])


def test_a_late_reading_is_left_to_an_earlier_checkpoint() -> None:
    state = follow(None, levels(100, 100, 100), SCALE).state
    assert follow(state, [weighed(30, 50, 99)], SCALE) == follow(state, [], SCALE)


def test_a_count_is_a_correction_and_never_usage() -> None:
    state = follow(None, levels(100, 100, 100), SCALE).state
    step = recounted(state, 98, NOON + timedelta(seconds=150), "Ada counted 98.")
    (movement,) = step.movements
    assert (movement.kind, movement.pieces) == (MovementKind.CORRECTION, -2)
    after = follow(step.state, [weighed(180, 97, 9)], SCALE)
    assert [(one.kind, one.pieces) for one in after.movements] == [(MovementKind.USAGE, -3)]
    assert after.state.pieces == 95


def test_settling_is_for_scales_alone() -> None:
    tags = Rules(calibration=CALIBRATION, interval_s=60, refill_pieces=5, measure=Measure.TAGS)
    assert settle_until(Followed(), NOON, tags).movements == []
