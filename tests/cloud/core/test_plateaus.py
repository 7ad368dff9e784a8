"""Series of raw weights, with the movements that are in them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloud.core.levels import Calibration
from cloud.core.movements import MovementKind, Rules, Seen, follow
from tests.cloud.core.test_movements import CALIBRATION, SCALE, found, levels, said, weighed

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SERIES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "vectors" / "weight_series.json").read_text()
)


def readings(series: dict[str, Any]) -> list[Seen]:
    gaps = dict(series["gaps"])
    at, seen = NOON, []
    for index, decigrams in enumerate(series["decigrams"]):
        at += timedelta(seconds=series["interval_s"] + gaps.get(index, 0))
        seen.append(Seen(at, 1, index + 1, decigrams * 100, None, 2, 0, clock_trusted=True))
    return seen


@pytest.mark.parametrize("series", SERIES, ids=lambda series: series["scenario"])
def test_a_series_of_weights_has_these_movements(series: dict[str, Any]) -> None:
    rules = Rules(
        calibration=Calibration(
            tare_mg=series["tare_mg"],
            unit_weight_ug=series["unit_mg"] * 1000,
            scale_sd_mg=series["sigma_mg"],
        ),
        interval_s=int(series["interval_s"]),
        refill_pieces=50,
    )
    step = follow(None, readings(series), rules)
    opening, *movements = step.movements
    assert opening.pieces == series["start"]
    assert [[one.kind, one.pieces] for one in movements] == [
        event for event in series["events"] if event[0] != "returned"
    ]
    if series["final"] is not None:
        assert step.state.pieces == series["final"]
    if series["flag"] == "absent":
        assert "absent" in [doubt.kind for doubt in step.state.doubts]


def seen_at(n: int, weight_mg: int, *, every_s: int, stability: int) -> Seen:
    at = NOON + timedelta(seconds=n * every_s)
    return Seen(at, 1, n + 1, weight_mg, None, stability, 0, clock_trusted=True)


RULES = Rules(
    calibration=Calibration(tare_mg=412_000, unit_weight_ug=7_300_000),
    interval_s=60,
    refill_pieces=50,
)


def kinds(seen: list[Seen]) -> list[str]:
    return [str(doubt.kind) for doubt in follow(None, seen, RULES).state.doubts]


def test_a_noisy_scale_that_stops_being_noisy_is_stuck_and_recovers_by_itself() -> None:
    weights = [1_142_000 + (n * 37 % 11) * 100 for n in range(200)] + [1_142_300] * 70
    seen = [seen_at(n, weight, every_s=10, stability=2) for n, weight in enumerate(weights)]
    assert kinds(seen[:205]) == []
    assert kinds(seen) == ["stuck"]
    seen.append(seen_at(270, 1_142_400, every_s=10, stability=2))
    assert kinds(seen) == []


def test_an_untouched_bin_on_a_coarse_scale_is_not_accused() -> None:
    """Busy for a day, then a long week end of signs of life that say the same."""
    busy = [1_142_000 - 73_000 * (n // 60) for n in range(600)]
    quiet = [busy[-1]] * 6_000
    seen = [seen_at(n, weight, every_s=60, stability=1) for n, weight in enumerate(busy + quiet)]
    assert kinds(seen) == []


def test_a_settled_scale_that_was_never_so_still_for_a_week_is_stuck_after_it() -> None:
    restless = [1_142_000 + n % 2 * 100 for n in range(600)]
    seen = [
        seen_at(n, weight, every_s=60, stability=1)
        for n, weight in enumerate(restless + [1_142_000] * (8 * 1440))
    ]
    assert kinds(seen[: 600 + 6 * 1440]) == []
    assert kinds(seen) == ["stuck"]


def test_a_scale_at_the_end_of_its_range_books_no_refill() -> None:
    weights = [1_142_000 + (n * 37 % 11) * 100 for n in range(100)] + [1_600_000] * 40
    seen = [seen_at(n, weight, every_s=10, stability=2) for n, weight in enumerate(weights)]
    step = follow(None, seen, RULES)
    assert len(step.movements) == 1
    assert [str(doubt.kind) for doubt in step.state.doubts] == ["suspect"]


def test_a_bin_that_shakes_by_more_than_a_piece_is_not_counted() -> None:
    shakes = [1_142_000 + (-1) ** n * 9_000 for n in range(60)]
    seen = [
        seen_at(n, weight, every_s=10, stability=2)
        for n, weight in enumerate([1_142_000] * 60 + shakes)
    ]
    step = follow(None, seen, RULES)
    assert len(step.movements) == 1
    assert [str(doubt.kind) for doubt in step.state.doubts] == ["suspect"]


def test_usage_is_booked_with_the_first_settled_reading_that_shows_it() -> None:
    state = follow(None, levels(100, 100, 100), SCALE).state
    step = follow(state, [weighed(150, 97, 9, stability=0)], SCALE)
    (movement,) = step.movements
    assert (movement.kind, movement.pieces) == (MovementKind.USAGE, -3)
    assert movement.before is not None
    assert [movement.before.first.seq, movement.before.last.seq] == [1, 3]
    assert [movement.after.first.seq, movement.after.last.seq] == [9, 9]
    assert movement.because == "The bin became lighter by 3 pieces."
    assert step.state.pieces == 97


def test_a_condition_keeps_the_level_and_drops_what_was_not_confirmed() -> None:
    seen = [*levels(100, 100, 200), said(130, "overload", 9), weighed(190, 100, 10)]
    step = follow(None, seen, SCALE)
    assert (step.state.pieces, step.state.unconfirmed, len(step.movements)) == (100, 0, 1)


def test_a_scale_that_says_nothing_of_rest_has_a_level_after_four_readings_that_is_not_exact() -> (
    None
):
    unknown = replace(SCALE, calibration=replace(CALIBRATION, scale_sd_mg=0))
    seen = [weighed(60 * n, 100 + (n % 3 - 1) / 200, n + 1, stability=2) for n in range(12)]
    first = [follow(None, seen[:count], unknown).state for count in range(1, 13)]
    assert [state.pieces for state in first[:5]] == [None, None, None, 100, 100]
    assert not any(state.exact for state in first[:8]), "its noise is not known yet"
    assert first[11].exact
    taken = [*seen[:4], weighed(250, 97, 5, stability=2), weighed(300, 97, 6, stability=2)]
    assert found(taken, unknown) == [("opening", 100)], "and nothing moves by it yet"


def test_what_is_booked_is_no_longer_unconfirmed() -> None:
    state = follow(None, [*levels(100, 100), weighed(150, 97, 9)], SCALE).state
    assert (state.pieces, state.unconfirmed) == (97, 0)


def test_after_unrest_one_weight_alone_moves_nothing_until_it_has_lasted() -> None:
    shaken = [*levels(100, 100), said(90, "unstable", 3)]
    taken = [weighed(120 + 10 * n, 97, 4 + n) for n in range(4)]
    assert found([*shaken, *taken[:3]]) == [("opening", 100)]
    assert found([*shaken, *taken])[1:] == [("usage", -3)]


def test_a_longer_look_is_taken_only_at_the_last_that_waits() -> None:
    """What came before it is gone from the scale: no reading more will tell of it."""
    seen = levels(100, 100, 103.4, 101.4, 101.4)
    (doubt,) = follow(None, seen, SCALE).state.doubts
    assert "which is 3.40 pieces" in doubt.because
    assert follow(None, levels(100, 100, 103.4, 103.4, 103.4), SCALE).state.doubts == ()
