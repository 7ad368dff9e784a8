from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.followed import Followed, MovementKind, Rules, Seen
from cloud.core.following import (
    FEED_MAX,
    Counted,
    carried_over,
    catch_up,
    catch_up_through,
    compare,
    is_a_piece,
    pieces_at,
    restated,
)
from cloud.core.levels import Calibration

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TARE_MG, PIECE_UG = 350_000, 4_200_000
RULES = Rules(
    calibration=Calibration(tare_mg=TARE_MG, unit_weight_ug=PIECE_UG),
    interval_s=60,
    refill_pieces=100,
)


def seen(story: Sequence[int], step_s: int = 60) -> list[Seen]:
    return [
        Seen(
            at=NOON + timedelta(seconds=step_s * n),
            stream_no=1,
            seq=n + 1,
            weight_mg=TARE_MG + pieces * PIECE_UG // 1000,
            condition=None,
            stability=0,
            quality=0,
            clock_trusted=True,
        )
        for n, pieces in enumerate(story)
    ]


def levels() -> st.SearchStrategy[list[int]]:
    """Levels that hold for some readings each."""
    plateau = st.tuples(st.integers(0, 400), st.integers(1, 6))
    return st.lists(plateau, min_size=1, max_size=8).map(
        lambda told: [pieces for pieces, times in told for _ in range(times)]
    )


def broken(story: Sequence[int], conditions: Sequence[str | None]) -> list[Seen]:
    """The same, where the scale now and then says nothing, or is silent without a word."""
    told = seen(story, step_s=50)
    said = [*conditions, *[None] * len(told)]
    return [
        one if what is None else one._replace(weight_mg=None, condition=what)
        for one, what in zip(told, said, strict=False)
        if what != "mute"
    ]


def conditions() -> st.SearchStrategy[list[str | None]]:
    what = st.sampled_from([None, None, "silent", "unstable", "mute"])
    spell = st.tuples(what, st.integers(1, 6))
    return st.lists(spell, max_size=8).map(lambda told: [one for one, n in told for _ in range(n)])


def counts() -> st.SearchStrategy[list[Counted]]:
    at = st.integers(0, 40 * 60).map(lambda s: NOON + timedelta(seconds=s))
    one = st.tuples(at, st.integers(0, 400)).map(lambda c: Counted(c[0], c[1], "by hand"))
    return st.lists(one, max_size=3, unique_by=lambda c: c.at).map(sorted)


@given(story=levels(), counted=counts(), cut=st.integers(0, 40))
def test_it_does_not_matter_when_somebody_looked(
    story: list[int], counted: list[Counted], cut: int
) -> None:
    readings = seen(story)
    at_once = catch_up(None, readings, counted, RULES)
    until = readings[cut].at if cut < len(readings) else NOON + timedelta(days=1)
    first = catch_up(None, readings[:cut], [one for one in counted if one.at <= until], RULES)
    rest = catch_up(
        first.state, readings[cut:], [one for one in counted if one.at > until], RULES, first.fed
    )
    assert [*first.movements, *rest.movements] == at_once.movements
    assert rest.state == at_once.state


@given(story=levels(), said=conditions(), counted=counts(), cut=st.integers(0, 40))
def test_nor_when_the_scale_was_blind(
    story: list[int], said: list[str | None], counted: list[Counted], cut: int
) -> None:
    readings = broken(story, said)
    at_once = catch_up(None, readings, counted, RULES)
    until = readings[cut].at if cut < len(readings) else NOON + timedelta(days=1)
    first = catch_up(None, readings[:cut], [one for one in counted if one.at <= until], RULES)
    kept = Followed.from_json(first.state.to_json())
    late = [one for one in counted if one.at > until]
    rest = catch_up(kept, readings[cut:], late, RULES, first.fed)
    assert [*first.movements, *rest.movements] == at_once.movements
    assert rest.state == at_once.state
    happened = [one.event_at for one in at_once.movements]
    assert happened == sorted(happened), "each where its time is"
    assert sum(one.pieces for one in at_once.movements) == (at_once.state.pieces or 0)


def test_another_weight_of_the_empty_bin_tells_nothing_of_what_moved_meanwhile() -> None:
    counted = Counted(NOON + timedelta(minutes=6), 310, "another tare", is_seen=False)
    readings = seen([300] * 3 + [280] * 9)
    blind = [*readings[:3], *readings[8:]]
    assert catch_up(None, blind, [counted], RULES).state.pieces == 290
    assert catch_up(None, blind, [counted._replace(is_seen=True)], RULES).state.pieces == 280


@given(story=levels(), counted=counts())
def test_movements_sum_up_to_the_level_and_none_begins_elsewhere_than_the_last_ended(
    story: list[int], counted: list[Counted]
) -> None:
    caught = catch_up(None, seen(story), counted, RULES)
    pieces = 0
    for moved in caught.movements:
        assert moved.before_pieces == pieces
        pieces = moved.after_pieces
        assert moved.pieces == moved.after_pieces - moved.before_pieces
        assert pieces >= 0
    assert pieces == (caught.state.pieces or 0)


