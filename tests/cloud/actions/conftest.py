"""One order and whoever acts on it, and one bin whose readings come and are followed."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cloud.actions.assess import Assessment, assess_bin
from cloud.actions.take_in import take_in
from cloud.core.order_machine import Order
from cloud.postgres import asking
from tests.cloud import follow_cases
from tests.cloud import ingest_cases as cases
from tests.cloud.conftest import Shelf
from tests.cloud.follow_cases import Come
from tests.conftest import Database

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FERRO, ADA = "orders@ferro.example", "ada@plant.example"


@dataclass(frozen=True)
class Desk:
    """Acts are done over the log-ins that do them, so that rights are tested with the rules."""

    shelf: Shelf
    database: Database

    def weigh(self, pieces: int, at: datetime = NOON) -> Assessment:
        self.shelf.weigh(pieces, at)
        return self.assess(at)

    def assess(self, at: datetime = NOON) -> Assessment:
        with self.database.connect("binline_jobs") as conn:
            conn.autocommit = True
            return assess_bin(conn, self.shelf.bin_id, at)

    def supplier(self, act: Callable[..., Order], *values: Any, **named: Any) -> Order:
        with self.database.connect("binline_portal") as conn, conn.transaction():
            asking.as_supplier(conn, self.shelf.supplier_id, FERRO)
            return act(conn, *values, **named)

    def customer(self, act: Callable[..., Order], *values: Any, **named: Any) -> Order:
        with self.database.connect("binline_portal") as conn, conn.transaction():
            asking.as_operations(conn, ADA)
            return act(conn, *values, **named)

    def agree(self, mode: str = "auto", **clauses: object) -> None:
        """The first version of an agreement between the shelf's site and its supplier."""
        values: dict[str, object] = {
            "mode": mode,
            "draft_hours": 24,
            "escalate_after_hours": 8,
            "ownership": "owned",
            "answer_hours": 24,
            "grace_hours": 24,
            "band_quantity_percent": 0,
            "band_postpone_days": 0,
            "band_limits_percent": 0,
            "shared": ["levels"],
            "valid_from": NOON.date() - 30 * DAY,
            **clauses,
        }
        with self.shelf.admin.transaction():
            agreement_id = self._one(
                "INSERT INTO agreements (site_id, supplier_id) SELECT site_id, supplier_id"
                " FROM bins WHERE bin_id = %s RETURNING agreement_id",
                self.shelf.bin_id,
            )
            names = ", ".join(values)
            self.shelf.admin.execute(
                "INSERT INTO agreement_versions (agreement_id, number, agreed_at, proposed_by,"
                f" author, because, accepted_by, {names})"
                f" VALUES (%s, 1, %s, 'customer', 'ada', 'so', 'ferro'{', %s' * len(values)})",
                (agreement_id, NOON, *values.values()),
            )

    def price(self, price_e4: int) -> None:
        self.shelf.admin.execute(
            "INSERT INTO item_prices SELECT item_id, %s, 'EUR' FROM items", (price_e4,)
        )

    @property
    def order_id(self) -> UUID:
        return self.shelf.order_id()

    @property
    def state(self) -> str:
        return str(self.shelf.the_order()["state"])

    def events(self) -> list[tuple[str, str]]:
        return [(row["event"], row["actor"]) for row in self.shelf.rows("order_events")]

    def told(self) -> list[tuple[str, str]]:
        return sorted((row["kind"], row["about"]) for row in self.shelf.rows("notices"))

    def chained(self) -> list[str]:
        """The events in the chain of evidence."""
        rows = self.shelf.admin.execute(
            "SELECT body FROM order_evidence WHERE kind = 'event' ORDER BY order_id, seq"
        ).fetchall()
        return [json.loads(body)["event"] for (body,) in rows]

    def _one(self, query: str, *values: object) -> int:
        row = self.shelf.admin.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def desk(shelf: Shelf, database: Database) -> Desk:
    return Desk(shelf, database)


@pytest.fixture
def ordered(desk: Desk) -> Desk:
    """1,500 pieces in three packs, sent at noon."""
    desk.weigh(412)
    return desk


@pytest.fixture
def bin_id(database: Database) -> int:
    """One bin on a scale of the gateway lindau-1."""
    with database.admin() as admin:
        admin.autocommit = True
        return follow_cases.shelf(admin, "lindau-1")


@pytest.fixture
def come(database: Database) -> Iterator[Come]:
    """Messages of a gateway are taken in."""
    with database.connect("binline_ingest") as conn:
        conn.autocommit = True

        def come(messages: Sequence[Any], gateway: str = "lindau-1") -> object:
            arrived = [cases.arrived(one, gateway) for one in messages]
            return take_in(conn, arrived, follow_cases.NOW, set())

        yield come
