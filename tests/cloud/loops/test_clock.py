"""The loop that moves orders by the clock."""

import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.loops import clock
from tests.cloud.actions.conftest import NOON


def _draft(shelf: Any) -> None:
    """Long past its time, whatever the clock says now."""
    shelf.admin.execute(
        "INSERT INTO orders (site_id, supplier_id, because, drafted_at, expires_at, escalates_at)"
        " SELECT site_id, supplier_id, 'so', %s, %s, %s FROM bins",
        (NOON - timedelta(days=900),) * 3,
    )
    shelf.admin.execute(
        "INSERT INTO order_lines (order_id, number, bin_id, item_id, cycle, ordinal, asked,"
        " quantity, because, evidence) SELECT order_id, 1, bin_id, item_id, 1, 1, 5, 5, '', '{}'"
        "   FROM orders, bins"
    )


def test_a_draft_past_its_time_expires_and_its_bin_is_looked_at_again(
    shelf: Any, jobs: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    _draft(shelf)
    shelf.admin.execute("DELETE FROM bin_due")
    loop = clock.ClockLoop(threading.Event())
    with caplog.at_level("INFO"):
        loop.round(jobs)
        loop.round(jobs)  # at once again: nothing to do, and no question asked
    assert shelf.the_order()["state"] == "expired"
    assert len(shelf.rows("bin_due")) == 1
    told = [record.getMessage() for record in caplog.records if "RO-" in record.getMessage()]
    assert told == ["RO-1001: expired, nobody approved it in time"]


def test_an_order_that_cannot_be_moved_is_set_aside_and_told_once(
    shelf: Any,
    jobs: psycopg.Connection,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _draft(shelf)

    def broken(*_: object) -> str:
        raise AssertionError("a defect")

    monkeypatch.setattr(clock, "keep_time", broken)
    monkeypatch.setattr(clock, "LOOK_EVERY_S", 0.0)
    loop = clock.ClockLoop(threading.Event())
    for _ in range(3):
        loop.round(jobs)
    assert shelf.the_order()["state"] == "draft"
    assert len([one for one in caplog.records if "set aside" in one.getMessage()]) == 1


def test_an_order_that_nothing_can_be_done_about_yet_is_not_held_once_a_second(
    shelf: Any, jobs: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _draft(shelf)
    asked = []
    monkeypatch.setattr(clock, "keep_time", lambda _conn, one, _now: asked.append(one) or "")
    monkeypatch.setattr(clock, "LOOK_EVERY_S", 0.0)
    loop = clock.ClockLoop(threading.Event())
    for _ in range(3):
        loop.round(jobs)
    assert len(asked) == 1

    shelf.admin.execute("UPDATE orders SET state = 'approved', expires_at = NULL")
    loop.round(jobs)
    assert [one.leaves for one in asked] == [False, True], "what comes anew does not wait"


def test_what_was_set_aside_is_asked_again_in_time_and_not_remembered_for_ever(
    shelf: Any, jobs: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _draft(shelf)
    asked = []
    monkeypatch.setattr(clock, "keep_time", lambda _conn, one, _now: asked.append(one) or "")
    monkeypatch.setattr(clock, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(clock, "ASIDE_S", 0.0)
    loop = clock.ClockLoop(threading.Event())
    loop.round(jobs)
    loop.round(jobs)
    assert len(asked) == 2

    shelf.admin.execute("UPDATE orders SET state = 'expired', ended_at = now()")
    loop.round(jobs)
    assert loop._aside == {}, "the order has ended"


def test_a_loop_that_is_told_to_stop_moves_nothing(shelf: Any, jobs: psycopg.Connection) -> None:
    _draft(shelf)
    stop = threading.Event()
    stop.set()
    clock.ClockLoop(stop).round(jobs)
    assert shelf.the_order()["state"] == "draft"
