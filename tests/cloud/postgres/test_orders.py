"""Orders as rows: loaded as they were saved, every edge of the machine, old rows carried over."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from cloud.actions.act_on_order import keep_act
from cloud.core.order_machine import (
    Accept,
    Acknowledge,
    Act,
    Approve,
    Change,
    Confirm,
    Count,
    End,
    Leave,
    Order,
    Other,
    Promise,
    Receive,
    Reject,
    Send,
    Ship,
    apply,
)
from cloud.core.order_states import DONE_BEFORE, ENDED, State, Verb
from cloud.core.refusals import Refusal
from cloud.embedded.postgres import EmbeddedPostgres
from cloud.postgres import migrate, orders
from cloud.postgres.orders import NewLine, NewOrder

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FRIDAY = NOON + timedelta(days=7)
ALL = (Count(line=1, pieces=1_500), Count(line=2, pieces=400))
ACTS: dict[Verb, Act] = {
    Verb.APPROVE: Approve(by="ada"),
    Verb.SEND: Send(),
    Verb.ACKNOWLEDGE: Acknowledge(by="ferro"),
    Verb.CONFIRM: Confirm(by="ferro", promises=(Promise(line=1, at=FRIDAY),)),
    Verb.CHANGE: Change(
        change_id="c1", by="ferro", lines=(Other(line=1, pieces=1_000, at=FRIDAY),), because="so"
    ),
    Verb.ACCEPT: Accept(change_id="c1", by="ada"),
    Verb.REJECT: Reject(change_id="c1", by="ada"),
    Verb.SHIP: Ship(shipment_id="s1", counts=ALL, expected_at=FRIDAY),
    Verb.RECEIVE: Receive(receipt_id="r1", counts=ALL),
    **{
        verb: End(verb=verb, by="ada", because="asked for")
        for verb in (Verb.CLOSE, Verb.REFUSE, Verb.CANCEL, Verb.EXPIRE)
    },
    Verb.LEAVE: Leave(lines=(2,), because="filled by hand"),
}
# By which acts each state is reached from a draft.
PATHS: dict[State, tuple[Verb, ...]] = {
    State.DRAFT: (),
    State.APPROVED: (Verb.APPROVE,),
    State.SENT: (Verb.APPROVE, Verb.SEND),
    State.ACKNOWLEDGED: (Verb.APPROVE, Verb.SEND, Verb.ACKNOWLEDGE),
    State.CONFIRMED: (Verb.APPROVE, Verb.SEND, Verb.CONFIRM),
    State.CHANGED: (Verb.APPROVE, Verb.SEND, Verb.CHANGE),
    State.SHIPPED: (Verb.APPROVE, Verb.SEND, Verb.SHIP),
    State.RECEIVED: (Verb.APPROVE, Verb.SEND, Verb.RECEIVE),
    State.CLOSED: (Verb.APPROVE, Verb.SEND, Verb.RECEIVE, Verb.CLOSE),
    State.REFUSED: (Verb.APPROVE, Verb.SEND, Verb.REFUSE),
    State.CANCELLED: (Verb.CANCEL,),
    State.EXPIRED: (Verb.EXPIRE,),
}
PART = Receive(receipt_id="r0", counts=(Count(line=1, pieces=60),))


@pytest.fixture
def conn(database: Any) -> Any:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def _draft(shelf: Any, conn: psycopg.Connection, cycle: int = 1) -> UUID:
    row = shelf.admin.execute("SELECT site_id, item_id FROM bins").fetchone()
    site_id, item_id = row
    new = NewOrder(
        supplier_id=shelf.supplier_id,
        site_id=site_id,
        consigned=False,
        rush=True,
        agreement_version=2,
        calendar_version=3,
        because="412 left",
        due_at=FRIDAY,
        drafted_by="binline",
        expires_at=NOON,
        escalates_at=NOON,
    )
    lines = [
        NewLine(
            bin_id=shelf.bin_id,
            item_id=item_id,
            breach_id=None,
            cycle=cycle,
            ordinal=ordinal,
            quantity=quantity,
            because="412 left",
            evidence={"level": {"pieces": 412}},
        )
        for ordinal, quantity in ((1, 1_500), (2, 400))
    ]
    return orders.insert(conn, new, lines, NOON)


def _kept(conn: psycopg.Connection, order: Order, act: Act) -> Order:
    with conn.transaction():
        after = keep_act(conn, order, act, NOON, actor="x", touch=False)
        if isinstance(act, Receive) and after is not order:
            orders.insert_receipt(conn, order, act, NOON)
        return after


def _reach(shelf: Any, conn: psycopg.Connection, state: State, cycle: int) -> Order:
    order = orders.lock(conn, _draft(shelf, conn, cycle))
    assert order is not None
    for verb in PATHS.get(state, (Verb.APPROVE, Verb.SEND)):
        if verb is Verb.APPROVE:
            # Approved and still here: it waits for others, until tomorrow.
            waits = replace(order, leaves_at=NOON + timedelta(days=1))
            order = _kept(conn, waits, ACTS[verb])
        else:
            order = _kept(conn, order, ACTS[verb])
    return _kept(conn, order, PART) if state is State.PART_DELIVERED else order


def test_every_edge_of_the_machine_is_kept_as_the_machine_says_it(
    shelf: Any, conn: psycopg.Connection
) -> None:
    """Every state, every verb: what follows is saved and read back, and what cannot is refused."""
    cycle = 0
    for state in State:
        for verb, act in ACTS.items():
            cycle += 1
            order = _reach(shelf, conn, state, cycle)
            assert order.state is state
            try:
                wanted = apply(order, act, NOON)
            except Refusal as refusal:
                with pytest.raises(type(refusal), match=r"\.$"):
                    _kept(conn, order, act)
                continue
            if verb is Verb.APPROVE and wanted is not order:
                wanted = apply(wanted, Send(), NOON)  # it leaves with it
            found = _kept(conn, order, act)
            assert found == wanted
            kept = orders.lock(conn, order.order_id)
            assert kept is not None
            changing = {"leaves_at": wanted.leaves_at}  # was said by the test alone
            assert replace(kept, **changing) == wanted
            if verb in DONE_BEFORE and state in DONE_BEFORE[verb]:
                assert wanted is order


def test_an_order_that_has_ended_says_when_and_no_other_does(
    shelf: Any, conn: psycopg.Connection
) -> None:
    for cycle, state in enumerate(State, start=1):
        order = _reach(shelf, conn, state, cycle)
        assert (order.ended_at is not None) == (state in ENDED)
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("UPDATE orders SET ended_at = now() WHERE state = 'sent'")


def test_the_database_holds_that_a_need_is_ordered_once(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _draft(shelf, conn)
    with pytest.raises(psycopg.errors.UniqueViolation, match="order_lines_one_need"):
        _draft(shelf, conn)


def test_an_order_that_never_was_is_none(conn: psycopg.Connection) -> None:
    assert orders.lock(conn, uuid4()) is None
    assert orders.bins_of(conn, uuid4()) == []


def test_events_can_be_added_and_not_changed(shelf: Any, conn: psycopg.Connection) -> None:
    orders.add_event(conn, _draft(shelf, conn), NOON, "drafted", actor="binline", detail="so")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("UPDATE order_events SET actor = 'nobody'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("DELETE FROM order_events")


def test_orders_of_before_are_carried_over(postgres_server: EmbeddedPostgres) -> None:
    """What was placed is sent, what the scale closed is closed, and each has its one line."""
    name = f"before_{os.getpid()}"
    with psycopg.connect(postgres_server.dsn(database="postgres"), autocommit=True) as conn:
        for what in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "CREATE DATABASE {}"):
            conn.execute(sql.SQL(what).format(sql.Identifier(name)))  # type: ignore[arg-type]
    shipped = migrate.shipped()
    at = next(n for n, one in enumerate(shipped) if one.name.startswith("0009"))
    with psycopg.connect(postgres_server.dsn(database=name), autocommit=True) as conn:
        migrate.migrate(conn, shipped[:at])
        conn.execute("SET search_path = binline")
        conn.execute(_BEFORE)
        migrate.migrate(conn, shipped)
        conn.execute("SET search_path = binline")
        rows = conn.execute(
            "SELECT o.number, o.state, o.sent_at IS NOT NULL, o.answered_by, o.ended_by,"
            " l.cycle, l.ordinal, l.asked, l.quantity, l.received, l.evidence, o.site_id"
            "  FROM orders o JOIN order_lines l USING (order_id) ORDER BY o.number"
        ).fetchall()
    assert rows == [
        (1001, "closed", True, "ferro", "scale", 1, 1, 500, 500, 480, {"a": 1}, 1),
        (1002, "closed", True, "", "scale", 2, 1, 500, 500, 510, {"a": 2}, 1),
        (1003, "acknowledged", True, "ferro", "", 3, 1, 600, 600, 0, {"a": 3}, 1),
        (1004, "sent", True, "", "", 1, 1, 700, 700, 0, {"a": 4}, 1),
    ]


_BEFORE = """
INSERT INTO sites (name) VALUES ('s');
INSERT INTO suppliers (name) VALUES ('f');
INSERT INTO items (sku, name, unit_weight_ug) VALUES ('i', 'i', 1000);
INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum)
VALUES ('B1', 1, 1, 1, '', 100, 10), ('B2', 1, 1, 1, '', 100, 10);
INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, closed_at)
VALUES (1, '2026-01-01', 1, 1, '2026-01-02'), (1, '2026-02-01', 1, 1, '2026-02-02'),
       (1, '2026-03-01', 1, 1, NULL), (2, '2026-03-01', 1, 1, NULL);
INSERT INTO orders (breach_id, bin_id, item_id, supplier_id, quantity, state, because, evidence,
                    placed_at, acknowledged_at, acknowledged_by, closed_at, received_pieces)
VALUES (1, 1, 1, 1, 500, 'closed', 'a', '{"a": 1}', '2026-01-01', '2026-01-01', 'ferro',
        '2026-01-02', 480),
       (2, 1, 1, 1, 500, 'closed', 'b', '{"a": 2}', '2026-02-01', NULL, NULL, '2026-02-02', 510),
       (3, 1, 1, 1, 600, 'acknowledged', 'c', '{"a": 3}', '2026-03-01', '2026-03-01', 'ferro',
        NULL, NULL),
       (4, 2, 1, 1, 700, 'placed', 'd', '{"a": 4}', '2026-03-01', NULL, NULL, NULL, NULL);
"""
