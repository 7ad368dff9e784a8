"""A worker knows a bin by heart as long as nobody else has written of it, and no longer."""

from datetime import timedelta

import psycopg
import pytest

from cloud.actions.follow import follow_bins
from cloud.actions.remember import Memory
from cloud.postgres import follow_due
from tests.cloud import ingest_cases as cases
from tests.cloud.follow_cases import (
    NOW,
    Come,
    batches,
    follow,
    level,
    told,
)


def test_what_another_worker_has_written_is_read_anew(
    come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    ours = Memory()
    theirs = Memory()
    first, second, third = batches([480] * 5 + [450] * 5 + [420] * 5, 5)
    come([first])
    follow(jobs, ours)
    come([second])
    follow(jobs, theirs)
    known = ours[bin_id]
    come([third])
    follow(jobs, ours)
    assert [pieces for _, pieces, *_ in told(jobs, bin_id)] == [480, -30, -30]
    assert ours[bin_id].track.version > known.track.version + 1


@pytest.mark.parametrize("story", [[480] * 10, [480] * 5 + [450] * 5], ids=["rests", "moves"])
def test_of_a_transaction_that_is_undone_nothing_is_remembered(
    come: Come, jobs: psycopg.Connection, bin_id: int, story: list[int]
) -> None:
    """A bin at rest is moved in place: what was fed to it may not be kept either."""
    memory = Memory()
    first, second = batches(story, 5)
    come([first])
    follow(jobs, memory)
    come([second])
    follow_due.spread(jobs)
    with jobs.transaction():
        follow_bins(jobs, follow_due.take(jobs, 100, [], NOW), NOW, memory)
        raise psycopg.Rollback
    assert memory == {}
    follow(jobs, memory)
    assert sum(pieces for _, pieces, *_ in told(jobs, bin_id)) == story[-1]
    assert level(jobs, bin_id)[3] == cases.NOW + timedelta(minutes=9)


def test_what_is_known_by_heart_is_not_followed_twice_when_it_comes_again(
    come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    """Ingest says from when on there is news, and there lies what was followed already."""
    memory = Memory()
    first, second = batches([480] * 5 + [450] * 5, 5)
    come([first])
    follow(jobs, memory)
    jobs.execute("INSERT INTO bin_follow VALUES (%s, %s)", (bin_id, cases.NOW))
    fed = memory[bin_id].fed
    follow(jobs, memory)
    assert memory[bin_id].fed == fed
    come([second])
    follow(jobs, memory)
    assert memory[bin_id].fed == fed + 5
