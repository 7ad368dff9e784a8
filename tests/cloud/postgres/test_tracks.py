from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from cloud.postgres import tracks

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_who_does_not_wait_gets_what_nobody_holds(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    now = tracks.now_of(conn, [shelf.bin_id])
    assert tracks.lock(conn, now, wait=False) == {}, "nothing is remembered yet"
    assert tracks.lock(conn, now).keys() == {shelf.bin_id}
    with database.connect("binline_jobs") as other:
        assert tracks.lock(other, now, wait=False).keys() == {shelf.bin_id}
        assert tracks.lock(conn, now, wait=False) == {}


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
