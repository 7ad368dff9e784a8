from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.core.ranges import Range
from cloud.core.taking import Entry
from cloud.postgres import ledger, streams
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, STREAM


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        streams.lock(conn, {(1, UUID(STREAM)): 0}, NOW)
        conn.commit()
        yield conn


def entry(first: int, last: int) -> Entry:
    return Entry(1, Range(first, last), first)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=8),
    wanted=st.tuples(st.integers(1, 40), st.integers(0, 10)),
)
def test_an_overlap_is_found_wherever_it_is(
    conn: psycopg.Connection, steps: list[tuple[int, int]], wanted: tuple[int, int]
) -> None:
    entries, after = [], 0
    for skip, more in steps:
        first = after + 1 + skip
        after = first + more
        entries.append(entry(first, after))
    asked = Range(wanted[0], sum(wanted))
    with conn.transaction(force_rollback=True):
        ledger.insert(conn, entries, NOW)
        found = ledger.overlapping_one(conn, [(1, asked)])
        all_of_them = ledger.overlapping_all(conn, 1, asked)
    true = [one.range for one in entries if one.range.overlaps(asked)]
    assert [one.range for one in all_of_them] == true
    assert bool(found) == bool(true)
    if found:
        assert found[0].range in true


def test_a_range_that_is_there_already_is_a_defect(conn: psycopg.Connection) -> None:
    ledger.insert(conn, [entry(1, 5)], NOW)
    with pytest.raises(AssertionError):
        ledger.insert(conn, [entry(1, 9)], NOW)


def test_what_lies_beyond_comes_lowest_first(conn: psycopg.Connection) -> None:
    ledger.insert(conn, [entry(21, 30), entry(1, 5), entry(11, 20)], NOW)
    assert ledger.beyond(conn, [(1, 5)]) == {1: [Range(11, 20), Range(21, 30)]}
    assert ledger.beyond(conn, [(1, 30)]) == {1: []}
