"""What the customer says to an order: approved, a change accepted or not, cancelled, closed."""

from datetime import datetime
from uuid import UUID

import psycopg

from cloud.actions.act_on_order import act_on_order
from cloud.core.order_machine import Accept, Approve, End, Order, Reject
from cloud.core.order_states import Verb
from cloud.core.refusals import ReasonMissing


def approve(conn: psycopg.Connection, order_id: UUID, actor: str, now: datetime) -> Order:
    """It leaves with it, and the supplier is told."""
    return act_on_order(conn, order_id, Approve(by=actor), now, actor=actor)


def accept(
    conn: psycopg.Connection, order_id: UUID, change_id: str, actor: str, now: datetime
) -> Order:
    act = Accept(change_id=change_id, by=actor)
    return act_on_order(conn, order_id, act, now, actor=actor)


def reject(
    conn: psycopg.Connection, order_id: UUID, change_id: str, actor: str, now: datetime
) -> Order:
    act = Reject(change_id=change_id, by=actor)
    return act_on_order(conn, order_id, act, now, actor=actor)


def cancel(
    conn: psycopg.Connection, order_id: UUID, actor: str, because: str, now: datetime
) -> Order:
    return _end(conn, order_id, Verb.CANCEL, actor, because, now)


def close(
    conn: psycopg.Connection, order_id: UUID, actor: str, because: str, now: datetime
) -> Order:
    """Nothing more is to come, whatever was asked for."""
    return _end(conn, order_id, Verb.CLOSE, actor, because, now)


def _end(  # noqa: PLR0917 - an end, by whom, and why
    conn: psycopg.Connection, order_id: UUID, verb: Verb, actor: str, because: str, now: datetime
) -> Order:
    if not because.strip():
        raise ReasonMissing
    end = End(verb=verb, by=actor, because=because.strip())
    return act_on_order(conn, order_id, end, now, actor=actor)
