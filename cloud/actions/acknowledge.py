"""The supplier has seen an order. Doing it twice is doing it once."""

from datetime import datetime
from uuid import UUID

import psycopg

from cloud.core.orders import Order, acknowledge
from cloud.core.refusals import OrderUnknown
from cloud.postgres import bins, orders


def acknowledge_order(conn: psycopg.Connection, order_id: UUID, actor: str, now: datetime) -> Order:
    """The order as it stands afterwards. Raises OrderUnknown or OrderAlreadyClosed.

    Runs in the caller's transaction, in which was said who is asking: an order of another
    supplier is not there.
    """
    with conn.transaction():
        bin_id = orders.bin_of(conn, order_id)
        if bin_id is None:
            raise OrderUnknown
        bins.lock_state(conn, bin_id)  # first, as everywhere: see cloud/postgres/bins.py
        order = orders.lock(conn, order_id)
        if order is None:
            raise OrderUnknown
        answered = acknowledge(order, actor, now)
        if answered != order:
            orders.save_acknowledged(conn, answered)
            orders.add_event(conn, order_id, now, "acknowledged", actor=actor)
            bins.touch(conn, bin_id)
        return answered
