"""What is pruned, and that a batch that comes again after it is still a repeat."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.take_in import take_in
from cloud.postgres import retention
from tests.cloud import ingest_cases
from tests.cloud.ingest_cases import NOW, arrived, counting, gap, seqs
from tests.cloud.store_cases import TODAY

DAY = timedelta(days=1)
LATER = NOW + 30 * DAY


@pytest.fixture
def admin(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as conn:
        yield conn


def ranges(admin: psycopg.Connection) -> list[tuple[int, int]]:
    return admin.execute("SELECT first_seq, last_seq FROM ledger ORDER BY 1").fetchall()


def prune(database: Any) -> int:
    with database.connect("binline_jobs") as jobs:
        return retention.prune_ledger(jobs, LATER)


def test_what_is_committed_without_a_hole_is_pruned_and_gaps_and_islands_stay(
    database: Any, admin: psycopg.Connection
) -> None:
    ingest_cases.make_site(admin)
    with database.connect("binline_ingest") as ingest:
        said = [counting(1, 10), gap(11, 20), counting(21, 30), counting(41, 50)]
        take_in(ingest, [arrived(one) for one in said], NOW)
    assert prune(database) == 2
    assert ranges(admin) == [(11, 20), (41, 50)]
    assert prune(database) == 0


def test_what_was_committed_this_week_stays(database: Any, admin: psycopg.Connection) -> None:
    ingest_cases.make_site(admin)
    with database.connect("binline_ingest") as ingest:
        take_in(ingest, [arrived(counting(1, 10))], LATER - 6 * DAY)
    assert prune(database) == 0


def test_a_batch_that_comes_again_after_its_entry_was_pruned_is_a_repeat(
    database: Any, admin: psycopg.Connection
) -> None:
    ingest_cases.make_site(admin)
    with database.connect("binline_ingest") as ingest:
        take_in(ingest, [arrived(counting(1, 10)), arrived(counting(11, 20))], NOW)
        ingest.commit()
        prune(database)
        again = take_in(ingest, [arrived(counting(1, 10)), arrived(counting(11, 20))], LATER)
        ingest.commit()
    assert (again.readings, again.repeats, again.letters) == (0, 2, [])
    assert [one.upto for one in again.committed] == [20]
    assert seqs(admin) == list(range(1, 21))
    assert ranges(admin) == []


def test_of_a_batch_that_reaches_over_what_was_pruned_only_the_new_is_stored(
    database: Any, admin: psycopg.Connection
) -> None:
    ingest_cases.make_site(admin)
    with database.connect("binline_ingest") as ingest:
        take_in(ingest, [arrived(counting(1, 10))], NOW)
        ingest.commit()
        prune(database)
        taken = take_in(ingest, [arrived(counting(6, 15))], LATER)
        ingest.commit()
    assert taken.readings == 5
    assert len(taken.letters) == 1
    assert seqs(admin) == list(range(1, 16))


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_pruned_at_any_time_each_reading_is_there_once(database: Any, data: Any) -> None:
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    said, seq = [], 1
    for size in sizes:
        said.append(counting(seq, seq + size - 1))
        seq += size
    order = data.draw(
        st.lists(st.sampled_from([*range(len(said)), None]), min_size=len(said), max_size=14)
    )
    with database.admin() as admin, database.connect("binline_ingest") as ingest:
        admin.execute("TRUNCATE sites, suppliers, items, readings, ledger, gateways CASCADE")
        ingest_cases.make_site(admin)
        for place in [*order, *range(len(said))]:
            if place is None:
                prune(database)
            else:
                taken = take_in(ingest, [arrived(said[place])], NOW)
                ingest.commit()
                assert taken.letters == []
        assert seqs(admin) == list(range(1, seq))


def test_letters_attempts_and_what_was_set_aside_have_an_end(
    database: Any, admin: psycopg.Connection, shelf: Any
) -> None:
    letter = (
        "INSERT INTO dead_letters (received_at, topic, payload, because, settled, settled_at)"
        " VALUES (%s, '', '', %s, %s, %s)"
    )
    admin.execute(letter, (TODAY - 200 * DAY, "unsettled", None, None))
    admin.execute(letter, (TODAY - 200 * DAY, "old", "discarded", TODAY - 100 * DAY))
    admin.execute(letter, (TODAY - 200 * DAY, "fresh", "replayed", TODAY - 10 * DAY))
    with database.connect("binline_jobs") as jobs:
        assert retention.prune_letters(jobs, TODAY) == 1
        assert retention.prune_attempts(jobs, TODAY) == 0
        assert retention.prune_aside(jobs, TODAY) == 0
    left = admin.execute("SELECT because FROM dead_letters ORDER BY 1").fetchall()
    assert left == [("fresh",), ("unsettled",)]
