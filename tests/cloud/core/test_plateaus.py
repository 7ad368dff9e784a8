"""Series of raw weights, with the movements that are in them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloud.core.levels import Calibration
from cloud.core.movements import Rules, Seen, follow

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
