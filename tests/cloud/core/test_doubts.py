from cloud.core import doubts
from cloud.core.followed import Doubting, Followed, Spot
from cloud.core.levels import Calibration
from cloud.core.unrest import Unrest

PART = Calibration(tare_mg=0, unit_weight_ug=5_000_000)


def test_each_thing_that_is_wrong_with_the_place_is_told() -> None:
    told = list(doubts.of_place(rezeroed=True, absent=True, sensors=4, unread=1))
    kinds = [Doubting.NOT_ZEROED, Doubting.ABSENT, Doubting.SUSPECT]
    assert [one.kind for one in told] == kinds
    assert "Of the 4 scales under it 1 cannot be read" in told[2].because
    assert list(doubts.of_place(rezeroed=False, absent=False, sensors=4, unread=0)) == []


def test_a_scale_that_repeats_itself_is_doubted_sooner_where_it_says_something_new() -> None:
    unrest = Unrest(Followed(), PART)
    weights = [1_000_000 + n * 37 % 11 * 100 for n in range(200)] + [1_600_000] * 20
    for n, weight in enumerate(weights):
        unrest.learn(Spot(n * 10_000_000, 1, n + 1, weight, settled=False))
    at_us = len(weights) * 10_000_000
    assert list(doubts.of_scale(unrest, at_us, is_elsewhere=False)) == []
    told = list(doubts.of_scale(unrest, at_us, is_elsewhere=True))
    assert [one.kind for one in told] == [Doubting.SUSPECT]


def test_what_a_light_part_waits_for_is_told_in_readings() -> None:
    assert "No weight has held still yet." in doubts.of_unknown(4, 0, is_averaged=False).because
    assert "162 readings" in doubts.of_unknown(162, 9, is_averaged=True).because
