"""A count beside a scale: nothing that it told is told again, however the scale comes to itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cloud.core.followed import Followed, MovementKind, Seen
from cloud.core.following import CaughtUp, Counted, catch_up, restated
from cloud.core.levels import Calibration
from cloud.core.movements import follow, settle_until
from cloud.core.resting import Resting
from tests.cloud.core.test_movements import (
    CALIBRATION,
    NOON,
    SCALE,
    TARE_MG,
    UNIT_MG,
    held,
    levels,
    raw,
    said,
    stuck,
    weighed,
)


def counted(at_s: float, pieces: int) -> Counted:
    return Counted(NOON + timedelta(seconds=at_s), pieces, "Ada counted.")


def booked(caught: CaughtUp) -> list[tuple[str, int]]:
    return [(str(one.kind), one.pieces) for one in caught.movements[1:]]


def told(counts: list[int], shows: list[float]) -> CaughtUp:
    """A scale that says 100 through all the counts, one a minute, and then these."""
    same = [100.0] * (len(counts) + 2)
    here = [counted(90 + 60 * n, pieces) for n, pieces in enumerate(counts)]
    return catch_up(None, levels(*same, *shows), here, SCALE)


STUCK: list[tuple[list[int], list[float], list[tuple[str, int]]]] = [
    # It wakes where the count says, or where less lies by now: nothing is used twice.
    ([60], [60] * 4, [("correction", -40)]),
    ([60], [55] * 4, [("correction", -40), ("usage", -5)]),
    ([62], [63] * 4, [("correction", -38), ("correction", 1)]),  # one was overlooked
    ([170], [160] * 4, [("correction", 70), ("usage", -10)]),  # filled, counted, taken of
    # Counted again with another number, while it said the same: it sleeps, whatever came since.
    ([80, 60], [140] * 4, [("correction", -20), ("correction", -20), ("refill", 80)]),
    ([80, 60], [97] * 4, [("correction", -20), ("correction", -20), ("correction", 37)]),
]
LIVES: list[tuple[list[int], list[float], list[tuple[str, int]]]] = [
    # It goes on from the weight that it showed: the count has corrected the level, as ever.
    ([60], [97, 97, 97], [("correction", -40), ("usage", -3)]),
    ([98], [95, 95, 95], [("correction", -2), ("usage", -5)]),  # two may be as well an oversight
    ([160], [180] * 4, [("correction", 60), ("refill", 80)]),  # more than was told
    ([160], [90, 90, 90], [("correction", 60), ("usage", -10)]),
    ([60, 100], [97, 97, 97], [("correction", -40), ("correction", 40), ("usage", -3)]),
    # Somebody leaned on it, and it shows what it showed: so it lives.
    ([80, 60], [150, 100, 100, 95, 95], [("correction", -20), ("correction", -20), ("usage", -5)]),
]


@pytest.mark.parametrize(("counts", "shows", "expected"), STUCK)
def test_what_was_counted_beside_a_stuck_scale_is_not_told_again_when_it_wakes(
    counts: list[int], shows: list[float], expected: list[tuple[str, int]]
) -> None:
    caught = told(counts, shows)
    assert booked(caught) == expected
    assert caught.state.pieces == shows[-1]
    assert (caught.state.told, caught.state.seen_mg) == (None, None)
    for one in caught.movements[1 + len(counts) :]:
        assert "while the scale went on showing the weight of before" in one.because


@pytest.mark.parametrize(("counts", "shows", "expected"), LIVES)
def test_a_count_beside_a_scale_that_lives_corrects_the_level_and_what_moves_comes_after(
    counts: list[int], shows: list[float], expected: list[tuple[str, int]]
) -> None:
    caught = told(counts, shows)
    assert booked(caught) == expected
    assert caught.state.told is None


# It slept through a count and a delivery: packs of a hundred tell which of both weights it left.
PACKS: list[tuple[list[int], list[float], list[tuple[str, int]]]] = [
    ([60], [160] * 4, [("correction", -40), ("refill", 100)]),
    ([60], [260] * 4, [("correction", -40), ("refill", 200)]),
    ([170], [270] * 4, [("correction", 70), ("refill", 100)]),
    ([30], [130] * 4, [("correction", -70), ("put_back", 30)]),  # most of it would be the count's
    ([60], [200] * 4, [("correction", -40), ("refill", 100)]),  # a pack beside what it showed
    ([60], [155] * 4, [("correction", -40), ("put_back", 55)]),  # of neither a whole pack
    ([60], [97] * 4, [("correction", -40), ("usage", -3)]),
    ([160], [360] * 4, [("correction", 60), ("refill", 200)]),
]


@pytest.mark.parametrize(("counts", "shows", "expected"), PACKS)
def test_whole_packs_beside_what_was_counted_tell_that_the_scale_slept(
    counts: list[int], shows: list[float], expected: list[tuple[str, int]]
) -> None:
    same = levels(*[100.0] * 3, *shows)
    caught = catch_up(None, same, [counted(90, counts[0])], replace(SCALE, refill_pieces=100))
    assert booked(caught) == expected


def test_where_a_gain_is_whole_packs_by_chance_packs_tell_nothing() -> None:
    """Of two hundred pieces nobody knows three, and half of all numbers lie so near to a ten."""
    same = levels(*[1_000.0] * 3, *[1_203.0] * 4)
    rules = replace(SCALE, refill_pieces=10)
    assert booked(catch_up(None, same, [counted(90, 904)], rules))[-1] == ("refill", 203)


SURE = replace(SCALE, calibration=replace(CALIBRATION, unit_error_ug=1, unit_sd_ug=1))


@pytest.mark.parametrize(
    ("tray", "weighs", "left"),
    [
        (0.0, 80, None),  # the older count was wrong: the newer one is of all that lies there
        (0.0, 75, ("usage", -5)),
        (5.4, 80, None),  # a tray lies in it, which is no piece: it goes on lying there
    ],
)
def test_a_wrong_count_of_before_does_not_outlive_a_count_beside_a_silent_scale(
    tray: float, weighs: int, left: tuple[str, int] | None
) -> None:
    seen = levels(100 + tray, 100 + tray, 100 + tray)
    wrong = 106 if not tray else 100
    back = _again(600, weighs + tray)
    counts = [counted(90, wrong), counted(500, 80)]
    caught = catch_up(None, [*seen, said(200, "silent", 9), *back], counts, SURE)
    opened = round(100 + tray)
    expected = [("correction", wrong - opened), ("correction", 80 - wrong)]
    assert booked(caught) == [*expected, *([left] if left else [])]
    assert caught.state.pieces == weighs


def test_what_says_the_same_for_twice_as_long_as_ever_slept_when_it_was_counted_otherwise() -> None:
    """Filled while it slept, and counted once before: neither weight nor count says so alone."""
    used = [200 - 2 * (n // 3) for n in range(60)]
    same = [float(used[-1])] * 20
    seen = levels(*used, *same, 240, 240, 240, 240)
    caught = catch_up(None, seen, [counted(60 * 70 + 30, 120)], SCALE)
    *_, corrected, refill = caught.movements
    assert (corrected.pieces, refill.pieces) == (120 - used[-1], 120)
    assert (refill.kind, caught.state.pieces) == (MovementKind.REFILL, 240)


def test_what_was_counted_before_it_was_known_to_be_stuck_is_not_told_again_either() -> None:
    """At the first count it seemed to live; before the second one it was found out."""
    shown = stuck(100, 395)
    stuck_from = next(
        n for n in range(200, 595) if follow(None, shown[: n + 1], SCALE).state.doubts
    )
    counts = [counted(stuck_from - 20.5, 80), counted(600, 60)]
    caught = catch_up(None, [*shown, *raw(700, 55, 1_000, every_s=6)], counts, SCALE)
    assert booked(caught) == [("correction", -20), ("correction", -20), ("usage", -5)]
    assert caught.state.pieces == 55


@pytest.mark.parametrize("silent", [False, True])
def test_a_bin_whose_count_waits_for_a_weight_is_not_kept_at_rest(*, silent: bool) -> None:
    rules = replace(SCALE, sensors=(0,))
    seen = levels(100, 100)
    at_s = 500 if silent else 90
    caught = catch_up(None, seen, [], rules)
    assert Resting.of(caught.state, rules) is not None
    assert Resting.of(catch_up(caught.state, [], [counted(at_s, 60)], rules).state, rules) is None


def test_a_count_that_was_far_too_low_is_set_right_when_more_is_taken() -> None:
    """Ten lay there, said the count, and fifty were taken: by weight a hundred and twenty are left.

    By another unit weight what the weight had set right stays, and takes are told anew.
    """
    seen = levels(170, 170, 170, 120, 120, 115)
    caught = catch_up(None, seen, [counted(90, 10)], SCALE)
    expected = [("correction", -160), ("correction", 160), ("usage", -50), ("usage", -5)]
    assert (booked(caught), caught.state.pieces) == (expected, 115)
    heavier = Calibration(tare_mg=TARE_MG, unit_weight_ug=UNIT_MG * 1_250)
    assert [one.after_pieces for one in restated(caught.movements, heavier)][2:] == [170, 130, 126]


def test_what_the_weight_may_be_off_by_is_no_sign_of_a_stuck_scale() -> None:
    """Nobody said how well a piece is known: of a thousand pieces some thirty are no wonder."""
    seen = levels(1_000, 1_000, 1_000, 960, 960)
    caught = catch_up(None, seen, [counted(90, 970)], SCALE)
    assert booked(caught) == [("correction", -30), ("usage", -40)]


def test_a_gain_beside_a_stuck_scale_may_be_settled_by_the_clock() -> None:
    caught = catch_up(None, levels(100, 100, 100, 160), [counted(90, 40), counted(100, 30)], SCALE)
    kept = Followed.from_json(caught.state.to_json())
    assert (kept, kept.pieces) == (caught.state, 30)
    early = settle_until(kept, NOON + timedelta(seconds=200), SCALE)
    assert (early.movements, early.state) == ([], kept)
    slow = catch_up(kept, [weighed(240, 160, 5)], [], SCALE)
    (moved,) = catch_up(slow.state, [weighed(300, 160, 6)], [], SCALE).movements
    (timely,) = settle_until(slow.state, NOON + timedelta(seconds=300), SCALE).movements
    assert (moved.kind, moved.pieces) == (MovementKind.REFILL, 130)
    assert (timely.pieces, timely.before_mg, timely.because) == (130, None, moved.because)


def _blind(shows: float) -> list[Seen]:
    return [*levels(100, 100), said(120, "silent", 3), *_again(600, shows)]


def _again(at_s: float, pieces: float) -> list[Seen]:
    return [weighed(at_s + 60 * n, pieces, 10 + n) for n in range(4)]


def test_what_is_left_between_a_count_and_a_weight_names_no_weight_of_before() -> None:
    """The scale has never shown what was counted: nothing may be learnt from the difference."""
    caught = catch_up(None, _blind(75), [counted(500, 80)], SCALE)
    _, corrected, rest = caught.movements
    assert (corrected.before_mg, corrected.after_mg) == (TARE_MG + 100 * UNIT_MG,) * 2
    assert (rest.pieces, rest.before, rest.before_mg) == (-5, None, None)
    assert rest.after_mg == TARE_MG + 75 * UNIT_MG
    (used,) = catch_up(caught.state, [weighed(2_000, 70, 99)], [], SCALE).movements
    assert used.before_mg == rest.after_mg, "and from then on it is weighed again"


def test_by_another_unit_weight_what_was_counted_stays_and_what_is_left_is_told_anew() -> None:
    caught = catch_up(None, _blind(50), [counted(500, 80)], SCALE)
    heavier = Calibration(tare_mg=TARE_MG, unit_weight_ug=UNIT_MG * 1_250)
    assert [one.after_pieces for one in caught.movements] == [100, 80, 50]
    assert [one.after_pieces for one in restated(caught.movements, heavier)] == [80, 80, 40]


def test_goods_that_came_unseen_and_were_counted_are_a_refill_that_rests_on_the_count() -> None:
    caught = catch_up(None, _blind(175), [counted(500, 180)], SCALE)
    _, refill, _ = caught.movements
    assert (refill.kind, refill.pieces) == (MovementKind.REFILL, 80)
    assert refill.before == refill.after, "no weight has moved"
    assert refill.because == ("Counted while the scale could not be read: 80 more. Ada counted.")


def test_a_count_is_not_of_a_gain_that_was_taken_back_and_is_not_forgotten_yet() -> None:
    """After "unstable" a weight is believed when it has lasted; the count comes before that."""
    seen = [*levels(*[0] * 6, *[1] * 2), said(470, "unstable", 20)]
    seen += [weighed(500, 1, 21), weighed(550, 1, 22), weighed(600, 0, 23), weighed(650, 0, 24)]
    caught = catch_up(None, seen, [counted(601, 2)], SCALE)
    assert (booked(caught), caught.state.pieces) == ([("correction", 2)], 2)


def test_what_is_on_its_way_to_another_weight_when_it_is_counted_moves_after_the_count() -> None:
    """It began before, and was not believed yet: the sum is told in the order of its time."""
    seen = [*levels(*[100] * 6, *[101] * 4), said(550, "unstable", 20)]
    seen += [weighed(at_s, shows, at_s) for at_s, shows in ((580, 101), (600, 90), (650, 90))]
    caught = catch_up(None, [*seen, weighed(700, 90, 700)], [counted(601, 103)], SCALE)
    assert booked(caught) == [("put_back", 1), ("correction", 2), ("usage", -11)]
    happened = [one.event_at for one in caught.movements]
    assert happened == sorted(happened)


def test_a_wrong_count_that_is_set_right_while_the_scale_is_silent_is_no_refill() -> None:
    seen = [*levels(100, 100, 100), said(200, "silent", 4), *_again(600, 100)]
    caught = catch_up(None, seen, [counted(90, 40), counted(500, 100)], SCALE)
    assert booked(caught) == [("correction", -60), ("correction", 60)]


def test_a_count_that_agrees_with_a_weight_nobody_believed_yet_is_of_that_weight() -> None:
    """Another part lay in it, so that a longer look is taken; meanwhile it is gone, and counted."""
    foreign = [weighed(120 + 60 * n, 121.5, 3 + n) for n in range(5)]
    gone = [weighed(420, 80, 8)]
    after = [weighed(480 + 60 * n, 80, 9 + n) for n in range(8)]
    before = catch_up(None, [*levels(100, 100), *foreign, *gone], [], SCALE)
    assert before.state.unconfirmed
    caught = catch_up(before.state, after, [counted(430, 80)], SCALE)
    assert [(str(one.kind), one.pieces) for one in caught.movements] == [("correction", -20)]
    assert (caught.state.pieces, caught.state.exact) == (80, True)
    used = catch_up(caught.state, [weighed(1_000, 77, 30)], [], SCALE).movements
    assert [one.pieces for one in used] == [-3]


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
