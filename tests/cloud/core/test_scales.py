from cloud.core.followed import Followed, Rules
from cloud.core.levels import Calibration
from cloud.core.movements import Doubting, Seen, follow
from cloud.core.scales import Scales
from tests.cloud.core.test_movements import CALIBRATION, TARE_MG, UNIT_MG, weighed

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
