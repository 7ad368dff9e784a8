from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from cloud.core.followed import to_us
from cloud.core.following import Counted
from cloud.postgres import counts, news, timescale
from cloud.postgres.counts import NewCount
from cloud.postgres.news import Since
from cloud.postgres.timescale import Store
from tests.cloud.conftest import TARE_MG

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_readings_come_in_the_order_of_their_corrected_time(
    shelf: Any, conn: psycopg.Connection
) -> None:
    for minute in (3, 1, 2):
        shelf.weigh(400 + minute, NOON + timedelta(minutes=minute))
    shelf.admin.execute(
        "UPDATE readings SET corrected_at = %s WHERE measured_at = %s",
        (NOON + timedelta(minutes=9), NOON + timedelta(minutes=1)),
    )
    all_of_it = Since(shelf.sensor_id, to_us(NOON))
    found = news.seen(conn, [all_of_it], 10)[shelf.sensor_id]
    assert [one.at for one in found] == [NOON + timedelta(minutes=m) for m in (2, 3, 9)]
    assert len(news.seen(conn, [all_of_it], 2)[shelf.sensor_id]) == 2
    assert news.seen(conn, [], 10) == {}


def test_what_comes_after_a_reading_is_neither_itself_nor_left_out_for_its_time(
    shelf: Any, conn: psycopg.Connection
) -> None:
    for minute in (0, 1, 2):
        shelf.weigh(400 + minute, NOON + timedelta(minutes=minute))
    shelf.admin.execute(
        "UPDATE readings SET measured_at = %s, seq = 100 + extract(minute FROM measured_at)",
        (NOON,),
    )
    first, second, third = news.seen(conn, [Since(shelf.sensor_id, to_us(NOON))], 10)[
        shelf.sensor_id
    ]
    for last, rest in ((first, [second, third]), (second, [third]), (third, [])):
        place = Since(shelf.sensor_id, to_us(last.at), last.stream_no, last.seq)
        assert news.seen(conn, [place], 10) == {shelf.sensor_id: rest}


def test_the_plain_question_is_asked_only_where_it_tells_all(
    shelf: Any, conn: psycopg.Connection
) -> None:
    """Of one week, and of nothing corrected; whatever else is there is asked for as ever."""
    now = datetime.now(UTC)
    if timescale.store_of(shelf.admin) is Store.WEEKS:
        shelf.admin.execute("SELECT readings_make_week(%s)", (now,))
    all_of_it = [Since(shelf.sensor_id, to_us(now - timedelta(days=60)))]
    times = [now - timedelta(days=40), now - timedelta(minutes=5), now]

    def found() -> list[datetime]:
        return sorted(one.at for one in news.seen(conn, all_of_it, 10)[shelf.sensor_id])

    for at in times:
        shelf.weigh(400, at)
    assert found() == times
    shelf.weigh(401, now + timedelta(days=30))
    assert found() == [*times, now + timedelta(days=30)]
    shelf.admin.execute("DELETE FROM readings WHERE measured_at > %s", (now,))
    shelf.admin.execute(
        "UPDATE readings SET corrected_at = %s WHERE measured_at = %s",
        (now - timedelta(days=1), times[0]),
    )
    assert found() == [now - timedelta(days=1), *times[1:]]


def test_what_a_refused_machine_said_is_not_of_this_bin(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(400, NOON)
    shelf.admin.execute(
        "UPDATE streams SET refused = true WHERE stream_no = %s", (shelf.stream_no,)
    )
    assert news.seen(conn, [Since(shelf.sensor_id, to_us(NOON))], 10) == {shelf.sensor_id: []}


def test_counts_come_after_a_time_and_only_of_what_lies_in_the_bin(
    shelf: Any, conn: psycopg.Connection
) -> None:
    item_id = counts.item_of(shelf.admin, shelf.bin_id)
    for minute, kind in ((2, "tare"), (0, "audit"), (1, "cycle")):
        at = NOON + timedelta(minutes=minute)
        count = NewCount(
            bin_id=shelf.bin_id,
            item_id=item_id,
            kind=kind,
            pieces=100 + minute,
            counted_at=at,
            by="ada",
            because="Ada counted.",
            level_pieces=None,
        )
        counts.insert(shelf.admin, count, at)
    found = news.counts_after(conn, [(shelf.bin_id, item_id, to_us(NOON))])
    assert found == {
        shelf.bin_id: [
            Counted(NOON + timedelta(minutes=1), 101, "Ada counted."),
            Counted(NOON + timedelta(minutes=2), 102, "Ada counted.", is_seen=False),
        ]
    }
    assert news.counts_after(conn, [(shelf.bin_id, item_id + 1, to_us(NOON))]) == {}
    assert news.counts_after(conn, []) == {}


def test_what_the_empty_bin_weighed_is_told_with_its_times(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("UPDATE bins SET tare_mg = tare_mg + 5_000")
    (first, tare_mg), *later = news.tares_of(conn, shelf.bin_id)
    assert (tare_mg, [tare for _, tare in later]) == (TARE_MG, [TARE_MG + 5_000])
    assert all(at > first for at, _ in later)
