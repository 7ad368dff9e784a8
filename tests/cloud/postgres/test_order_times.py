"""Orders that have not left: whose time has come, and who on them has lost its ground."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.postgres import order_times
from cloud.postgres.order_times import Ground, Timed
from tests.cloud.actions.conftest import NOON, Desk

HOUR = timedelta(hours=1)


@pytest.fixture
def drafted(shelf: Any, database: Any) -> Desk:
    desk = Desk(shelf, database)
    desk.agree("approve", draft_hours=24, escalate_after_hours=8)
    desk.weigh(412)
    return desk


def test_a_time_that_has_come_is_named_and_no_order_before_it(
    drafted: Desk, jobs: psycopg.Connection
) -> None:
    assert order_times.timed(jobs, NOON, 10) == []
    one = Timed(order_id=drafted.order_id, expires=False, escalates=True, leaves=False)
    assert order_times.timed(jobs, NOON + 8 * HOUR, 10) == [one]
    assert order_times.note_escalated(jobs, drafted.order_id, NOON + 8 * HOUR)
    assert not order_times.note_escalated(jobs, drafted.order_id, NOON + 9 * HOUR), "once"
    assert order_times.timed(jobs, NOON + 9 * HOUR, 10) == []
    (expired,) = order_times.timed(jobs, NOON + 24 * HOUR, 10)
    assert (expired.expires, expired.escalates) == (True, False)
    assert order_times.timed(jobs, NOON + 24 * HOUR, 0) == []


def test_what_an_order_stands_on_is_told_bin_by_bin(
    drafted: Desk, jobs: psycopg.Connection
) -> None:
    ground = Ground(code="HRT-R02-B4", began=True, low=True)
    assert order_times.ground_of(jobs, drafted.order_id) == [ground]
    drafted.shelf.admin.execute("UPDATE breaches SET closed_at = %s, closed_pieces = 9", (NOON,))
    assert [one.low for one in order_times.ground_of(jobs, drafted.order_id)] == [False]
    (one,) = order_times.timed(jobs, NOON, 10)
    assert (one.refilled, one.eased) == (True, False)
    assert order_times.came_along(jobs, drafted.order_id) == [], "it began the order"
    drafted.shelf.admin.execute("UPDATE order_lines SET quantity = 0")
    assert order_times.ground_of(jobs, drafted.order_id) == [], "what left stands on nothing"