def test_checkpoints_lie_apart_and_following_from_one_comes_to_the_same() -> None:
    story = [300 - n // 50 for n in range(2 * FEED_MAX + 50)]
    readings = seen(story, step_s=10)
    caught = catch_up(None, readings, [], RULES)
    assert len(caught.checkpoints) == 2
    for at, state in caught.checkpoints:
        assert Followed.from_json(state.to_json()) == state
        again = catch_up(state, [one for one in readings if one.at > at], [], RULES)
        assert again.state == caught.state
        assert again.movements == [m for m in caught.movements if m.known_at_reading > at]


def test_a_quiet_bin_has_a_checkpoint_a_day() -> None:
    readings = seen([300] * 80, step_s=3_600)
    rules = Rules(calibration=RULES.calibration, interval_s=3_600, refill_pieces=100)
    assert len(catch_up(None, readings, [], rules).checkpoints) == 3


def test_who_looks_at_each_reading_keeps_a_checkpoint_as_often_as_who_looks_at_many() -> None:
    state, fed, checkpoints = None, 0, []
    for reading in seen([300] * (2 * FEED_MAX + 50), step_s=1):
        caught = catch_up(state, [reading], [], RULES, fed)
        assert is_a_piece([reading], fed) == (not caught.checkpoints)
        state, fed = caught.state, caught.fed
        checkpoints += caught.checkpoints
    assert [(kept.last or (0, 0, 0))[2] for _, kept in checkpoints] == [FEED_MAX, 2 * FEED_MAX]


@given(fed=st.integers(FEED_MAX - 6, FEED_MAX), size=st.integers(0, 6), step_h=st.integers(1, 30))
def test_what_is_a_piece_is_followed_without_a_checkpoint(fed: int, size: int, step_h: int) -> None:
    readings = seen([300] * size, step_s=3_600 * step_h)
    rules = Rules(calibration=RULES.calibration, interval_s=3_600, refill_pieces=100)
    if is_a_piece(readings, fed):
        caught = catch_up(None, readings, [], rules, fed)
        assert not caught.checkpoints
        assert caught.fed == fed + size


def test_what_is_told_again_stays_and_what_is_not_is_gone() -> None:
    before = catch_up(None, seen([300] * 3 + [250] * 3 + [200] * 3), [], RULES).movements
    after = catch_up(None, seen([300] * 3 + [240] * 3 + [200] * 3), [], RULES).movements
    told = compare(before, after)
    assert told.gone == [1, 2]
    assert [moved.pieces for moved in told.new] == [-60, -40]
    assert compare(before, before) == ([], [])


@given(story=levels(), unit_ug=st.integers(4_000_000, 4_400_000))
def test_another_unit_weight_moves_no_time_and_invents_nothing(
    story: list[int], unit_ug: int
) -> None:
    movements = catch_up(None, seen(story), [], RULES).movements
    told = restated(movements, Calibration(tare_mg=TARE_MG, unit_weight_ug=unit_ug))
    assert [moved.event_at for moved in told] == [moved.event_at for moved in movements]
    pieces = 0
    for moved in told:
        assert moved.before_pieces == pieces
        pieces = moved.after_pieces
        assert pieces >= 0
    assert told == restated(told, Calibration(tare_mg=TARE_MG, unit_weight_ug=unit_ug))


def test_a_count_by_a_person_outlives_another_unit_weight() -> None:
    counted = [Counted(NOON + timedelta(minutes=3, seconds=30), 290, "by hand")]
    movements = catch_up(None, seen([300] * 6), counted, RULES).movements
    told = restated(movements, Calibration(tare_mg=TARE_MG, unit_weight_ug=4_300_000))
    assert [(moved.kind, moved.after_pieces) for moved in told] == [
        (MovementKind.OPENING, 293),
        (MovementKind.CORRECTION, 290),
    ]


def test_an_opening_where_a_level_was_known_is_a_correction_of_it() -> None:
    (opening,) = catch_up(None, seen([300] * 3), [], RULES).movements
    moved = carried_over(opening, 310, "another scale")
    assert (moved.kind, moved.before_pieces, moved.pieces) == (MovementKind.CORRECTION, 310, -10)


def test_what_is_followed_again_is_told_by_the_tare_of_its_time() -> None:
    """The empty bin became two pieces lighter: what was weighed before it is what it was."""
    told = seen([480] * 10 + [470] * 10)
    changed = NOON + timedelta(minutes=5, seconds=30)
    lighter_mg = TARE_MG - 2 * PIECE_UG // 1_000
    now = replace(RULES, calibration=replace(RULES.calibration, tare_mg=lighter_mg))
    count = Counted(changed, 482, "The empty bin weighs less.", is_seen=False)
    tares = [(NOON - timedelta(days=1), TARE_MG), (changed, lighter_mg)]
    again = catch_up_through(None, told, [count], now, tares=tares)
    assert [one.pieces for one in again.movements] == [480, 2, -10]
    assert again.state.pieces == 472
    assert catch_up_through(None, told, [], now, tares=tares[1:]) == catch_up(None, told, [], now)


def test_the_level_of_a_time_is_what_the_movements_known_by_then_leave_behind() -> None:
    moved = catch_up(None, seen([480, 480, 470, 470, 460]), [], RULES).movements
    minutes = [-1, 0, 1, 2, 3, 4, 5]
    levels_then = [pieces_at(moved, NOON + timedelta(minutes=minute)) for minute in minutes]
    assert levels_then == [None, 480, 480, 470, 470, 460, 460]
