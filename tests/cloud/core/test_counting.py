from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.counting import recount
from cloud.core.followed import Doubting, Followed, Measure, MovementKind, Rules, Seen
from cloud.core.levels import Calibration
from cloud.core.movements import follow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def rules(measure: Measure, each: int = 1) -> Rules:
    return Rules(
        calibration=Calibration(tare_mg=0, unit_weight_ug=1),
        interval_s=60,
        refill_pieces=20,
        measure=measure,
        pieces_per_count=each,
    )


def at(n: int, **said: object) -> Seen:
    blank = Seen(NOON + timedelta(seconds=n), 1, n, None, None, 2, 0, clock_trusted=True)
    return blank._replace(**said)


def counted(measure: Measure, pieces: int, *seen: Seen, each: int = 1) -> list[tuple[str, int]]:
    state = recount(Followed(), pieces, NOON, "Counted.").state
    step = follow(state, seen, rules(measure, each))
    return [(str(one.kind), one.pieces) for one in step.movements]


def test_a_counter_says_what_went_and_not_what_is_there() -> None:
    step = follow(None, [at(1, total=7), at(2, total=9)], rules(Measure.COUNTER_OUT))
    assert (step.state.pieces, step.movements) == (None, [])
    assert [doubt.kind for doubt in step.state.doubts] == [Doubting.UNKNOWN]


def test_what_a_counter_lets_out_is_usage() -> None:
    seen = [at(1, total=7), at(2, total=9), at(3, total=9), at(4, total=12)]
    assert counted(Measure.COUNTER_OUT, 100, *seen, each=10) == [("usage", -20), ("usage", -30)]


def test_what_a_counter_lets_in_is_a_refill() -> None:
    seen = [at(1, total=0), at(2, total=4)]
    assert counted(Measure.COUNTER_IN, 100, *seen) == [("refill", 4)]


@pytest.mark.parametrize(
    "again", [[at(2, condition="restarted"), at(3, total=50)], [at(3, total=2)]]
)
def test_a_counter_that_begins_again_books_nothing(again: list[Seen]) -> None:
    seen = [at(1, total=7), *again, at(4, total=again[-1].total + 1)]
    assert counted(Measure.COUNTER_OUT, 100, *seen) == [("usage", -1)]


def test_tags_are_counted_once_however_often_they_are_read() -> None:
    seen = [
        at(1, code="a", change="present"),
        at(2, code="b", change="present"),
        at(3, code="b", change="present"),
        at(4, code="a", change="scanned"),
        at(5, code="a", change="absent"),
        at(6, code="a", change="present"),
    ]
    step = follow(None, seen, rules(Measure.TAGS, 10))
    assert [(str(one.kind), one.pieces) for one in step.movements] == [
        ("opening", 10),
        ("put_back", 10),
        ("usage", -10),
        ("put_back", 10),
    ]
    assert step.state.exact


def test_a_level_step_is_a_level_and_never_exact() -> None:
    seen = [at(1, total=4), at(2, total=2), at(3, total=4)]
    step = follow(None, seen, rules(Measure.STEPS, 25))
    assert [(str(one.kind), one.pieces) for one in step.movements] == [
        ("opening", 100),
        ("usage", -50),
        ("refill", 50),
    ]
    assert not step.state.exact
    assert step.state.sd_pieces > 5


def test_a_step_of_none_is_known_to_be_none() -> None:
    step = follow(None, [at(1, total=0)], rules(Measure.STEPS, 25))
    assert [one.kind for one in step.movements] == [MovementKind.OPENING]


def test_an_empty_container_is_used_up_once() -> None:
    seen = [
        at(1, code="card", change="scanned"),
        at(2, code="card", change="scanned"),
        at(3, code="card", change="absent"),
        at(4, code="card", change="present"),
    ]
    assert counted(Measure.TWO_BIN, 200, *seen, each=100) == [("usage", -100), ("usage", -100)]
    totals = [at(1, total=3), at(2, total=4)]
    assert counted(Measure.TWO_BIN, 200, *totals, each=100) == [("usage", -100)]


def test_a_doubtful_total_and_a_condition_move_nothing() -> None:
    seen = [at(1, total=1), at(2, total=5, quality=1), at(3, condition="silent"), at(4, total=1)]
    assert counted(Measure.COUNTER_OUT, 10, *seen) == []


@given(
    totals=st.lists(st.one_of(st.integers(0, 50), st.none()), max_size=30),
    measure=st.sampled_from(list(Measure)),
    start=st.integers(0, 30),
    cut=st.integers(0, 30),
)
def test_the_level_is_the_sum_of_its_movements(
    totals: list[int | None], measure: Measure, start: int, cut: int
) -> None:
    if measure is Measure.WEIGHT:
        return
    seen = [
        at(n + 1, condition="restarted")
        if total is None
        else at(n + 1, total=total)
        if n % 2
        else at(n + 1, code=str(total % 5), change=["present", "absent", "scanned"][total % 3])
        for n, total in enumerate(totals)
    ]
    state = recount(Followed(), start, NOON, "Counted.").state
    whole = follow(state, seen, rules(measure))
    first = follow(state, seen[:cut], rules(measure))
    second = follow(Followed.from_json(first.state.to_json()), seen[cut:], rules(measure))
    assert (second.state, first.movements + second.movements) == (whole.state, whole.movements)
    level = start
    for movement in whole.movements:
        level += movement.pieces
        assert level == movement.after_pieces >= 0
    assert whole.state.pieces == level
    assert follow(whole.state, seen, rules(measure)) == follow(whole.state, [], rules(measure))


def test_a_first_count_is_the_opening() -> None:
    (movement,) = recount(Followed(), 40, NOON, "Ada counted 40.").movements
    assert (movement.kind, movement.pieces) == (MovementKind.OPENING, 40)


def test_a_count_that_agrees_is_no_movement() -> None:
    state = recount(Followed(), 40, NOON, "Ada counted 40.").state
    assert recount(state, 40, NOON, "Ada counted 40 again.").movements == []


def test_a_tag_that_goes_after_a_count_is_one_less_and_not_the_difference_to_it() -> None:
    seen = [at(n, code=str(n), change="present") for n in range(1, 8)]
    state = follow(None, seen, rules(Measure.TAGS)).state
    state = recount(state, 5, NOON, "Ada counted 5.").state
    step = follow(state, [at(9, code="1", change="absent")], rules(Measure.TAGS))
    assert [(str(one.kind), one.pieces) for one in step.movements] == [("usage", -1)]
