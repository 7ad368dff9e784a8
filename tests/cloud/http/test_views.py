"""What the wall shows of what is known, and that it never shows more than that."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud.http import views
from cloud.postgres.wall import BinRow, GatewayRow

NOW = datetime(2026, 11, 20, 9, 41, 30, tzinfo=UTC)


def row(**differs: object) -> BinRow:
    values: dict[str, object] = {
        "bin_id": 1,
        "code": "A-1",
        "place": "R01-A1",
        "capacity": 1000,
        "minimum": 250,
        "margin": 10,
        "tare_mg": 100_000,
        "interval_s": 60,
        "site_id": 1,
        "site": "Lindau Pumps",
        "site_place": "Plant 2",
        "time_zone": "UTC",
        "sku": "10741",
        "part": "Lock nut M8",
        "supplier_sku": "",
        "unit_weight_ug": 1_000_000,
        "pack": 100,
        "supplier": "Ferro AG",
        "gateway": "lindau-1",
        "presence": "online",
        "twins": False,
        "heard_at": NOW - timedelta(seconds=4),
        "received_at": NOW - timedelta(seconds=3),
        "condition": None,
        "measured_at": NOW - timedelta(seconds=4),
        "weight_mg": 900_000,
        "stability": 0,
        "quality": 0,
        "clock_trusted": True,
        "low_since": None,
        "order_id": None,
        "order_number": None,
        "order_state": None,
        "order_quantity": None,
        "sent_at": None,
        "answered_at": None,
        "measure": "weight",
        "unit_sd_ug": 0,
        "unit_error_ug": 0,
        "scale_sd_mg": 0,
        "pieces": 800,
        "unconfirmed": 0,
        "sd_pieces": 0.1,
        "exact": True,
        "level_at": NOW - timedelta(seconds=4),
        "plateau_since": NOW - timedelta(hours=1),
        "followed_at": NOW - timedelta(seconds=4),
        "doubts": [],
        "zero_error_mg": None,
        "usage_per_day": None,
        "usage_sd": None,
        "usage_days": 0,
    }
    return BinRow(**(values | differs))  # type: ignore[arg-type]


def weighing(pieces: int, **differs: object) -> BinRow:
    return row(weight_mg=100_000 + pieces * 1000, **{"pieces": pieces} | differs)


def gateway(presence: str = "online") -> GatewayRow:
    return GatewayRow(
        name="lindau-1",
        site_id=1,
        presence=presence,
        presence_at=NOW - timedelta(hours=3),
        backlog_batches=0,
    )


def summary(*rows: BinRow, gateways: tuple[GatewayRow, ...] = (gateway(),)) -> views.Summary:
    return views.summary_of(rows, [views.tile_of(each, NOW) for each in rows], gateways)


@pytest.mark.parametrize(
    ("shown", "status", "word"),
    [
        (weighing(800), "ok", "OK"),
        (weighing(250), "low", "Low"),
        (weighing(255, low_since=NOW), "low", "Low"),  # still inside the margin
        (weighing(0), "empty", "Empty"),
        (weighing(800, heard_at=NOW - timedelta(seconds=181)), "stale", "Stale"),
        (weighing(0, heard_at=NOW - timedelta(seconds=181)), "stale", "Stale"),
        (weighing(0, condition="overload"), "stale", "Doubtful"),
        (weighing(800, clock_trusted=False), "stale", "Doubtful"),
        (weighing(800, quality=1), "stale", "Doubtful"),
        (row(weight_mg=20_000), "stale", "Off scale"),
        (row(weight_mg=None, measured_at=None), "stale", "No level"),
        (row(weight_mg=None, measured_at=None, heard_at=None), "stale", "Stale"),
    ],
)
def test_a_number_that_may_not_be_acted_on_is_neither_low_nor_fine(
    shown: BinRow, status: str, word: str
) -> None:
    tile = views.tile_of(shown, NOW)
    assert (tile.status, tile.word) == (status, word)


def test_a_tile_names_the_time_from_which_it_is_stale() -> None:
    tile = views.tile_of(row(), NOW)
    assert tile.stale_ms == int((NOW + timedelta(seconds=176)).timestamp() * 1000)


def test_a_stale_tile_keeps_its_last_number_and_its_age() -> None:
    tile = views.tile_of(weighing(800, heard_at=NOW - timedelta(hours=3)), NOW)
    assert tile.pieces == 800
    assert tile.measured_ms is not None


def test_worst_comes_first_and_then_the_place() -> None:
    rows = [
        weighing(800, code="C", place="R01"),
        weighing(0, code="E", place="R09"),
        weighing(700, code="B", place="R00"),
        weighing(9, code="L", place="R05"),
        weighing(9, code="S", place="R02", heard_at=None),
    ]
    tiles = views.in_wall_order([views.tile_of(each, NOW) for each in rows])
    assert "".join(tile.code for tile in tiles) == "ELSBC"


@pytest.mark.parametrize(
    ("state", "query", "matches"),
    [
        ("", "", True),
        ("low", "", True),
        ("empty", "", True),
        ("ok", "", False),
        ("stale", "", False),
        ("ordered", "", False),
        ("", "LOCK", True),
        ("", "lindau", True),
        ("", "ferro", True),
        ("", "10741", True),
        ("empty", "washer", False),
    ],
)
def test_a_filter_and_a_search_hold_together(state: str, query: str, matches: bool) -> None:  # noqa: FBT001
    tile = views.tile_of(weighing(0), NOW)
    assert views.matches(tile, "Lindau Pumps", state, query) is matches


def test_the_share_above_minimum_counts_only_what_is_known() -> None:
    above = summary(weighing(800), weighing(9), weighing(800, heard_at=None)).figures[0]
    assert (above.value, above.sub) == ("50 %", "1 of 2 fresh readings")


def test_a_hundred_per_cent_is_said_only_when_it_is_all_of_them() -> None:
    rows = [weighing(800)] * 2999 + [weighing(9)]
    assert summary(*rows).figures[0].value == "99.9 %"


def test_without_any_fresh_reading_no_share_is_claimed() -> None:
    assert summary(weighing(800, heard_at=None)).figures[0].value not in ("0 %", "100 %")


def test_the_worst_site_comes_first() -> None:
    groups = summary(
        weighing(800, site_id=1, site="Alpha"), weighing(0, site_id=2, site="Beta")
    ).groups
    assert [group.site for group in groups] == ["Beta", "Alpha"]


def test_who_asks_for_low_is_told_of_empty_ones_too() -> None:
    counts = summary(weighing(0), weighing(9), weighing(800)).counts
    assert (counts["low"], counts["empty"], counts[""]) == (2, 1, 3)


# ------------------------------------------------------------------ what is not measured


def known(**differs: object) -> BinRow:
    values: dict[str, object] = {
        "pieces": 343, "exact": True, "sd_pieces": 0.1, "level_at": NOW - timedelta(days=1),
        "usage_per_day": 40.0, "usage_sd": 10.0, "usage_days": 20,
    }  # fmt: skip
    return row(**(values | differs))


def test_a_level_that_may_be_acted_on_has_no_estimate() -> None:
    tile = views.tile_of(known(), NOW)
    assert (tile.status, tile.estimate, tile.plus_minus) == ("ok", None, None)


def test_a_level_that_is_not_exact_says_by_how_much() -> None:
    assert views.tile_of(known(exact=False, sd_pieces=2.2), NOW).plus_minus == 5


def test_an_untrusted_level_comes_with_a_band_that_does_not_tick() -> None:
    silent = known(heard_at=NOW - timedelta(days=1))
    tile = views.tile_of(silent, NOW)
    assert tile.status == "stale"
    assert tile.estimate is not None
    assert tile.pieces == 343, "the last known level stays what it was"
    assert tile.estimate.low < tile.estimate.pieces < tile.estimate.high <= 344
    assert tile.estimate.text == f"estimate {tile.estimate.low} to {tile.estimate.high}"
    assert tile.fill_permille == tile.estimate.pieces
    assert views.tile_of(silent, NOW + timedelta(seconds=20)).estimate == tile.estimate


def test_without_a_rate_it_may_be_anything_up_to_the_last_level() -> None:
    tile = views.tile_of(known(heard_at=NOW - timedelta(days=1), usage_days=0), NOW)
    assert tile.estimate == views.Guess(pieces=343, low=0, high=343)


def test_where_nothing_was_ever_known_nothing_is_estimated() -> None:
    tile = views.tile_of(known(heard_at=None, pieces=None, level_at=None), NOW)
    assert (tile.pieces, tile.estimate) == (None, None)


def test_what_is_withheld_is_no_level_and_says_so() -> None:
    judgement = views.judged(row(withheld=True, pieces=None, level_at=None), NOW)
    assert not judgement.may_act
    assert judgement.because == "The agreement does not show the supplier what the bins hold."
