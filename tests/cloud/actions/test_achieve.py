"""What was agreed on is held against what happened: of its own time, and of its own two sides."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions import achieve
from cloud.actions.achieve import Reached
from cloud.core.targets import Target, Verdict
from cloud.postgres import asking
from tests.cloud.http.world import OPERATIONS, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOW = "LND-R04-B2"  # of Ferro AG at Lindau Pumps


@pytest.fixture
def world(database: Any) -> World:
    return World(database).settle()


@pytest.fixture
def conn(world: World, database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, OPERATIONS)
        yield conn


def target(found: Reached | None, title: str) -> Target:
    assert found is not None
    (one,) = [one for one in found.targets if one.title == title]
    return one


def write(world: World, statement: str, *values: object) -> None:
    with world.database.admin() as conn:
        conn.execute(statement, values)


def order(world: World, sent_at: datetime, answered: timedelta | None, version: int = 1) -> None:
    write(
        world,
        "INSERT INTO orders (supplier_id, site_id, state, because, drafted_at, sent_at,"
        " answered_at, agreement_version) SELECT supplier_id, site_id, %s, '', %s, %s, %s, %s"
        "   FROM bins WHERE code = %s",
        "acknowledged" if answered else "sent",
        sent_at,
        sent_at,
        answered and sent_at + answered,
        version,
        LOW,
    )


def test_an_order_is_to_be_answered_within_the_time_it_was_ordered_under(
    world: World, conn: psycopg.Connection
) -> None:
    agreement = world.agreement(answer_hours=8)
    now = world.now + 10 * DAY
    order(world, now - 3 * DAY, 2 * HOUR)
    order(world, now - 2 * DAY, 9 * HOUR)  # too late
    order(world, now - DAY, None)  # not at all
    order(world, now - HOUR, None)  # there is time left
    order(world, now - HOUR, None, version=0)  # nothing was agreed on for it
    answers = target(achieve.reached_lately(conn, agreement, now), "Answers")
    assert (answers.achieved, answers.difference) == ("1 of 3 orders", "2 later or not")
    assert answers.verdict is Verdict.MISSED


def test_cycle_service_is_of_cycles_that_are_over(world: World, conn: psycopg.Connection) -> None:
    agreement = world.agreement(service="cycle", target_per_mille=500)
    now = world.now + 10 * DAY
    for number, (lowest, closed) in enumerate(((0, True), (7, True), (3, True), (0, False))):
        write(
            world,
            "INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, closed_at,"
            " closed_pieces, cycle) SELECT bin_id, %s, 9, %s, %s, %s, %s FROM bins"
            " WHERE code = %s",
            now - 9 * DAY + number * DAY,
            lowest,
            now - 9 * DAY + number * DAY + HOUR if closed else None,
            90 if closed else None,
            number + 1,
            LOW,
        )
    one = target(achieve.reached_lately(conn, agreement, now), "Cycle service")
    assert one.achieved_value == pytest.approx(2 / 3)
    assert (one.difference, one.verdict) == ("16.6 points above", Verdict.MET)


def test_it_is_looked_at_since_it_was_agreed_on_and_no_longer_than_a_quarter(
    world: World, conn: psycopg.Connection
) -> None:
    agreement = world.agreement()
    soon = achieve.reached_lately(conn, agreement, world.now + 3 * DAY)
    late = achieve.reached_lately(conn, agreement, world.now + 300 * DAY)
    assert soon is not None
    assert late is not None
    assert soon.from_at == world.now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert late.to_at - late.from_at <= achieve.LOOKED_BACK + DAY
    assert achieve.reached_lately(conn, agreement + 1, world.now) is None


def test_each_side_sees_its_own_agreements(world: World, database: Any) -> None:
    world.agreement()
    world.agreement("Hartmann Rail", "Norrby")
    span = (datetime(2026, 11, 1, tzinfo=UTC), world.now)
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, OPERATIONS)
        assert [one.held.supplier for one in achieve.reached(conn, *span)] == [
            "Norrby",
            "Ferro AG",
        ]
    with database.connect("binline_portal") as conn:
        asking.as_supplier(conn, 1)
        assert [one.held.supplier for one in achieve.reached(conn, *span)] == ["Ferro AG"]
