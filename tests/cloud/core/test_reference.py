from dataclasses import replace

import pytest

from cloud.core.followed import Followed, Plateau, ReadingRange, ReadingRef, Spot
from cloud.core.levels import Calibration
from cloud.core.reference import Reference
from cloud.core.unrest import Unrest
from cloud.core.wander import LOOKS_MIN

UNIT_MG = 5_000.0
SIGMA_MG = 100.0
CALIBRATION = Calibration(tare_mg=0, unit_weight_ug=5_000_000, scale_sd_mg=SIGMA_MG)
MINUTE_US = 60_000_000


def reference(state: Followed, *, settled: bool = True) -> Reference:
    return Reference(state, UNIT_MG, Unrest(replace(state, settled=settled), CALIBRATION))


def stands(at_mg: float = 1_000_000.0, *, settled: bool = True, count: int = 1) -> Reference:
    found = reference(Followed(), settled=settled)
    found.stand_on(plateau(at_mg), 0, count)
    return found


def plateau(mean_mg: float, since_us: int = 0, seq: int = 1) -> Plateau:
    return Plateau(since_us, (1, seq), (1, seq), mean_mg, after_absence=False, after_gap=False)


def spot(n: int, weight_mg: float = 0, *, settled: bool = True) -> Spot:
    return Spot(n * MINUTE_US, 1, n, round(weight_mg), settled)


def bear_out(found: Reference, apart_mg: float, n: int, *, count: int = 4) -> None:
    assert found.mg is not None
    found.bear_out(apart_mg, found.mg + apart_mg, spot(n), count)


def test_it_is_where_the_plateau_is_and_rests_on_its_readings() -> None:
    found = stands()
    found.stand_on(plateau(900_000.0, since_us=7, seq=2), 9, 4)
    bear_out(found, 10, 3)
    assert found.rests_on == ReadingRange(ReadingRef(1, 2), ReadingRef(1, 3))
    assert (found.since_us, found.level_us) == (7, 3 * MINUTE_US)
    assert found.borne_out == 5
    assert reference(Followed()).rests_on is None


def test_it_follows_what_is_no_movement_by_a_share_of_the_window() -> None:
    found = stands()
    bear_out(found, 100, 1, count=16)
    assert found.mg == 1_000_000 + 100 * 2 / 16
    bear_out(stands(), 100, 1, count=1)
    quick = stands()
    bear_out(quick, 100, 1, count=1)
    assert quick.mg == 1_000_025, "never by more than a quarter"


@pytest.mark.parametrize(("stability", "slow"), [("settled", 4), ("raw", 2)])
def test_what_may_be_a_piece_that_noise_makes_smaller_is_followed_only_when_it_stays(
    stability: str, slow: int
) -> None:
    found, apart_mg, steps = stands(), 0.4 * UNIT_MG, []
    for n in range(1, slow + 3):
        before = found.mg
        assert before is not None
        newest = spot(n, settled=stability == "settled")
        found.bear_out(apart_mg, before + apart_mg, newest, 4)
        assert found.mg is not None
        steps.append((found.mg - before) / apart_mg)
    assert steps == pytest.approx([1 / 32] * slow + [1 / 4] * 2)
    assert found.remembered()["between"] == slow + 2
    bear_out(found, 0, 9)
    assert found.remembered()["between"] == 0


def test_on_another_plateau_it_lay_between_nothing_yet() -> None:
    found = stands()
    bear_out(found, 0.4 * UNIT_MG, 1)
    found.stand_on(plateau(900_000.0), 0, 4)
    assert found.remembered()["between"] == 0


def test_a_raw_scale_that_does_not_stray_is_followed_slowly_and_one_that_does_quickly() -> None:
    quiet = stands(settled=False)
    bear_out(quiet, 100, 1, count=16)
    assert quiet.mg == 1_000_000 + 100 * 0.5 / 16
    strays = reference(replace(known(), spread_mg2=400.0**2), settled=False)
    bear_out(strays, 100, 1, count=16)
    assert strays.mg is not None
    assert quiet.mg < strays.mg <= 1_000_000 + 100 * 2 / 16


def known() -> Followed:
    return replace(
        Followed(), reference_mg=1_000_000.0, plateau_first=(1, 1), plateau_last=(1, 1), level_us=0
    )


def test_what_a_bin_strays_by_is_learnt_while_it_is_borne_out_and_not_across_a_silence() -> None:
    def strayed(*, silent: bool) -> float:
        found = stands()
        for n in range(1, 8 * LOOKS_MIN):
            if silent and n % 20 == 0:
                found.interrupt()
            bear_out(found, 40, n)
        return found.noise_mg([spot(8 * LOOKS_MIN + 500)], 1)

    assert strayed(silent=False) > strayed(silent=True)


