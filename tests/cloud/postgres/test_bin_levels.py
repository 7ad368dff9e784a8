from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from cloud.core.followed import Doubt, Doubting, to_us
from cloud.postgres import bin_levels
from cloud.postgres.bin_levels import BinLevel, BorneOut

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def of(shelf: Any, at: datetime, pieces: int, *doubts: Doubt) -> BinLevel:
    return BinLevel(
        shelf.bin_id, pieces, 0.1, True, at, NOON, 0, doubts, at, None, None  # noqa: FBT003
    )  # fmt: skip


def test_open_pages_hear_of_what_they_would_show_and_of_nothing_else(
    shelf: Any, conn: psycopg.Connection
) -> None:
    def xid() -> object:
        (row,) = shelf.rows("bin_levels")
        return row["changed_xid"]

    bin_levels.save(conn, [of(shelf, NOON, 400)])
    first = xid()
    bin_levels.save(conn, [of(shelf, NOON + timedelta(minutes=1), 400)])
    assert xid() == first
    bin_levels.save(conn, [of(shelf, NOON + timedelta(minutes=2), 399)])
    second = xid()
    assert second != first
    doubt = Doubt(Doubting.STUCK, "It says the same again and again.")
    bin_levels.save(conn, [of(shelf, NOON + timedelta(minutes=3), 399, doubt)])
    assert xid() != second
    (row,) = shelf.rows("bin_levels")
    assert bin_levels.doubts_of(row["doubts"]) == (doubt,)
    assert row["followed_at"] == NOON + timedelta(minutes=3)


def test_what_is_used_a_day_is_known_when_a_day_of_it_is(
    shelf: Any, conn: psycopg.Connection
) -> None:
    assert bin_levels.usage_of(conn, shelf.bin_id) is None
    bin_levels.save(conn, [of(shelf, NOON, 400)])
    assert bin_levels.usage_of(conn, shelf.bin_id) is None
    shelf.admin.execute("UPDATE bin_levels SET usage_per_day = NULL, usage_days = 0")
    assert bin_levels.usage_of(conn, shelf.bin_id) is None
    shelf.admin.execute("UPDATE bin_levels SET usage_per_day = 2.5, usage_days = 4")
    assert bin_levels.usage_of(conn, shelf.bin_id) == (2.5, 4)


def test_what_is_borne_out_moves_its_times_and_is_no_news(
    shelf: Any, conn: psycopg.Connection
) -> None:
    later = NOON + timedelta(minutes=1)
    borne_out = BorneOut(shelf.bin_id, 0.25, to_us(later), to_us(NOON), to_us(later))
    shelf.admin.execute("DELETE FROM bin_levels")
    assert not bin_levels.bear_out(conn, [borne_out]), "nothing is there yet"
    bin_levels.save(conn, [of(shelf, NOON, 400)])
    (before,) = shelf.rows("bin_levels")
    assert bin_levels.bear_out(conn, [borne_out])
    assert bin_levels.bear_out(conn, [])
    (after,) = shelf.rows("bin_levels")
    assert after == before | {
        "sd_pieces": 0.25,
        "level_at": later,
        "plateau_since": NOON,
        "followed_at": later,
        "settles_at": None,
    }
