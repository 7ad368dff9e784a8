from cloud.core.followed import Followed, Rules
from cloud.core.levels import Calibration
from cloud.core.scales import Scales

RULES = Rules(
    calibration=Calibration(tare_mg=0, unit_weight_ug=5_000_000),
    interval_s=60,
    refill_pieces=50,
    sensors=(1, 2, 3),
)
LATELY_US = 3 * 60_000_000


def heard(*sensors: int) -> Scales:
    scales = Scales(Followed(), RULES)
    for sensor in sensors:
        assert not scales.hear(sensor, 1_000 * sensor, sensor)
    return scales


def test_together_they_show_the_sum_once_each_of_them_was_heard() -> None:
    assert (heard(1, 2).together_mg, heard(1, 2).unread) == (None, 1)
    scales = heard(1, 2, 3)
    assert (scales.together_mg, scales.unread) == (6_000, 0)
    scales.hear(2, 2_500, 10)
    assert scales.together_mg == 6_500


def test_one_that_is_silent_for_three_intervals_has_no_weight() -> None:
    scales = heard(1, 2, 3)
    assert not scales.hear(1, 1_100, LATELY_US + 2)
    assert scales.together_mg == 6_100, "two of them are late, and no more"
    assert not scales.hear(3, 3_100, LATELY_US + 2)
    assert scales.hear(1, 1_200, LATELY_US + 3), "the second is forgotten"
    assert (scales.together_mg, scales.unread) == (None, 1)
    assert not scales.hear(1, 1_200, LATELY_US + 4), "and it is forgotten once"
    assert not scales.hear(2, 2_100, LATELY_US + 5)
    assert scales.together_mg == 6_400


def test_one_that_cannot_be_read_has_no_weight_at_once() -> None:
    scales = heard(1, 2, 3)
    scales.forget(2)
    scales.forget(9)
    assert (scales.together_mg, scales.unread) == (None, 1)


def test_what_is_remembered_is_all_there_is() -> None:
    scales = heard(3, 1, 2)
    assert scales.remembered() == {"weights": ((1, 1_000, 1), (2, 2_000, 2), (3, 3_000, 3))}
    again = Scales(Followed(**scales.remembered()), RULES)
    assert (again.together_mg, again.remembered()) == (6_000, scales.remembered())
