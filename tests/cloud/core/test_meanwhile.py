from dataclasses import replace

from cloud.core.followed import Followed, Spot
from cloud.core.meanwhile import Meanwhile
from cloud.core.movements import Doubting, MovementKind, follow
from tests.cloud.core.test_movements import SCALE, TARE_MG, UNIT_MG, found, levels, weighed

SIGMA_MG = 100.0


def shown(weight_mg: int, at_us: int = 1) -> Spot:
    return Spot(at_us, 1, at_us, weight_mg, settled=True)


def off(*weights: int, state: Followed | None = None) -> Meanwhile:
    meanwhile = Meanwhile(state or Followed())
    for n, weight in enumerate(weights):
        meanwhile.leave(shown(weight, n + 1), is_known=True)
    return meanwhile


def test_a_bin_that_is_off_its_scale_is_absent_until_it_is_back() -> None:
    meanwhile = off(0)
    assert (meanwhile.is_absent, meanwhile.after_absence) == (True, True)
    meanwhile.come_back(SIGMA_MG)
    assert (meanwhile.is_absent, meanwhile.after_absence) == (False, True)
    meanwhile.end()
    assert not meanwhile.after_absence


def test_what_a_scale_without_its_bin_shows_is_the_error_of_its_zero() -> None:
    meanwhile = off(300, 320, 370)
    assert meanwhile.zero_error_mg is None
    meanwhile.come_back(SIGMA_MG)
    assert meanwhile.zero_error_mg == 330
    meanwhile.end()
    assert meanwhile.zero_error_mg == 330, "until it is seen again"


def test_neither_one_weight_nor_what_moves_tells_of_the_zero() -> None:
    for weights in ((300,), (300, 300, 1_000)):
        meanwhile = off(*weights, state=Followed(zero_error_mg=7))
        meanwhile.come_back(SIGMA_MG)
        assert meanwhile.zero_error_mg == 7


def test_each_absence_has_a_zero_of_its_own() -> None:
    meanwhile = off(300, 300)
    meanwhile.come_back(SIGMA_MG)
    for n in (10, 11):
        meanwhile.leave(shown(-200, n), is_known=True)
    meanwhile.come_back(SIGMA_MG)
    assert meanwhile.zero_error_mg == -200


def test_a_scale_that_shows_nothing_after_a_silence_may_have_taken_the_bin_for_its_zero() -> None:
    meanwhile = Meanwhile(Followed())
    meanwhile.fall_silent()
    meanwhile.leave(shown(0), is_known=True)
    assert (meanwhile.rezeroed, meanwhile.after_gap) == (True, False)
    meanwhile.leave(shown(0, 2), is_known=True)
    assert meanwhile.rezeroed
    meanwhile.end()
    assert not meanwhile.rezeroed
    assert not off(0).rezeroed, "nothing was silent"
    unknown = Meanwhile(Followed(after_gap=True))
    unknown.leave(shown(0), is_known=False)
    assert not unknown.rezeroed, "and no bin was known to be on it"


def test_a_bin_that_was_lifted_without_a_weight_was_away_too() -> None:
    meanwhile = Meanwhile(Followed())
    meanwhile.be_lifted()
    assert (meanwhile.after_absence, meanwhile.is_absent) == (True, False)


def test_what_is_remembered_is_all_there_is() -> None:
    meanwhile = Meanwhile(Followed(after_gap=True))
    meanwhile.leave(shown(300), is_known=True)
    again = Meanwhile(replace(Followed(), **meanwhile.remembered()))
    assert again.remembered() == meanwhile.remembered()
    for one in (meanwhile, again):
        one.leave(shown(340, 2), is_known=True)
        one.come_back(SIGMA_MG)
    assert again.remembered() == meanwhile.remembered()
    assert again.zero_error_mg == 320


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


def test_a_wrong_zero_makes_no_exact_level() -> None:
    gone = -TARE_MG / UNIT_MG
    off = [weighed(120 + n, gone, 10 + n)._replace(weight_mg=4_000) for n in range(3)]
    seen = [*levels(100, 100), *off, weighed(200, 100, 20)]
    assert follow(None, seen[:2], SCALE).state.exact
    assert not follow(None, seen, SCALE).state.exact


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
