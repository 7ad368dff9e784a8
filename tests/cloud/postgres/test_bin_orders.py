"""What of orders is for one bin."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.act_on_order import act_on_order
from cloud.core.order_machine import Accept, Change, End, Other
from cloud.core.order_states import State, Verb
from cloud.postgres import bin_orders
from tests.cloud.actions.conftest import DAY, FERRO, NOON, Desk


@pytest.fixture
def desk(shelf: Any, database: Any) -> Desk:
    return Desk(shelf, database)


def test_what_has_ended_is_open_no_more_and_stays_of_its_cycle(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    desk.weigh(412)
    (line,) = bin_orders.open_lines(jobs, desk.shelf.bin_id)
    assert (line.order_number, line.state, line.line, line.cycle) == (1_001, State.SENT, 1, 1)
    assert (line.quantity, line.received, line.outstanding, line.left) == (1_500, 0, 1_500, False)
    end = End(verb=Verb.CANCEL, by="ada", because="so")
    act_on_order(jobs, line.order_id, end, NOON, actor="ada")
    assert bin_orders.open_lines(jobs, desk.shelf.bin_id) == []
    (ended,) = bin_orders.lines_of_cycle(jobs, desk.shelf.bin_id, 1)
    assert (ended.state, ended.ended_by) == (State.CANCELLED, "ada")
    assert bin_orders.lines_of_cycle(jobs, desk.shelf.bin_id, 2) == []


def test_a_line_is_expected_as_promised_else_as_the_calendar_says_else_it_is_never_late(
    desk: Desk, jobs: psycopg.Connection
) -> None:
    desk.weigh(412)
    (line,) = bin_orders.open_lines(jobs, desk.shelf.bin_id)
    assert line.due_at is not None
    assert bin_orders.as_open_line(line, "RO-1001", NOON).expected_at == line.due_at
    other = Other(line=1, pieces=0, at=NOON + DAY)
    change = Change(change_id="c", by="ferro", lines=(other,))
    act_on_order(jobs, line.order_id, change, NOON, actor=FERRO)
    act_on_order(jobs, line.order_id, Accept(change_id="c", by="ada"), NOON, actor="ada")
    (line,) = bin_orders.open_lines(jobs, desk.shelf.bin_id)
    assert bin_orders.as_open_line(line, "RO-1001", NOON).expected_at == NOON + DAY
    assert not line.left, "agreed on, not let go"
    desk.shelf.admin.execute("UPDATE orders SET due_at = NULL")
    desk.shelf.admin.execute("UPDATE order_lines SET promised_at = NULL")
    (line,) = bin_orders.open_lines(jobs, desk.shelf.bin_id)
    assert bin_orders.as_open_line(line, "RO-1001", NOON).expected_at == NOON
    assert line.left


def test_what_is_booked_counts_from_when_it_came(desk: Desk, jobs: psycopg.Connection) -> None:
    desk.weigh(412)
    desk.weigh(1_912, NOON + DAY)
    bin_id = desk.shelf.bin_id
    assert bin_orders.booked_since(jobs, bin_id, NOON) == 1_500
    assert bin_orders.booked_since(jobs, bin_id, NOON + DAY + timedelta(seconds=1)) == 0
