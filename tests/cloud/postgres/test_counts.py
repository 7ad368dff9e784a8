"""Counts as rows: listed newest first, compared where there was something to compare with."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from cloud.postgres import counts
from cloud.postgres.counts import NewCount
from tests.cloud.http.world import World


@pytest.fixture
def admin(database) -> Iterator[psycopg.Connection]:
    world = World(database).settle()
    with database.admin() as conn:
        for ago, kind, level in ((1, "cycle", 90), (2, "audit", None), (3, "correction", 50)):
            at = world.now - timedelta(hours=ago)
            counts.insert(
                conn,
                NewCount(
                    bin_id=1, item_id=counts.item_of(conn, 1), kind=kind, pieces=100,
                    counted_at=at, by="ops", because="so", level_pieces=level,
                ),
                world.now,
            )  # fmt: skip
        yield conn


def test_the_newest_count_comes_first_and_a_page_goes_on_after_it(
    admin: psycopg.Connection,
) -> None:
    first, *rest = counts.listed(admin, 1, 10)
    assert [first.kind, *(one.kind for one in rest)] == ["cycle", "audit", "correction"]
    assert (first.difference, rest[0].difference) == (-10, None)
    assert counts.listed(admin, 1, 10, (first.counted_at, first.count_id)) == rest
    assert counts.listed(admin, 2, 10) == []


def test_only_counts_in_their_turn_with_a_level_are_compared(admin: psycopg.Connection) -> None:
    since = counts.listed(admin, 1, 10)[-1].counted_at
    assert counts.compared(admin, since) == [(100, 90)]
    assert counts.compared(admin, since, bin_id=1, item_id=1, site_id=1) == [(100, 90)]
    for nowhere in ({"bin_id": 2}, {"item_id": 2}, {"site_id": 2}):
        assert counts.compared(admin, since, **nowhere) == []
    assert counts.compared_by_bin(admin, since, 1) == {"LND-R04-B2": [(100, 90)]}
    assert counts.compared_by_bin(admin, since, 2) == {}
