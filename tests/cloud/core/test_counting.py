from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.counting import counted as counted_by_hand
from cloud.core.counting import recount
from cloud.core.followed import Doubting, Followed, Measure, MovementKind, Rules, Seen
from cloud.core.following import Counted, catch_up
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
        at(200, code="b", change="present"),
        at(203, code="b", change="present"),
        at(204, code="a", change="scanned"),
        at(205, code="a", change="absent"),
        at(206, code="a", change="present"),
    ]
    step = follow(None, seen, rules(Measure.TAGS, 10))
    assert [(str(one.kind), one.pieces) for one in step.movements] == [
        ("opening", 10),
        ("refill", 10),
        ("usage", -10),
        ("put_back", 10),
    ]
    assert step.state.exact


@pytest.mark.parametrize(
    ("away_h", "kind"), [(1, "put_back"), (23, "put_back"), (25, "refill"), (400, "refill")]
)
def test_a_box_that_is_back_within_a_day_was_put_back_and_one_that_comes_later_was_filled(
    away_h: int, kind: str
) -> None:
    seen = [
        at(1, code="a", change="present"),
        at(2, code="b", change="present"),
        at(1_000, code="a", change="absent"),
        at(1_000 + 3_600 * away_h, code="a", change="present"),
        at(1_001 + 3_600 * away_h, code="a", change="absent"),
        at(1_002 + 3_600 * away_h, code="a", change="present"),
    ]
    told = [
        (str(one.kind), one.pieces) for one in follow(None, seen, rules(Measure.TAGS)).movements
    ]
    assert told[2:] == [("usage", -1), (kind, 1), ("usage", -1), ("put_back", 1)]


def test_boxes_that_a_reader_lost_sight_of_have_not_come_when_it_sees_them_again() -> None:
    """Its antenna was off for a weekend; what came with the others is new."""
    back_s = 60 * 3_600
    seen = [at(n, code=str(n), change="present") for n in range(1, 4)]
    seen += [at(500 + n, code=str(n), change="absent") for n in range(1, 4)]
    seen += [at(back_s + n, code=str(n), change="present") for n in range(1, 5)]
    told = [str(one.kind) for one in follow(None, seen, rules(Measure.TAGS)).movements]
    assert told[3:] == ["usage"] * 3 + ["correction"] * 3 + ["refill"]


@pytest.mark.parametrize("first", [None, 5])
def test_what_a_reader_finds_when_it_begins_to_look_lay_there_and_has_not_come(
    first: int | None,
) -> None:
    """Read one by one: the first of them is a level, and none of the others was delivered."""
    seen = [at(n, code=str(n), change="present") for n in (1, 2, 100)]
    counts = [] if first is None else [Counted(NOON, first, "Counted.")]
    step = catch_up(None, [*seen, at(130, code="4", change="present")], counts, rules(Measure.TAGS))
    told = [(str(one.kind), one.pieces) for one in step.movements]
    if first is None:
        assert told == [("opening", 1), ("correction", 1), ("correction", 1), ("refill", 1)]
    else:
        assert told == [("opening", 5), ("refill", 1)]


def booked(
    measure: Measure, seen: list[Seen], counts: dict[int, int], each: int = 1
) -> list[tuple[str, int]]:
    """After the opening; the counts by their second."""
    told = [
        Counted(NOON + timedelta(seconds=second), pieces, "Ada counted.")
        for second, pieces in counts.items()
    ]
    caught = catch_up(None, seen, told, rules(measure, each))
    return [(str(one.kind), one.pieces) for one in caught.movements[1:]]


@pytest.mark.parametrize(
    ("measure", "each", "pieces", "kind"),
    [
        (Measure.COUNTER_OUT, 1, 110, "correction"),  # half a pack of twenty
        (Measure.COUNTER_OUT, 1, 111, "refill"),
        (Measure.COUNTER_OUT, 1, 60, "correction"),
        (Measure.COUNTER_IN, 1, 120, "refill"),
        (Measure.TAGS, 1, 120, "refill"),
        (Measure.STEPS, 25, 120, "refill"),
        (Measure.TWO_BIN, 10, 105, "correction"),
        (Measure.TWO_BIN, 10, 106, "refill"),  # the nearest number of containers is one
        (Measure.TWO_BIN, 500, 111, "refill"),
    ],
)
def test_goods_that_only_a_count_tells_of_are_a_refill_that_rests_on_the_count(
    measure: Measure, each: int, pieces: int, kind: str
) -> None:
    state = recount(Followed(), 100, NOON, "Counted.").state
    (moved,) = counted_by_hand(state, pieces, NOON, "Ada counted.", rules(measure, each)).movements
    assert (str(moved.kind), moved.after_pieces, moved.before) == (kind, pieces, moved.after)
    assert ("more than were known of" in moved.because) == (kind == "refill")


SHIFT_S = 8 * 3_600


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([at(20, total=500)], []),
        ([at(20, total=300), at(30, total=500), at(40, total=501)], [("refill", 1)]),
        ([at(20, total=700)], [("refill", 200)]),
        ([at(10 + SHIFT_S, total=500)], []),
        ([at(11 + SHIFT_S, total=500)], [("refill", 500)]),  # other goods
    ],
)
def test_what_a_count_has_told_of_a_counter_does_not_tell_again_within_the_shift(
    seen: list[Seen], expected: list[tuple[str, int]]
) -> None:
    seen = [at(1, total=0), *seen]
    assert booked(Measure.COUNTER_IN, seen, {2: 40, 10: 540}) == [("refill", 500), *expected]


def test_what_a_counter_has_told_of_a_count_does_not_tell_again() -> None:
    seen = [at(1, total=0), at(5, total=500)]
    assert booked(Measure.COUNTER_IN, seen, {2: 40, 10: 540}) == [("refill", 500)]


def test_a_count_that_is_taken_back_waits_for_no_counter() -> None:
    seen = [at(1, total=0), at(20, total=500)]
    told = booked(Measure.COUNTER_IN, seen, {2: 40, 10: 540, 15: 40})
    assert told == [("refill", 500), ("correction", -500), ("refill", 500)]


def test_boxes_that_were_counted_before_they_got_their_tags_come_once() -> None:
    seen = [at(1, code="a", change="present")]
    seen += [at(200 + n, code=f"new {n}", change="present") for n in range(3)]
    assert booked(Measure.TAGS, seen, {150: 90}, each=30) == [("refill", 60), ("refill", 30)]


def test_a_card_that_was_scanned_is_scanned_anew_when_its_container_was_filled_meanwhile() -> None:
    """A scan never says that the card is gone again: only a count says that it is full."""
    scans = [at(n, code="card", change="scanned") for n in (5, 6, 20, 21)]
    assert booked(Measure.TWO_BIN, scans, {1: 200, 10: 200}, each=100) == [
        ("usage", -100),
        ("refill", 100),
        ("usage", -100),
    ]


def test_a_tag_that_still_lies_at_the_place_for_empties_is_not_empty_once_more() -> None:
    lies = [at(n, code="tag", change="present") for n in (5, 20)]
    told = booked(Measure.TWO_BIN, lies, {1: 200, 10: 200}, each=100)
    assert told == [("usage", -100), ("refill", 100)]


def test_a_step_that_is_the_same_leaves_what_was_counted_between_two_steps() -> None:
    seen = [at(1, total=1), at(20, total=1), at(30, total=4)]
    told = booked(Measure.STEPS, seen, {10: 95}, each=25)
    assert told == [("refill", 70), ("put_back", 5)]


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
