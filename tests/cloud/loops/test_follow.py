import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.loops.follow import FollowLoop


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def level(shelf: Any) -> int | None:
    rows = [row for row in shelf.rows("bin_levels") if row["bin_id"] == shelf.bin_id]
    return rows[0]["pieces"] if rows else None


def forget_levels(shelf: Any) -> None:
    """The shelf writes a level of its own; here it has to come from the readings."""
    shelf.admin.execute("DELETE FROM bin_levels")


def test_a_round_makes_levels_of_what_was_read(shelf: Any, conn: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    loop = FollowLoop(threading.Event())
    for minute, pieces in enumerate((480, 480, 455)):
        shelf.weigh(pieces, now - timedelta(minutes=3 - minute))
        forget_levels(shelf)
        loop.round(conn)
    assert level(shelf) == 455
    assert [row["kind"] for row in shelf.rows("movements")] == ["opening", "usage"]
    assert shelf.rows("bin_follow") == shelf.rows("follow_due") == []


def test_a_worker_that_begins_without_memory_comes_to_the_same(
    shelf: Any, conn: psycopg.Connection
) -> None:
    now = datetime.now(UTC)
    for minute, pieces in enumerate((480, 480, 455, 455, 430)):
        shelf.weigh(pieces, now - timedelta(minutes=5 - minute))
        FollowLoop(threading.Event()).round(conn)
    assert level(shelf) == 430
    assert [row["pieces"] for row in shelf.rows("movements")] == [480, -25, -25]


def test_a_refill_is_booked_when_two_minutes_are_over_though_nothing_more_is_read(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("UPDATE bins SET interval_s = 900")
    now = datetime.now(UTC)
    loop = FollowLoop(threading.Event())
    shelf.weigh(480, now - timedelta(minutes=5))
    shelf.weigh(1_900, now - timedelta(seconds=119))
    loop.round(conn)
    (known,) = shelf.rows("bin_levels")
    assert (known["pieces"], known["unconfirmed"]) == (480, 1_420)
    assert known["settles_at"] is not None
    shelf.admin.execute("UPDATE bin_levels SET settles_at = now() - interval '1 s'")
    while level(shelf) == 480:  # a second is left of the two minutes
        assert datetime.now(UTC) < now + timedelta(seconds=30)
        loop.round(conn)
    assert level(shelf) == 1_900
    assert shelf.rows("movements")[-1]["kind"] == "refill"


def test_a_bin_that_cannot_be_followed_does_not_hold_up_the_others(
    shelf: Any, make_shelf: Any, conn: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_shelf("HRT-R02-B5")
    shelf.weigh(480)
    FollowLoop(threading.Event()).round(conn)
    shelf.admin.execute(
        "UPDATE bin_tracks SET state = 'no JSON' WHERE bin_id = %s", (shelf.bin_id,)
    )
    shelf.weigh(470)
    other.weigh(300)
    forget_levels(shelf)
    loop = FollowLoop(threading.Event())
    for _ in range(3):
        loop.round(conn)
    assert (level(other), level(shelf)) == (300, None)
    assert [row["bin_id"] for row in shelf.rows("bin_follow")] == [shelf.bin_id]
    told = [record for record in caplog.records if "set aside" in record.getMessage()]
    assert len(told) == 1