def test_what_was_taken_is_no_straying() -> None:
    found = stands()
    for n in range(1, 4 * LOOKS_MIN):
        bear_out(found, 0, n)
        if n % 20 == 0:
            assert found.mg is not None
            found.stand_on(plateau(found.mg - UNIT_MG), n * MINUTE_US, 4)
    assert found.remembered()["spread_mg2"] == 0


def test_a_mean_of_more_readings_is_known_better_up_to_what_a_moving_mean_is_worth() -> None:
    window = [spot(n, settled=False) for n in range(4)]
    noises = []
    for borne_out in (1, 4, 20, 1_000, 10_000):
        found = reference(replace(known(), borne_out=borne_out), settled=False)
        noises.append(found.noise_mg(window, 4))
    assert noises[0] == pytest.approx(SIGMA_MG * (1 / 4 + 1) ** 0.5)
    assert noises == sorted(noises, reverse=True)
    worth = 2 / (0.5 / 4) + 4 / 2  # what follows by an eighth of a look of four
    assert noises[3] == noises[4] == pytest.approx(SIGMA_MG * (1 / 4 + 1 / worth) ** 0.5)


@pytest.mark.parametrize(
    ("level_us", "spell_us"), [(99 * MINUTE_US, 75 * MINUTE_US), (0, 100 * MINUTE_US)]
)
def test_a_bin_that_strays_is_known_less_well_the_longer_ago_it_was_borne_out(
    level_us: int, spell_us: float
) -> None:
    state = replace(
        known(), level_us=level_us, borne_out=99, spread_mg2=400.0**2, stretch_us=50 * MINUTE_US
    )
    strays, quiet = reference(state), reference(replace(state, spread_mg2=0.0))
    window = [spot(n) for n in range(101)]
    by_chance_mg2 = 2 * SIGMA_MG**2 / (1.5 * 4)
    expected_mg2 = (400**2 - by_chance_mg2) * spell_us / (50 * MINUTE_US)
    found_mg2 = strays.noise_mg(window, 4) ** 2 - quiet.noise_mg(window, 4) ** 2
    assert found_mg2 == pytest.approx(expected_mg2)


def test_what_a_new_plateau_strays_by_at_first_is_noise() -> None:
    found = stands(count=4)
    bear_out(found, 10, 1)
    assert found.remembered()["stretch"] is None
    bear_out(found, 10, 2)
    assert found.remembered()["stretch"] is not None


def test_how_sure_it_is_rests_on_no_more_readings_than_there_were() -> None:
    assert reference(replace(known(), borne_out=0)).averaged(4) == 1
    assert reference(replace(known(), borne_out=3)).averaged(4) == 3
    assert reference(replace(known(), borne_out=99)).averaged(4) == 6
    assert reference(replace(known(), borne_out=99)).averaged(20) == 20


def test_beside_a_count_it_parts_from_what_was_shown_and_may_go_back_to_it() -> None:
    found = stands()
    found.part_from(900_000.0)
    assert (found.mg, found.seen_mg) == (900_000.0, 1_000_000.0)
    found.go_back()
    assert (found.mg, found.seen_mg) == (1_000_000.0, 1_000_000.0)
    bear_out(found, 0, 1)
    assert found.seen_mg is None, "it is the weight of the level again"
    found.part_from(900_000.0)
    found.stand_on(plateau(900_000.0), 0, 4)
    assert found.seen_mg is None


def test_what_is_no_movement_away_is_not_elsewhere() -> None:
    found = stands()
    assert not found.is_elsewhere(1_002_900)
    assert found.is_elsewhere(1_003_000)
    assert found.is_elsewhere(997_000)
    assert not found.is_elsewhere(None)
    assert not reference(Followed()).is_elsewhere(1_000_000)
    found.drift_to(1_003_000.0)
    assert not found.is_elsewhere(1_003_000)


def test_what_is_remembered_is_all_there_is() -> None:
    one = stands()
    for n in range(1, 100):
        bear_out(one, n % 7 * 300.0, n)
    one.part_from(990_000.0)
    other = reference(replace(Followed(), **one.remembered()))
    assert other.remembered() == one.remembered()
    for n in range(100, 200):
        for found in (one, other):
            bear_out(found, n % 5 * 300.0, n)
    assert other.remembered() == one.remembered()
