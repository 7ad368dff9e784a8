"""What a review names: late, short, unanswered, empty, each by its own measure."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from cloud.actions import review as reviews
from cloud.actions.review import amiss_of, last_quarters, lateness, review, waited
from cloud.core.quarters import Quarter
from cloud.core.refusals import SpanImpossible
from cloud.postgres import asking
from cloud.postgres.kpis import KpiOrder

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def order(**changes: Any) -> KpiOrder:
    plain = KpiOrder(
        order_id=UUID(int=1), number=1001, line=1, bin_id=1, item_id=1, supplier_id=1, site_id=1,
        asked=500, quantity=500, shipped=0, received=0, sent_at=NOON - 48 * HOUR, answered_at=None,
        expected_at=None, came_at=None, ended_at=None, rush=False, touches=0,
    )  # fmt: skip
    return plain._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "hours"),
    [
        ({}, 0),  # nobody said when
        ({"expected_at": NOON - 5 * HOUR}, 5),  # is awaited
        ({"expected_at": NOON - 5 * HOUR, "came_at": NOON - 2 * HOUR}, 3),
        ({"expected_at": NOON - 5 * HOUR, "came_at": NOON - 6 * HOUR}, 0),
        ({"expected_at": NOON - 5 * HOUR, "ended_at": NOON - 6 * HOUR}, 0),  # given up
        ({"expected_at": NOON + HOUR}, 0),
    ],
)
def test_late_is_what_came_after_it_was_expected_or_is_awaited(
    changes: dict[str, Any], hours: int
) -> None:
    assert lateness(order(**changes), NOON) == hours * HOUR


def test_who_waits_waits_until_an_answer_or_an_arrival_or_now() -> None:
    assert waited(order(), NOON) == 48 * HOUR
    assert waited(order(answered_at=NOON - 40 * HOUR), NOON) == 8 * HOUR
    assert waited(order(came_at=NOON - 30 * HOUR), NOON) == 18 * HOUR


def test_of_nothing_measured_nothing_went_another_way() -> None:
    found = amiss_of(None, NOON)
    assert (found.late_in_all, found.short_in_all, found.unanswered_in_all) == (0, 0, 0)


def test_the_last_quarters_begin_with_the_one_that_runs() -> None:
    assert last_quarters(NOON, 5)[0] == Quarter(2026, 4)
    assert last_quarters(NOON, 5)[-1] == Quarter(2025, 4)


def test_what_was_changed_of_its_bins_is_told_to_both_sides(shelf: Any, database: Any) -> None:
    now = datetime.now(UTC)
    quarter = last_quarters(now, 1)[0]
    with shelf.admin.transaction():
        asking.because(shelf.admin, "more is used")
        shelf.admin.execute("UPDATE bins SET minimum = 600")
    later = now + timedelta(seconds=5)

    def told(conn: psycopg.Connection) -> reviews.Review:
        found = review(conn, shelf.supplier_id, quarter, later)
        assert found is not None
        return found

    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        ours = told(conn)
    with database.connect("binline_portal") as conn:
        asking.as_supplier(conn, shelf.supplier_id)
        theirs = told(conn)
        assert review(conn, shelf.supplier_id + 1, quarter, later) is None
        with pytest.raises(SpanImpossible):
            review(conn, shelf.supplier_id, quarter.next, later)
    assert [(one.because, one.after["minimum"]) for one in ours.changes] == [("more is used", 600)]
    assert ours.changes == theirs.changes
