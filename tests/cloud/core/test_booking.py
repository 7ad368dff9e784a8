from dataclasses import replace

import pytest

from cloud.core.booking import Booking, Passage
from cloud.core.followed import (
    Doubting,
    Followed,
    MovementKind,
    Plateau,
    ReadingRange,
    ReadingRef,
    Rules,
    from_us,
)
from cloud.core.levels import Calibration
from cloud.core.movements import follow
from tests.cloud.core.test_movements import (
    CALIBRATION,
    SCALE,
    TARE_MG,
    UNIT_MG,
    levels,
    weighed,
)
from tests.cloud.core.test_movements import (
    found as moved,
)

RULES = Rules(
    calibration=Calibration(tare_mg=TARE_MG, unit_weight_ug=UNIT_MG * 1_000),
    interval_s=60,
    refill_pieces=50,
)
BEFORE = ReadingRange(ReadingRef(1, 1), ReadingRef(1, 5))


def stood(pieces: float) -> Plateau:
    mean_mg = TARE_MG + pieces * UNIT_MG
    return Plateau(7, (1, 8), (1, 9), mean_mg, after_absence=False, after_gap=False)


def passage(before: float, after: float, noise_mg: float = 30.0) -> Passage:
    return Passage(
        before=BEFORE,
        before_mg=TARE_MG + before * UNIT_MG,
        after=stood(after),
        known_us=9,
        noise_mg=noise_mg,
        after_noise_mg=noise_mg,
        rezeroed=False,
        beside_count=False,
    )


def booking(pieces: int | None = 100) -> Booking:
    return Booking(Followed(pieces=pieces), RULES)


def booked(found: Booking) -> list[tuple[str, int]]:
    return [(str(one.kind), one.pieces) for one in found.movements]


def test_the_first_weight_opens_the_level_unless_somebody_has_counted_before() -> None:
    found = booking(None)
    found.open(stood(100.2), 9)
    (opening,) = found.movements
    assert (opening.kind, opening.before_pieces, opening.after_pieces) == ("opening", 0, 100)
    assert (opening.before, opening.after_mg) == (None, TARE_MG + round(100.2 * UNIT_MG))
    assert (opening.event_at, opening.known_at_reading) == (from_us(7), from_us(9))
    counted = booking(98)
    counted.open(stood(100), 9)
    assert (counted.pieces, counted.movements) == (98, [])


def test_a_whole_number_of_pieces_is_booked_with_the_readings_it_rests_on() -> None:
    found = booking()
    found.move(passage(100, 97.05))
    (usage,) = found.movements
    assert (usage.kind, usage.pieces, usage.after_pieces) == (MovementKind.USAGE, -3, 97)
    assert (usage.before, usage.after) == (BEFORE, ReadingRange((1, 8), (1, 9)))
    assert (usage.before_mg, usage.after_mg) == (
        TARE_MG + 100 * UNIT_MG,
        TARE_MG + round(97.05 * UNIT_MG),
    )
    assert (usage.event_at, usage.known_at_reading) == (from_us(7), from_us(9))
    assert usage.sd_pieces > 0
    found.move(passage(97, 157))
    assert booked(found)[1:] == [("refill", 60)]


@pytest.mark.parametrize(
    ("tray", "before", "after", "expected"),
    [
        (0.0, 60, 20, [("correction", 50), ("usage", -40)]),  # counted at ten, and wrongly
        (0.0, 60, 0, [("correction", 50), ("usage", -60)]),
        (0.45, 60, 20, [("correction", 30), ("usage", -40)]),  # of other parts it tells nothing
    ],
)
def test_more_was_taken_than_was_thought_to_be_there_and_the_weight_says_what_is_left(
    tray: float, before: int, after: int, expected: list[tuple[str, int]]
) -> None:
    found = booking(10)
    found.move(passage(before + tray, after + tray))
    assert booked(found) == expected
    assert found.pieces == (after if not tray else 0)
    correction, usage = found.movements
    assert correction.because.startswith("More was taken than was thought to be there.")
    assert correction.because.endswith("By its weight 20 are left.") == (after == 20 and not tray)
    assert (usage.before_mg, usage.after_mg) != (None, None)


def test_what_is_left_by_weight_is_beside_what_is_unexplained() -> None:
    found = booking(70)
    found.move(passage(70, 75.4))
    assert found.doubt is not None
    found.pieces = 10
    found.move(passage(75.4, 25.4))
    assert (booked(found), found.pieces) == ([("correction", 60), ("usage", -50)], 20)


