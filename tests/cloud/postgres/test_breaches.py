from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.core.breaches import Breach, Dwell, Watch
from cloud.postgres import breaches

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOW = Breach(opened_at=NOON, opened_pieces=480, lowest_pieces=480)


def test_a_breach_is_found_while_it_is_open(shelf: Any, conn: psycopg.Connection) -> None:
    assert breaches.find_open(conn, shelf.bin_id) is None
    breach_id = breaches.insert(conn, shelf.bin_id, LOW)
    breaches.save_lowest(conn, breach_id, 412)
    found = breaches.find_open(conn, shelf.bin_id)
    assert found is not None
    assert (found.breach_id, found.breach.lowest_pieces) == (breach_id, 412)
    breaches.close(conn, breach_id, 1_900, NOON + timedelta(hours=1))
    assert breaches.find_open(conn, shelf.bin_id) is None


def test_the_database_holds_that_a_bin_has_one_open_breach(
    shelf: Any, conn: psycopg.Connection
) -> None:
    breaches.insert(conn, shelf.bin_id, LOW)
    with pytest.raises(psycopg.errors.UniqueViolation):
        breaches.insert(conn, shelf.bin_id, LOW)


def test_every_breach_has_the_number_of_its_cycle(shelf: Any, conn: psycopg.Connection) -> None:
    for cycle in (1, 2, 3):
        assert breaches.cycle_of(conn, shelf.bin_id) == cycle
        breach_id = breaches.insert(conn, shelf.bin_id, LOW)
        watched = breaches.watch_of(conn, shelf.bin_id)
        assert (watched.breach_id, watched.watch.cycle, watched.watch.breach) == (
            breach_id,
            cycle,
            LOW,
        )
        assert breaches.cycle_of(conn, shelf.bin_id) == cycle
        breaches.close(conn, breach_id, 1_900, NOON)


def test_how_far_a_bin_is_on_its_way_to_low_is_remembered(
    shelf: Any, conn: psycopg.Connection
) -> None:
    assert breaches.watch_of(conn, shelf.bin_id).watch == Watch()
    watch = Watch(seen_at=NOON, low_since=NOON, low_levels=2)
    for _ in range(2):
        breaches.save_watch(conn, shelf.bin_id, watch)
        assert breaches.watch_of(conn, shelf.bin_id).watch == watch


def test_a_bin_dwells_as_it_is_told_and_by_default_not_at_all(
    shelf: Any, conn: psycopg.Connection
) -> None:
    assert breaches.dwell_of(conn, shelf.bin_id) == Dwell()
    shelf.admin.execute(
        "INSERT INTO bin_policies (bin_id, dwell_s, dwell_levels) VALUES (%s, 60, 3)",
        (shelf.bin_id,),
    )
    assert breaches.dwell_of(conn, shelf.bin_id) == Dwell(seconds=60, levels=3)
