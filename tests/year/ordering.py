"""All that the year knows of orders: which have left, and what supplier and customer do to them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cloud.actions import answer_order, steer_order
from cloud.actions.ask_for_order import Asker, ask_for_order
from cloud.actions.keep_time import keep_time, timed
from cloud.core.order_machine import Count, Promise, Ship
from cloud.core.refusals import Refusal
from cloud.postgres import asking

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    import psycopg

OPERATIONS = "ops@plant.test"
_SENT = """
SELECT o.order_id, o.number, l.number, l.bin_id, l.quantity, coalesce(o.due_at, o.sent_at),
       o.supplier_id
  FROM orders o JOIN order_lines l USING (order_id)
 WHERE o.sent_at IS NOT NULL AND o.number > %s ORDER BY o.number, l.number
"""


class Sent(NamedTuple):
    """A line of an order that the supplier was told of."""

    order_id: UUID
    number: int
    line: int
    bin_id: int
    quantity: int
    due_at: datetime
    supplier_id: int


@dataclass
class Ordering:
    """`admin` looks, `portal` is where supplier and customer act, `jobs` where the clock does."""

    admin: psycopg.Connection
    portal: psycopg.Connection
    jobs: psycopg.Connection
    refused: Counter[str]

    def sent_since(self, number: int) -> list[Sent]:
        return [Sent(*row) for row in self.admin.execute(_SENT, (number,)).fetchall()]

    def keep_time(self, now: datetime) -> None:
        for one in timed(self.jobs, now, 10_000):
            keep_time(self.jobs, one, now)

    # ---------------------------------------------------------------- the supplier

    def acknowledge(self, sent: Sent, now: datetime) -> None:
        with self._as_supplier(sent) as who:
            answer_order.acknowledge(self.portal, sent.order_id, who, now)

    def confirm(self, sent: Sent, at: datetime, now: datetime) -> None:
        with self._as_supplier(sent) as who:
            promise = Promise(line=sent.line, at=at)
            answer_order.confirm(self.portal, sent.order_id, [promise], who, now)

    def ship(self, sent: Sent, shipment_id: str, pieces: int, now: datetime) -> None:
        with self._as_supplier(sent) as who:
            count = Count(line=sent.line, pieces=pieces)
            shipment = Ship(shipment_id=shipment_id, counts=(count,))
            answer_order.ship(self.portal, sent.order_id, shipment, who, now)

    def refuse(self, sent: Sent, now: datetime) -> None:
        with self._as_supplier(sent) as who:
            answer_order.refuse(self.portal, sent.order_id, who, "none left", now)

    # ---------------------------------------------------------------- the customer

    def give_up(self, number: int, now: datetime) -> None:
        """Cancelled; or closed, where something has arrived or is on the road."""
        row = self.admin.execute(
            "SELECT order_id FROM orders WHERE number = %s", (number,)
        ).fetchone()
        assert row is not None
        self.refused["given up"] += 1
        with self._as_operations():
            try:
                with self.portal.transaction():
                    steer_order.cancel(self.portal, row[0], OPERATIONS, "it never came", now)
            except Refusal:
                steer_order.close(self.portal, row[0], OPERATIONS, "it never came", now)

    def ask(self, code: str, pieces: int, now: datetime) -> None:
        with self._as_operations():
            asker = Asker(name=OPERATIONS, supplier=False)
            ask_for_order(self.portal, code, pieces, "it is low, and nothing comes", asker, now)

    @contextmanager
    def _as_supplier(self, sent: Sent) -> Iterator[str]:
        with self._counted(), self.portal.transaction():
            asking.as_supplier(self.portal, sent.supplier_id, "orders@supplier.test")
            yield "orders@supplier.test"

    @contextmanager
    def _as_operations(self) -> Iterator[None]:
        with self._counted(), self.portal.transaction():
            asking.as_operations(self.portal, OPERATIONS)
            yield

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """A refusal is an answer."""
        try:
            yield
        except Refusal as no:
            self.refused[type(no).__name__] += 1
