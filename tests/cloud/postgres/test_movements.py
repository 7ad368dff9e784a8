"""Movements as rows: written as they were concluded, listed newest first."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from cloud.core.followed import Movement, MovementKind, ReadingRange, ReadingRef
from cloud.postgres import movements
from cloud.postgres.movements import New, Restated
from tests.cloud.http.world import NOW, World

RANGE = ReadingRange(ReadingRef(7, 1), ReadingRef(7, 9))


@pytest.fixture
def jobs(database) -> Iterator[psycopg.Connection]:
    World(database).settle()
    with database.connect("binline_jobs") as conn:
        yield conn


def moved(pieces: int, before: int, hours_ago: int) -> Movement:
    at = NOW - timedelta(hours=hours_ago)
    return Movement(
        kind=MovementKind.USAGE if pieces < 0 else MovementKind.OPENING,
        pieces=pieces,
        before_pieces=before,
        after_pieces=before + pieces,
        event_at=at,
        known_at_reading=at,
        before=RANGE if before else None,
        after=RANGE,
        before_mg=None,
        after_mg=1,
        because="so",
    )


def test_what_is_written_is_read_again(jobs: psycopg.Connection) -> None:
    opening, usage = moved(900, 0, 3), moved(-40, 900, 2)
    movements.insert(jobs, [New(1, 1, opening), New(1, 1, usage)], NOW)
    booked = movements.live_since(jobs, 1, 1, None)
    assert [one.movement for one in booked] == [opening, usage]
    assert movements.last_before(jobs, 1, 1, NOW) == 860
    assert movements.last_before(jobs, 1, 1, NOW - timedelta(hours=5)) is None


def test_what_was_replaced_is_listed_apart(jobs: psycopg.Connection) -> None:
    movements.insert(jobs, [New(1, 1, moved(900, 0, 3)), New(1, 1, moved(-40, 900, 2))], NOW)
    newest, first = movements.listed(jobs, 1, 10)
    assert (newest.pieces, first.pieces) == (-40, 900)
    assert movements.listed(jobs, 1, 10, before=(newest.event_at, newest.movement_id)) == [first]
    assert movements.listed(jobs, 1, 10, since=newest.event_at, upto=NOW) == [newest]
    movements.replace(jobs, [newest.movement_id], NOW)
    assert movements.listed(jobs, 1, 10) == [first]
    (replaced,) = movements.listed(jobs, 1, 10, replaced=True)
    assert (replaced.movement_id, replaced.replaced_at) == (newest.movement_id, NOW)


def test_a_restatement_says_what_it_made_of_the_level(jobs: psycopg.Connection) -> None:
    movements.note_restated(jobs, Restated(1, 1, NOW, 4_250_000, 4_200_000, 14, 339, 343))
    (one,) = movements.restatements(jobs, 1, 5)
    assert (one.from_ug, one.to_ug, one.before_pieces, one.after_pieces) == (
        4_250_000, 4_200_000, 339, 343,
    )  # fmt: skip
    assert movements.restatements(jobs, 2, 5) == []


def test_a_count_after_the_last_reading_is_of_its_own_time(jobs: psycopg.Connection) -> None:
    opening = moved(900, 0, 5)
    counted = replace(moved(-40, 900, 4), event_at=NOW - timedelta(hours=1))
    movements.insert(jobs, [New(1, 1, opening), New(1, 1, counted)], NOW)
    since = NOW - timedelta(hours=2)
    assert [one.movement for one in movements.live_since(jobs, 1, 1, since)] == [counted]
    assert movements.last_before(jobs, 1, 1, since) == 900


def test_a_movement_that_does_not_add_up_is_refused(jobs: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        movements.insert(jobs, [New(1, 1, replace(moved(900, 0, 3), pieces=899))], NOW)
