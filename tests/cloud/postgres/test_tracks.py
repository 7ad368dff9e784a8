from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.core.followed import to_us
from cloud.postgres import timescale, tracks
from cloud.postgres.timescale import Store
from cloud.postgres.tracks import Due, Since

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def test_what_ingest_says_by_the_sensor_is_told_by_the_bin_from_the_earliest_on(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("DELETE FROM bin_follow")
    at_ms = int(NOON.timestamp() * 1000)
    with database.connect("binline_ingest") as ingest:
        tracks.mark_due(ingest, {shelf.sensor_id: at_ms + 60_000})
        tracks.mark_due(ingest, {shelf.sensor_id: at_ms, 9_999: 1})
        tracks.mark_due(ingest, {})
    assert tracks.spread(conn) == 2
    assert tracks.spread(conn) == 0
    assert tracks.take(conn, 10, [shelf.bin_id], NOON) == []
    assert tracks.take(conn, 10, [], NOON) == [Due(shelf.bin_id, NOON)]
    assert tracks.take(conn, 10, [], NOON) == []


def test_what_is_given_back_waits_from_the_earliest_on(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("DELETE FROM bin_follow")
    tracks.give_back(conn, [Due(shelf.bin_id, NOON)])
    tracks.give_back(conn, [Due(shelf.bin_id, None)])
    tracks.give_back(conn, [Due(shelf.bin_id, NOON + timedelta(hours=1))])
    assert tracks.take(conn, 10, [], NOON) == [Due(shelf.bin_id, NOON)]


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
    tracks.give_back(conn, waiting)
    taken = [tracks.take(conn, 1, [], NOON)[0] for _ in waiting]
    assert [shelves.index(s) for one in taken for s in shelves if s.bin_id == one.bin_id] == [
        4, 3, 2, 1, 0,
    ]  # fmt: skip


def test_who_does_not_wait_gets_what_nobody_holds(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    now = tracks.now_of(conn, [shelf.bin_id])
    assert tracks.lock(conn, now, wait=False) == {}, "nothing is remembered yet"
    assert tracks.lock(conn, now).keys() == {shelf.bin_id}
    with database.connect("binline_jobs") as other:
        assert tracks.lock(other, now, wait=False).keys() == {shelf.bin_id}
        assert tracks.lock(conn, now, wait=False) == {}


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
    found = tracks.seen(conn, [all_of_it], 10)[shelf.sensor_id]
    assert [one.at for one in found] == [NOON + timedelta(minutes=m) for m in (2, 3, 9)]
    assert len(tracks.seen(conn, [all_of_it], 2)[shelf.sensor_id]) == 2
    assert tracks.seen(conn, [], 10) == {}


def test_what_comes_after_a_reading_is_neither_itself_nor_left_out_for_its_time(
    shelf: Any, conn: psycopg.Connection
) -> None:
    for minute in (0, 1, 2):
        shelf.weigh(400 + minute, NOON + timedelta(minutes=minute))
    shelf.admin.execute(
        "UPDATE readings SET measured_at = %s, seq = 100 + extract(minute FROM measured_at)",
        (NOON,),
    )
    first, second, third = tracks.seen(conn, [Since(shelf.sensor_id, to_us(NOON))], 10)[
        shelf.sensor_id
    ]
    for last, rest in ((first, [second, third]), (second, [third]), (third, [])):
        place = Since(shelf.sensor_id, to_us(last.at), last.stream_no, last.seq)
        assert tracks.seen(conn, [place], 10) == {shelf.sensor_id: rest}


def test_a_corrected_reading_is_due_where_it_was_and_where_it_comes_to(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(400, NOON)
    shelf.admin.execute("DELETE FROM follow_due")
    shelf.admin.execute("DELETE FROM bin_follow")
    earlier = NOON - timedelta(hours=1)
    shelf.admin.execute("UPDATE readings SET corrected_at = %s", (earlier,))
    tracks.spread(conn)
    assert tracks.take(conn, 10, [], NOON) == [Due(shelf.bin_id, earlier)]


def test_rules_survive_being_written_down(shelf: Any, conn: psycopg.Connection) -> None:
    now = tracks.now_of(conn, [shelf.bin_id])
    with conn.transaction():
        assert tracks.lock(conn, now) == {shelf.bin_id: 0}
        track = tracks.read(conn, [shelf.bin_id])[shelf.bin_id]
        assert track.rules is now[shelf.bin_id].rules, "one object of all that are equal"
        tracks.save(conn, [track._replace(state="{}", fed=7)])
    kept = track._replace(state="{}", fed=7, version=1)
    assert tracks.read(conn, [shelf.bin_id]) == {shelf.bin_id: kept}
    assert tracks.read(conn, []) == {}


def test_of_old_checkpoints_one_a_day_stays_and_of_very_old_ones_none(
    shelf: Any, conn: psycopg.Connection
) -> None:
    def at(days: float) -> datetime:
        return NOON - timedelta(days=days)

    kept = [at(0.1), at(0.2), at(3.4), at(5)]
    gone = [at(3.2), at(3.3), at(40)]
    tracks.keep_checkpoints(conn, [(shelf.bin_id, when, "{}") for when in kept + gone])
    tracks.prune_checkpoints(conn, at(1), at(35))
    assert [when for when, _ in tracks.checkpoints_of(conn, shelf.bin_id)] == sorted(kept)


def test_whoever_goes_back_takes_the_last_checkpoint_before_and_forgets_the_later_ones(
    shelf: Any, conn: psycopg.Connection
) -> None:
    times = [NOON + timedelta(hours=n) for n in range(3)]
    tracks.keep_checkpoints(conn, [(shelf.bin_id, at, at.isoformat()) for at in times])
    found = tracks.checkpoint_before(conn, shelf.bin_id, times[1], NOON - timedelta(days=1))
    assert found == (times[0], times[0].isoformat())
    assert [at for at, _ in tracks.checkpoints_of(conn, shelf.bin_id)] == [times[0]]
    assert tracks.checkpoint_before(conn, shelf.bin_id, times[1], times[1]) is None


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
        return sorted(one.at for one in tracks.seen(conn, all_of_it, 10)[shelf.sensor_id])

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


def test_of_a_bin_that_is_gone_nothing_waits(shelf: Any, conn: psycopg.Connection) -> None:
    tracks.give_back(conn, [Due(shelf.bin_id, NOON)])
    waiting = "SELECT count(*) FROM bin_follow WHERE bin_id = %s"
    assert conn.execute(waiting, (shelf.bin_id,)).fetchone() == (1,)
    shelf.admin.execute("UPDATE sensors SET bin_id = NULL")
    shelf.admin.execute("DELETE FROM bin_state")
    shelf.admin.execute("DELETE FROM bins WHERE bin_id = %s", (shelf.bin_id,))
    assert conn.execute(waiting, (shelf.bin_id,)).fetchone() == (0,)
