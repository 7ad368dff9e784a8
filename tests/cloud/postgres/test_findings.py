"""Findings as rows; which deliveries are there to be learnt from."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg.errors import UniqueViolation

from cloud.core.deliveries import Refill
from cloud.core.followed import Movement, MovementKind, ReadingRange, ReadingRef
from cloud.core.learning import UnitWeight
from cloud.postgres import findings, movements
from cloud.postgres.findings import NewFinding
from cloud.postgres.movements import New
from tests.cloud.http.world import NOW, World

BEFORE = ReadingRange(ReadingRef(7, 1), ReadingRef(7, 4))
RANGE = ReadingRange(ReadingRef(7, 5), ReadingRef(7, 9))
UNIT = UnitWeight(
    unit_weight_ug=4_300_000, unit_sd_ug=0, unit_error_ug=2_000, bias_pieces=1, sample=500
)
HOUR = timedelta(hours=1)


def moved(kind: MovementKind, hours_ago: int, before_mg: int | None, after_mg: int) -> Movement:
    return Movement(
        kind=kind,
        pieces=500,
        before_pieces=0,
        after_pieces=500,
        event_at=NOW - hours_ago * HOUR,
        known_at_reading=NOW - hours_ago * HOUR,
        before=BEFORE,
        after=RANGE,
        before_mg=before_mg,
        after_mg=after_mg,
        because="so",
    )


@pytest.fixture
def jobs(database) -> Iterator[psycopg.Connection]:
    World(database).settle()
    with database.connect("binline_jobs") as conn:
        booked = [
            moved(MovementKind.OPENING, 9, None, 400_000),
            moved(MovementKind.REFILL, 5, 400_000, 2_500_000),
            moved(MovementKind.SWAP, 4, 400_000, 2_500_000),
            moved(MovementKind.REFILL, 3, 500_000, 2_600_000),
        ]
        movements.insert(conn, [New(1, 1, one) for one in booked], NOW)
        yield conn


def found(refill: Refill, state: findings.State = "waiting") -> NewFinding:
    return NewFinding(
        bin_id=1,
        item_id=1,
        refill=refill,
        order_id=None,
        pieces=488,
        from_ug=4_200_000,
        unit=UNIT,
        says="so",
        told_by="ops@plant.test",
        told_because="",
        state=state,
    )


def test_refills_of_what_lies_in_it_now_can_be_learnt_from(jobs: psycopg.Connection) -> None:
    newest, first = findings.refills(jobs, 1, 10)
    assert (newest.net_mg, first.before_mg) == (2_100_000, 400_000)
    assert findings.refill(jobs, 1, first.movement_id) == first
    assert findings.refill(jobs, 2, first.movement_id) is None, "it is of another bin"
    assert findings.refills_between(jobs, 1, NOW - 6 * HOUR, NOW - 4 * HOUR) == [first]
    movements.replace(jobs, [first.movement_id], NOW)
    assert findings.refill(jobs, 1, first.movement_id) is None
    jobs.rollback()


def test_one_waits_for_an_item_and_each_delivery_is_used_once(jobs: psycopg.Connection) -> None:
    newest, first = findings.refills(jobs, 1, 10)
    row = findings.insert(jobs, found(first), NOW)
    assert findings.listed(jobs, 1, 5) == [row]
    with pytest.raises(UniqueViolation), jobs.transaction():
        findings.insert(jobs, found(newest), NOW)
    findings.overtake(jobs, 1, "somebody", "another came", NOW)
    assert [one.state for one in findings.listed(jobs, 1, 5)] == ["overtaken"]
    assert not findings.is_used(jobs, 1, first.event_at)
    findings.insert(jobs, found(first, "applied"), NOW)
    assert findings.is_used(jobs, 1, first.event_at)
    # A restatement books the delivery anew, under another number: it is the same delivery.
    with pytest.raises(UniqueViolation), jobs.transaction():
        findings.insert(jobs, found(replace(first, movement_id=newest.movement_id), "applied"), NOW)


def test_what_is_put_into_use_is_counted_by_in_every_bin_with_the_item(
    jobs: psycopg.Connection,
) -> None:
    (_, first) = findings.refills(jobs, 1, 10)
    findings.use(jobs, findings.insert(jobs, found(first), NOW))
    assert jobs.execute(
        "SELECT unit_weight_ug, unit_error_ug FROM items WHERE item_id = 1"
    ).fetchone() == (4_300_000, 2_000)
    assert findings.bins_with(jobs, 1, 5) == [(1, "LND-R04-B2", 350_000)]
    waiting = jobs.execute("SELECT bin_id FROM bin_follow WHERE bin_id = 1").fetchall()
    assert waiting == [(1,)]