def test_without_a_tare_a_weight_by_itself_says_nothing() -> None:
    tared = replace(RULES, calibration=replace(RULES.calibration, tare_mg=0))
    found = Booking(Followed(pieces=10), tared)
    found.move(passage(60, 20))
    assert (booked(found), found.pieces) == ([("correction", 30), ("usage", -40)], 0)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"rezeroed": True}, MovementKind.CORRECTION),
        ({"beside_count": True}, MovementKind.REFILL),
        ({"after": stood(160)._replace(after_absence=True)}, MovementKind.SWAP),
        ({"after": stood(160)._replace(after_gap=True)}, MovementKind.REFILL),
    ],
)
def test_of_which_kind_it_is_follows_from_what_came_between(
    said: dict[str, object], kind: MovementKind
) -> None:
    found = booking()
    found.move(passage(100, 160)._replace(**said))
    assert booked(found) == [(kind, 60)]


def test_what_is_no_whole_number_is_told_and_goes_away_as_it_came() -> None:
    found = booking()
    found.move(passage(100, 103.4))
    assert (found.pieces, found.movements) == (100, [])
    assert found.doubt is not None
    assert found.doubt.kind is Doubting.UNIT_CHANGED
    assert "which is 3.40 pieces" in found.doubt.because
    found.move(passage(103.4, 101.4))
    assert (booked(found), found.doubt is None) == ([("usage", -2)], False)
    found.move(passage(101.4, 98))
    assert (found.pieces, found.doubt) == (98, None)


def test_what_left_together_with_something_else_is_told_apart_from_it() -> None:
    found = booking()
    found.move(passage(100, 103.4))
    found.move(passage(103.4, 95))
    assert (booked(found), found.doubt) == ([("usage", -5)], None)


def test_of_two_numbers_what_leaves_less_over_is_believed() -> None:
    found = booking()
    found.move(passage(100, 103.15))
    found.move(passage(103.15, 98, noise_mg=300.0))
    assert (booked(found), found.doubt) == ([("usage", -2)], None), "five would leave more over"


def test_what_was_measured_in_two_steps_may_be_off_by_the_noise_of_both() -> None:
    found = booking()
    found.move(passage(100, 103.5))
    found.move(passage(103.5, 98.25, noise_mg=0.05 * UNIT_MG))
    assert (booked(found), found.doubt) == ([("usage", -2)], None)


def test_the_weight_of_the_empty_bin_is_a_key_that_was_pressed() -> None:
    found = booking()
    tared = 100 - TARE_MG / UNIT_MG
    found.move(passage(100, tared))
    assert (found.pieces, found.movements) == (100, [])
    assert found.doubt is not None
    assert found.doubt.kind is Doubting.NOT_ZEROED
    found.move(passage(tared, 100))
    assert (found.pieces, found.movements, found.doubt) == (100, [], None)


def test_of_a_lost_zero_no_more_is_taken_than_was_there() -> None:
    lost = booking(10)
    lost.move(passage(100, 85)._replace(rezeroed=True))
    assert booked(lost) == [("correction", -10)]


def test_a_scale_that_shows_the_empty_bin_is_believed_unless_noise_may_hide_a_piece() -> None:
    found = booking(102)
    found.move(passage(100, 0.1))
    assert booked(found) == [("usage", -100), ("correction", -2)]
    unsure = booking(102)
    unsure.move(passage(100, 0.1)._replace(after_noise_mg=UNIT_MG / 2))
    assert booked(unsure) == [("usage", -100)]


def test_a_remainder_is_doubtful_where_noise_does_not_explain_it_or_one_is_left_already() -> None:
    found = booking()
    assert not found.is_doubtful(-3.02 * UNIT_MG, 30.0)
    assert found.is_doubtful(-3.2 * UNIT_MG, 30.0)
    assert not found.is_doubtful(-3.2 * UNIT_MG, UNIT_MG / 4)
    found.move(passage(100, 103.4))
    assert found.is_doubtful(-3.0 * UNIT_MG, 30.0)


def test_what_is_remembered_is_all_there_is() -> None:
    found = booking()
    found.move(passage(100, 103.4))
    again = Booking(replace(Followed(), **found.remembered()), RULES)
    assert (again.remembered(), again.doubt) == (found.remembered(), found.doubt)
    again.move(passage(103.4, 98))
    assert (booked(again), again.doubt) == ([("usage", -2)], None)


def test_a_few_pieces_more_are_put_back_and_no_refill() -> None:
    assert moved(levels(100, 100, 104, 104, 104, 104))[1:] == [("put_back", 4)]


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
