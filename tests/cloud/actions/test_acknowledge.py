from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from cloud.actions.acknowledge import acknowledge_order
from cloud.actions.assess import assess_bin
from cloud.core.orders import Order
from cloud.core.refusals import OrderAlreadyClosed, OrderUnknown
from cloud.postgres import asking

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def ordered(shelf: Any, database: Any) -> Any:
    _assess(shelf, database, 412)
    return shelf


def _assess(shelf: Any, database: Any, pieces: int) -> None:
    shelf.weigh(pieces, NOON)
    with database.connect("binline_jobs") as conn:
        assess_bin(conn, shelf.bin_id, NOON)


def _acknowledge(
    database: Any, supplier_id: int, order_id: UUID, actor: str = "ferro", now: datetime = NOON
) -> Order:
    with database.connect("binline_portal") as conn, conn.transaction():
        asking.as_supplier(conn, supplier_id)
        return acknowledge_order(conn, order_id, actor, now)


def test_the_supplier_acknowledges_its_order(ordered: Any, database: Any) -> None:
    before = ordered.xid()
    answered = _acknowledge(database, ordered.supplier_id, ordered.order_id())
    assert (answered.state, answered.acknowledged_by) == ("acknowledged", "ferro")
    order = ordered.the_order()
    assert (order["state"], order["acknowledged_at"]) == ("acknowledged", NOON)
    event = ordered.rows("order_events")[-1]
    assert (event["event"], event["actor"], event["at"]) == ("acknowledged", "ferro", NOON)
    assert ordered.xid() > before


def test_acknowledging_twice_is_acknowledging_once(ordered: Any, database: Any) -> None:
    _acknowledge(database, ordered.supplier_id, ordered.order_id())
    later = NOON + timedelta(hours=1)
    again = _acknowledge(database, ordered.supplier_id, ordered.order_id(), "another", later)
    assert (again.acknowledged_by, again.acknowledged_at) == ("ferro", NOON)
    assert [event["event"] for event in ordered.rows("order_events")] == ["placed", "acknowledged"]


def test_a_closed_order_cannot_be_acknowledged(ordered: Any, database: Any) -> None:
    _assess(ordered, database, 1_900)
    with pytest.raises(OrderAlreadyClosed):
        _acknowledge(database, ordered.supplier_id, ordered.order_id())


def test_an_acknowledged_order_is_closed_by_the_scale(ordered: Any, database: Any) -> None:
    _acknowledge(database, ordered.supplier_id, ordered.order_id())
    _assess(ordered, database, 1_900)
    order = ordered.the_order()
    assert (order["state"], order["acknowledged_by"]) == ("closed", "ferro")


def test_another_suppliers_order_is_not_there(
    ordered: Any, database: Any, make_shelf: Callable[[str], Any]
) -> None:
    stranger = make_shelf("HRT-R02-B5")
    with pytest.raises(OrderUnknown):
        _acknowledge(database, stranger.supplier_id, ordered.order_id())
    assert ordered.the_order()["state"] == "placed"


def test_an_order_that_never_was_is_not_there(ordered: Any, database: Any) -> None:
    with pytest.raises(OrderUnknown):
        _acknowledge(database, ordered.supplier_id, uuid4())


def test_nobody_in_particular_sees_no_order(ordered: Any, database: Any) -> None:
    with database.connect("binline_portal") as conn, pytest.raises(OrderUnknown):
        acknowledge_order(conn, ordered.order_id(), "ferro", NOON)


def test_operations_may_acknowledge_too(ordered: Any, database: Any) -> None:
    with database.connect("binline_portal") as conn, conn.transaction():
        asking.as_operations(conn, "o@binline.example")
        acknowledge_order(conn, ordered.order_id(), "o@binline.example", NOON)
    assert ordered.the_order()["acknowledged_by"] == "o@binline.example"


def test_an_answer_and_a_refill_at_the_same_moment_do_not_lock_each_other_out(
    ordered: Any, database: Any
) -> None:
    """Whichever comes first wins; neither fails, and the order ends closed."""
    order_id = ordered.order_id()
    ordered.weigh(1_900, NOON)

    def answer(number: int) -> str:
        try:
            return _acknowledge(database, ordered.supplier_id, order_id, f"a{number}").state
        except OrderAlreadyClosed:
            return "refused"

    def refill() -> None:
        with database.connect("binline_jobs") as conn:
            assess_bin(conn, ordered.bin_id, NOON)

    with ThreadPoolExecutor(6) as threads:
        answers = [threads.submit(answer, number) for number in range(5)]
        refilled = threads.submit(refill)
        assert {each.result(20) for each in answers} <= {"acknowledged", "refused"}
        refilled.result(20)
    assert ordered.the_order()["state"] == "closed"
    events = [event["event"] for event in ordered.rows("order_events")]
    assert events in (["placed", "closed"], ["placed", "acknowledged", "closed"])


def test_the_portal_may_not_touch_more_of_an_order(ordered: Any, database: Any) -> None:
    with database.connect("binline_portal") as conn:
        asking.as_supplier(conn, ordered.supplier_id)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("UPDATE orders SET quantity = 1")
