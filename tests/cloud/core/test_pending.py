from dataclasses import replace
from datetime import timedelta

import pytest

from cloud.core.followed import Followed, MovementKind, Plateau, Rules, Seen, to_us
from cloud.core.movements import follow, settle_until
from cloud.core.pending import LULL_US, PENDING_MAX, REVOCABLE_US, Pending, settles_us
from tests.cloud.core.test_movements import (
    CALIBRATION,
    NOON,
    SCALE,
    found,
    held,
    levels,
    weighed,
)

UNIT_MG = 5_000.0
LEAST_MG = 3_000.0
HELD_MG = 1_000_000.0


def at(pieces: float, since_us: int = 0, seq: int = 1) -> Plateau:
    """So many pieces more than the reference."""
    mean_mg = HELD_MG + pieces * UNIT_MG
    return Plateau(since_us, (1, seq), (1, seq), mean_mg, after_absence=False, after_gap=False)


def waiting(*plateaus: Plateau) -> Pending:
    return Pending(Followed(pending=plateaus), UNIT_MG)


def gain(pending: Pending, shown: Plateau, *, anew: bool = False) -> None:
    pending.gain(shown, HELD_MG, least_mg=LEAST_MG, anew=anew)


def more(pending: Pending) -> list[float]:
    return [(one.mean_mg - HELD_MG) / UNIT_MG for one in pending.plateaus]


@pytest.mark.parametrize(
    ("apart_mg", "sigma_mg", "pieces"),
    [(2_900, 10, 0), (3_100, 10, 1), (-15_100, 10, -3), (12_000, 3_000, 0), (13_000, 3_000, 3)],
)
def test_what_is_more_than_noise_and_drift_is_told_in_pieces_at_once(
    apart_mg: float, sigma_mg: float, pieces: int
) -> None:
    pending = Pending(Followed(unconfirmed=9), UNIT_MG)
    pending.expect(apart_mg, sigma_mg)
    assert pending.unconfirmed == pieces


def test_a_gain_waits_two_minutes_and_a_loss_as_long_as_a_lull_may_take() -> None:
    for pieces, wait_us in ((60, REVOCABLE_US), (-3, LULL_US)):
        pending = waiting(at(pieces, since_us=1_000))
        assert not pending.is_due(1_000 + wait_us - 1, HELD_MG)
        assert pending.is_due(1_000 + wait_us, HELD_MG)
        state = Followed(pending=(at(pieces, since_us=1_000),), reference_mg=HELD_MG)
        assert settles_us(state) == 1_000 + wait_us
    assert not waiting().is_due(1 << 62, HELD_MG)
    assert settles_us(Followed(reference_mg=HELD_MG)) is None


def test_what_comes_onto_a_gain_waits_behind_it_and_goes_with_it() -> None:
    pending = waiting()
    gain(pending, at(60, 0, 1))
    gain(pending, at(80, 10, 2))
    gain(pending, at(76, 20, 3))
    assert more(pending) == [60, 80, 76]
    gain(pending, at(60, 30, 4))
    assert more(pending) == [60], "what came after it is gone again"
    (kept,) = pending.plateaus
    assert (kept.since_us, kept.first, kept.last) == (0, (1, 1), (1, 4))


def test_what_waits_follows_what_is_shown_of_it_at_once_only_where_all_of_it_is_new() -> None:
    slow, quick = waiting(at(60)), waiting(at(60))
    gain(slow, at(60.4))
    gain(quick, at(60.4), anew=True)
    assert more(slow) == pytest.approx([60.1])
    assert more(quick) == pytest.approx([60.4])


def test_a_gain_takes_back_what_seemed_lost() -> None:
    pending = waiting(at(-3), at(70))
    gain(pending, at(60))
    assert more(pending) == [70, 60]


def test_of_what_is_lost_within_the_time_of_a_lull_the_last_waits_since_it_came() -> None:
    pending = waiting(at(60))
    pending.lose(at(-3, 10, 2), least_mg=LEAST_MG)
    assert more(pending) == [-3]
    pending.lose(at(-3.1, 20, 3), least_mg=LEAST_MG)
    (kept,) = pending.plateaus
    assert (kept.since_us, kept.first, kept.last) == (10, (1, 2), (1, 3))
    pending.lose(at(-5, 30, 4), least_mg=LEAST_MG)
    assert [one.since_us for one in pending.plateaus] == [30]


def test_no_more_than_a_few_wait() -> None:
    pending = waiting()
    for n in range(PENDING_MAX + 3):
        gain(pending, at(10 + 5 * n, n))
    assert len(pending.plateaus) == PENDING_MAX
    assert more(pending)[-1] == 10 + 5 * (PENDING_MAX + 2)


