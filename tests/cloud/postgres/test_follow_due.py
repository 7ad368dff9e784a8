from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from cloud.postgres import follow_due
from cloud.postgres.follow_due import Due

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_what_ingest_says_by_the_sensor_is_told_by_the_bin_from_the_earliest_on(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("DELETE FROM bin_follow")
    at_ms = int(NOON.timestamp() * 1000)
    with database.connect("binline_ingest") as ingest:
        follow_due.mark_due(ingest, {shelf.sensor_id: at_ms + 60_000})
        follow_due.mark_due(ingest, {shelf.sensor_id: at_ms, 9_999: 1})
        follow_due.mark_due(ingest, {})
    assert follow_due.spread(conn) == 2
    assert follow_due.spread(conn) == 0
    assert follow_due.take(conn, 10, [shelf.bin_id], NOON) == []
    assert follow_due.take(conn, 10, [], NOON) == [Due(shelf.bin_id, NOON)]
    assert follow_due.take(conn, 10, [], NOON) == []


def test_what_is_given_back_waits_from_the_earliest_on(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("DELETE FROM bin_follow")
    follow_due.give_back(conn, [Due(shelf.bin_id, NOON)])
    follow_due.give_back(conn, [Due(shelf.bin_id, None)])
    follow_due.give_back(conn, [Due(shelf.bin_id, NOON + timedelta(hours=1))])
    assert follow_due.take(conn, 10, [], NOON) == [Due(shelf.bin_id, NOON)]


def test_what_is_new_waits_its_turn_and_what_is_old_comes_after_it_the_freshest_first(
    make_shelf: Any, conn: psycopg.Connection
) -> None:
    shelves = [make_shelf(f"B-{number}") for number in range(5)]
    shelves[0].admin.execute("DELETE FROM bin_follow")
    hours = (-9, -1, 3, 2, None)  # before and after what counts as new; None: only to settle
    waiting = [
        Due(shelf.bin_id, None if hour is None else NOON + timedelta(hours=hour))
        for shelf, hour in zip(shelves, hours, strict=True)
    ]
    follow_due.give_back(conn, waiting)
    taken = [follow_due.take(conn, 1, [], NOON)[0] for _ in waiting]
    assert [shelves.index(s) for one in taken for s in shelves if s.bin_id == one.bin_id] == [
        4, 3, 2, 1, 0,
    ]  # fmt: skip


def test_a_corrected_reading_is_due_where_it_was_and_where_it_comes_to(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(400, NOON)
    shelf.admin.execute("DELETE FROM follow_due")
    shelf.admin.execute("DELETE FROM bin_follow")
    earlier = NOON - timedelta(hours=1)
    shelf.admin.execute("UPDATE readings SET corrected_at = %s", (earlier,))
    follow_due.spread(conn)
    assert follow_due.take(conn, 10, [], NOON) == [Due(shelf.bin_id, earlier)]


def test_of_a_bin_that_is_gone_nothing_waits(shelf: Any, conn: psycopg.Connection) -> None:
    follow_due.give_back(conn, [Due(shelf.bin_id, NOON)])
    waiting = "SELECT count(*) FROM bin_follow WHERE bin_id = %s"
    assert conn.execute(waiting, (shelf.bin_id,)).fetchone() == (1,)
    shelf.admin.execute("UPDATE sensors SET bin_id = NULL")
    shelf.admin.execute("DELETE FROM bin_state")
    shelf.admin.execute("DELETE FROM bins WHERE bin_id = %s", (shelf.bin_id,))
    assert conn.execute(waiting, (shelf.bin_id,)).fetchone() == (0,)


def test_what_time_alone_decides_is_due_when_it_does(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.weigh(400, NOON)
    shelf.admin.execute("UPDATE bin_levels SET settles_at = %s", (NOON + timedelta(minutes=2),))
    shelf.admin.execute("DELETE FROM bin_follow")
    follow_due.mark_settling(conn, NOON + timedelta(seconds=119))
    assert follow_due.take(conn, 10, [], NOON) == []
    follow_due.mark_settling(conn, NOON + timedelta(seconds=120))
    follow_due.mark_settling(conn, NOON + timedelta(seconds=121))
    assert follow_due.take(conn, 10, [], NOON) == [Due(shelf.bin_id, None)]


def test_without_what_is_refused_a_bin_is_followed_from_the_last_reading_before_it(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(400, NOON)
    (twin,) = shelf.admin.execute(
        "INSERT INTO streams (gateway_id, stream, first_heard_at) SELECT gateway_id,"
        " gen_random_uuid(), now() FROM streams RETURNING stream_no"
    ).fetchone()
    for minute in (1, 2):
        shelf.weigh(300, NOON + timedelta(minutes=minute), stream_no=twin)
    gateway_id, stream = shelf.admin.execute(
        "SELECT gateway_id, stream FROM streams WHERE stream_no = %s", (twin,)
    ).fetchone()
    shelf.admin.execute("UPDATE streams SET refused = true WHERE stream_no = %s", (twin,))
    shelf.admin.execute("DELETE FROM follow_due")
    shelf.admin.execute("DELETE FROM bin_follow")
    follow_due.without_refused(conn, gateway_id, [stream])
    assert follow_due.take(conn, 10, [], NOON) == [Due(shelf.bin_id, NOON)]
