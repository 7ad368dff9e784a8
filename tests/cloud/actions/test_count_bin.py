"""A count, and what whoever follows the bin makes of it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.count_bin import Asked, count_bin
from cloud.core.refusals import CountImpossible, CountTooOld, NounUnknown
from cloud.postgres import asking, movements
from tests.cloud import ingest_cases as cases
from tests.cloud.follow_cases import NOW, batches, follow

STILL = [480] * 30


@pytest.fixture
def portal(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        yield conn


def count(portal: psycopg.Connection, pieces: int, minute: int, code: str) -> int | None:
    at = cases.NOW + timedelta(minutes=minute)
    asked = Asked(kind="cycle", pieces=pieces, counted_at=at, because="its turn")
    with portal.transaction():
        asking.as_operations(portal, "ops@plant.test")
        return count_bin(portal, code, asked, "ops@plant.test", NOW).pieces


def code_of(jobs: psycopg.Connection, bin_id: int) -> str:
    row = jobs.execute("SELECT code FROM bins WHERE bin_id = %s", (bin_id,)).fetchone()
    assert row is not None
    return str(row[0])


def test_the_level_is_what_was_counted_and_the_difference_no_usage(
    come: Any, jobs: psycopg.Connection, portal: psycopg.Connection, bin_id: int
) -> None:
    come(batches(STILL, 30))
    follow(jobs)
    assert count(portal, 471, 20, code_of(jobs, bin_id)) == 9
    follow(jobs)
    level = jobs.execute("SELECT pieces FROM bin_levels WHERE bin_id = %s", (bin_id,)).fetchone()
    assert level == (471,)
    with portal.transaction():
        asking.as_operations(portal, "ops@plant.test")
        correction, opening = movements.listed(portal, bin_id, 10)
    assert (correction.kind, correction.pieces, opening.kind) == ("correction", -9, "opening")
    assert correction.because == "its turn"


def test_what_was_counted_before_something_was_taken_is_refused_with_what_it_was(
    come: Any, jobs: psycopg.Connection, portal: psycopg.Connection, bin_id: int
) -> None:
    come(batches([480] * 10 + [455] * 10, 20))
    follow(jobs)
    with pytest.raises(CountTooOld) as refused:
        count(portal, 480, 5, code_of(jobs, bin_id))
    (moved,) = refused.value.moved
    assert moved.startswith("usage of 25 at ")
    assert count(portal, 455, 15, code_of(jobs, bin_id)) == 0


def test_more_than_twice_the_capacity_was_not_counted(
    come: Any, jobs: psycopg.Connection, portal: psycopg.Connection, bin_id: int
) -> None:
    come(batches(STILL, 30))
    follow(jobs)
    with pytest.raises(CountImpossible):
        count(portal, 1_000_000, 20, code_of(jobs, bin_id))
    with pytest.raises(NounUnknown):
        count(portal, 1, 20, "NO-SUCH-BIN")
