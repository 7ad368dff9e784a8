import pytest

from cloud.core.followed import Followed
from cloud.core.wander import LOOKS_MIN, Wander

MINUTE_US = 60_000_000


def strayed(by_mg: float, stretches: int = 40) -> Wander:
    wander = Wander(Followed())
    for n in range(LOOKS_MIN * stretches + 1):
        wander.stay(n * MINUTE_US, by_mg * (n // LOOKS_MIN), LOOKS_MIN)
    return wander


def test_a_bin_is_quiet_until_it_has_shown_otherwise() -> None:
    assert Wander(Followed()).within_mg(MINUTE_US, 0) == 0
    assert strayed(0).within_mg(MINUTE_US, 0) == 0


def test_what_a_stretch_strays_is_learnt_and_grows_with_the_root_of_time() -> None:
    wander = strayed(300)
    stretch_us = LOOKS_MIN * MINUTE_US
    assert wander.within_mg(stretch_us, 0) == pytest.approx(300, rel=0.02)
    assert wander.within_mg(4 * stretch_us, 0) == pytest.approx(600, rel=0.02)
    assert wander.per_look_mg(LOOKS_MIN, 0) == pytest.approx(300 / LOOKS_MIN**0.5, rel=0.02)


def test_what_noise_alone_makes_is_no_straying() -> None:
    wander = strayed(300)
    assert wander.within_mg(MINUTE_US, 300**2) == 0
    assert wander.per_look_mg(LOOKS_MIN, 300**2) == 0


def test_what_was_taken_is_no_straying() -> None:
    wander = Wander(Followed())
    for n in range(10 * LOOKS_MIN):
        if n % 20 == 19:
            wander.move(-7_300)
        wander.stay(n * MINUTE_US, -7_300 * ((n + 1) // 20), LOOKS_MIN)
    assert wander.within_mg(MINUTE_US, 0) == 0


def test_no_stretch_goes_across_a_silence() -> None:
    wander = Wander(Followed())
    for n in range(10 * LOOKS_MIN):
        if n % 20 == 0:
            wander.interrupt()
        wander.stay(n * MINUTE_US, 1_000.0 * (n // 20), LOOKS_MIN)
    assert wander.within_mg(MINUTE_US, 0) == 0


def test_what_is_remembered_is_all_there_is() -> None:
    one = strayed(300)
    other = Wander(Followed(**one.remembered()))
    for n in range(2 * LOOKS_MIN):
        one.stay(10**12 + n, n * 10.0, LOOKS_MIN)
        other.stay(10**12 + n, n * 10.0, LOOKS_MIN)
    assert one.remembered() == other.remembered()