def test_what_goes_on_waiting_is_told_and_what_is_confirmed_goes_first() -> None:
    pending = waiting(at(60, 0), at(56, 10))
    pending.expect_last(HELD_MG)
    assert pending.unconfirmed == 56
    assert pending.stands(round(HELD_MG + 56.4 * UNIT_MG))
    assert not pending.stands(round(HELD_MG + 56.6 * UNIT_MG))
    assert pending.pop() == at(60, 0)
    assert more(pending) == [56]
    pending.clear()
    pending.expect_last(HELD_MG)
    assert (pending.plateaus, pending.unconfirmed) == ([], 56)
    pending.expect_nothing()
    assert pending.unconfirmed == 0


def test_what_rests_on_a_weight_that_is_not_believed_is_dropped() -> None:
    pending = waiting(at(60), at(80))
    pending.doubt(round(HELD_MG + 80.6 * UNIT_MG))
    assert more(pending) == [60, 80]
    pending.doubt(round(HELD_MG + 80.4 * UNIT_MG))
    assert more(pending) == [60]


def test_what_is_forgotten_is_neither_seen_nor_waits() -> None:
    pending = replace_state(waiting(at(60)), unconfirmed=60)
    pending.forget()
    assert pending.remembered() == {"pending": (), "unconfirmed": 0}


def test_what_is_remembered_is_all_there_is() -> None:
    pending = replace_state(waiting(at(60), at(80)), unconfirmed=80)
    assert replace_state(pending).remembered() == pending.remembered()


def replace_state(pending: Pending, **changes: int) -> Pending:
    state = replace(Followed(**pending.remembered()), **changes)
    return Pending(state, UNIT_MG)


def test_a_gain_is_booked_when_nobody_took_it_back_for_two_minutes() -> None:
    state = follow(None, levels(100, 100, 200), SCALE).state
    assert (state.pieces, state.unconfirmed) == (100, 100)
    early = settle_until(state, NOON + timedelta(seconds=179), SCALE)
    assert early.movements == []
    step = follow(state, [weighed(240, 200, 4)], SCALE)
    (movement,) = step.movements
    assert (movement.kind, movement.pieces) == (MovementKind.REFILL, 100)
    assert movement.event_at == NOON + timedelta(seconds=120)


def test_two_minutes_may_end_between_two_signs_of_life() -> None:
    slow = Rules(calibration=CALIBRATION, interval_s=900, refill_pieces=50)
    state = follow(None, levels(100, 100, 200), slow).state
    before, after = (settle_until(state, NOON + timedelta(seconds=s), slow) for s in (239, 240))
    assert before.movements == []
    assert [one.pieces for one in after.movements] == [100]
    assert follow(after.state, [weighed(1020, 200, 4)], slow).movements == []


def test_what_leans_on_the_bin_is_forgotten_with_it() -> None:
    assert found(levels(100, 100, 420.7, 100, 100, every_s=50)) == [("opening", 100)]


def test_what_is_taken_under_a_leaning_thing_is_still_found() -> None:
    seen = levels(100, 100, 420.7, 97, 97, every_s=50)
    assert found(seen) == [("opening", 100), ("usage", -3)]


def test_usage_after_a_refill_is_told_apart_from_it() -> None:
    seen = levels(100, 100, 200, 196, 196, 196, 196, every_s=50)
    assert found(seen) == [("opening", 100), ("refill", 100), ("usage", -4)]


def test_what_was_only_held_for_two_seconds_is_taken_when_it_lasted_longer_than_a_lull() -> None:
    """Unstable is said after half a minute without rest: until then it may be a lull of it."""
    seen = [*levels(100, 100), held(70, 97, 3)]
    state = follow(None, seen, SCALE).state
    assert (state.pieces, state.unconfirmed, state.exact) == (100, -3, False)
    assert settle_until(state, NOON + timedelta(seconds=109), SCALE).movements == []
    (taken,) = settle_until(state, NOON + timedelta(seconds=111), SCALE).movements
    assert (taken.pieces, taken.event_at) == (-3, NOON + timedelta(seconds=70))
    assert settles_us(state) == to_us(NOON + timedelta(seconds=110))
    (later,) = follow(state, [held(130, 97, 4)], SCALE).movements
    assert (later.pieces, later.event_at) == (-3, taken.event_at)
    assert found([*levels(100, 100), weighed(70, 97, 3)])[1:] == [("usage", -3)]


@pytest.mark.parametrize(
    "then",
    [
        [held(85, 100, 4), held(145, 100, 5)],
        [weighed(100, 0, 4)._replace(weight_mg=None, condition="unstable"), held(110, 100, 5)],
        [held(85, 102, 4), held(100, 100, 5), held(160, 100, 6)],
    ],
)
def test_a_lull_of_something_that_shakes_is_no_use(then: list[Seen]) -> None:
    assert found([*levels(100, 100), held(70, 99, 3), *then]) == [("opening", 100)]


def test_taken_again_within_the_time_of_a_lull_is_taken_once_and_after_it_twice() -> None:
    start = [*levels(100, 100), held(70, 97, 3)]
    assert found([*start, held(80, 95, 4), held(140, 95, 5)])[1:] == [("usage", -5)]
    assert found([*start, held(120, 95, 4), held(180, 95, 5)])[1:] == [
        ("usage", -3),
        ("usage", -2),
    ]
