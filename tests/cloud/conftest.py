"""A shelf for tests of actions and loops: one bin on one scale, one supplier who wants to know."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

TARE_MG = 350_000
PIECE_MG = 4_200
REFILL_MIN = 50  # what is less was put back


@dataclass(frozen=True)
class Shelf:
    """One bin: minimum 500 with margin 20, room for 2,000, in packs of 500, heard each minute."""

    admin: psycopg.Connection
    bin_id: int
    supplier_id: int
    sensor_id: int
    stream_no: int

    def weigh(self, pieces: int, at: datetime | None = None, **changes: object) -> None:
        """What ingest and whoever follows write when the scale shows `pieces`.

        `changes` are columns of bin_state.
        """
        at = at or datetime.now(UTC)
        state: dict[str, object] = {
            "sensor_id": self.sensor_id,
            "heard_at": at,
            "received_at": at,
            "condition": None,
            "measured_at": at,
            "weight_mg": TARE_MG + pieces * PIECE_MG,
            "stability": 0,
            "quality": 0,
            "clock_trusted": True,
            "stream_no": self.stream_no,
            "seq": 7,
            **changes,
        }
        with self.admin.transaction():
            self.admin.execute("DELETE FROM bin_state WHERE bin_id = %s", (self.bin_id,))
            self.admin.execute(
                f"INSERT INTO bin_state (bin_id, {', '.join(state)})"
                f" VALUES (%s{', %s' * len(state)})",
                (self.bin_id, *state.values()),
            )
            self.admin.execute(
                "INSERT INTO readings (sensor_id, measured_at, stream_no, seq, received_at,"
                " weight_mg, condition, total, stability, quality, clock_trusted)"
                " SELECT sensor_id, heard_at, stream_no, seq, received_at,"
                " CASE WHEN condition IS NULL THEN weight_mg END, condition,"
                " CASE WHEN condition IS NULL THEN total END, stability, quality, clock_trusted"
                " FROM bin_state WHERE bin_id = %s AND stream_no IS NOT NULL"
                " ON CONFLICT DO NOTHING",
                (self.bin_id,),
            )
            self.admin.execute(
                "INSERT INTO follow_due (sensor_ids, from_ms) VALUES (ARRAY[%s::int],"
                " ARRAY[(extract(epoch FROM %s::timestamptz) * 1000)::bigint])",
                (self.sensor_id, at),
            )
            # What whoever follows books when so much more lies there: a refill, confirmed.
            self.admin.execute(
                "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
                " event_at, confirmed_at, known_at, after_refs, because)"
                " SELECT b.bin_id, b.item_id, 'refill', %(now)s - l.pieces, l.pieces, %(now)s,"
                " %(at)s, %(at)s, %(at)s, '{1,1,1,1}', ''"
                "   FROM bins b JOIN bin_levels l USING (bin_id)"
                "  WHERE b.bin_id = %(bin)s AND %(now)s - l.pieces >= %(refill)s",
                {"bin": self.bin_id, "now": pieces, "at": at, "refill": REFILL_MIN},
            )
            self.admin.execute(
                "INSERT INTO bin_levels AS l (bin_id, pieces, exact, level_at, followed_at)"
                " VALUES (%s, %s, true, %s, %s) ON CONFLICT (bin_id) DO UPDATE SET"
                " pieces = EXCLUDED.pieces, level_at = EXCLUDED.level_at,"
                " followed_at = EXCLUDED.followed_at, changed_xid = pg_current_xact_id()",
                (self.bin_id, pieces, at, at),
            )
            self.admin.execute(
                "INSERT INTO bin_due VALUES (%s) ON CONFLICT DO NOTHING", (self.bin_id,)
            )

    def begin_anew(self) -> None:
        """As if nothing had ever been decided, ordered or moved: for the next example of many."""
        self.admin.execute(
            "TRUNCATE breaches, orders, order_lines, order_acts, order_receipts, order_events,"
            " order_evidence, notices, attempts, decisions, movements, bin_watches, bin_levels,"
            " shadow_orders, findings, bin_days, bin_weeks, bin_periods,"
            " bin_days_due"
        )

    def rows(self, table: str) -> list[dict[str, Any]]:
        with self.admin.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()

    def counts(self) -> tuple[int, int, int]:
        """Breaches, orders, notices."""
        return (len(self.rows("breaches")), len(self.rows("orders")), len(self.rows("notices")))

    def the_order(self) -> dict[str, Any]:
        (order,) = self.rows("orders")
        return order

    def channel(self, kind: str, address: str, secret: str = "", supplier_id: int = 0) -> int:
        return self._one(
            "INSERT INTO supplier_channels (supplier_id, kind, address, secret)"
            " VALUES (%s, %s, %s, %s) RETURNING channel_id",
            supplier_id or self.supplier_id,
            kind,
            address,
            secret,
        )

    def xid(self) -> int:
        """Grows when open pages are told to look at the bin again."""
        return self._one(
            "SELECT changed_xid::text::bigint FROM bin_state WHERE bin_id = %s", self.bin_id
        )

    def the_line(self) -> dict[str, Any]:
        (line,) = self.rows("order_lines")
        return line

    def order_id(self) -> UUID:
        return UUID(str(self.the_order()["order_id"]))

    def _one(self, query: str, *values: object) -> int:
        row = self.admin.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])


def _shelf(admin: psycopg.Connection, code: str) -> Shelf:
    def one(query: str, *values: object) -> int:
        row = admin.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])

    number = len(admin.execute("SELECT 1 FROM bins").fetchall()) + 1
    site_id = one(
        "INSERT INTO sites (name, place, time_zone) VALUES (%s, 'Hall C', 'Europe/Berlin')"
        " RETURNING site_id",
        f"Hartmann Rail {number}",
    )
    supplier_id = one(
        "INSERT INTO suppliers (name) VALUES (%s) RETURNING supplier_id", f"Ferro AG {number}"
    )
    item_id = one(
        "INSERT INTO items (sku, name, unit_weight_ug, pack)"
        " VALUES (%s, 'Hex bolt M8 x 30', %s, 500) RETURNING item_id",
        f"1048{number}",
        PIECE_MG * 1_000,
    )
    admin.execute(
        "INSERT INTO item_suppliers (item_id, supplier_id, supplier_sku) VALUES (%s, %s, %s)",
        (item_id, supplier_id, "FE-88213"),
    )
    bin_id = one(
        "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum, margin,"
        " tare_mg, interval_s) VALUES (%s, %s, %s, %s, 'R02-B4', 2000, 500, 20, %s, 60)"
        " RETURNING bin_id",
        code,
        site_id,
        item_id,
        supplier_id,
        TARE_MG,
    )
    gateway_id = one(
        "INSERT INTO gateways (name, site_id, presence) VALUES (%s, %s, 'online')"
        " RETURNING gateway_id",
        f"hartmann-{number}",
        site_id,
    )
    sensor_id = one(
        "INSERT INTO sensors (gateway_id, name, bin_id) VALUES (%s, 's01', %s) RETURNING sensor_id",
        gateway_id,
        bin_id,
    )
    stream_no = one(
        "INSERT INTO streams (gateway_id, stream, first_heard_at)"
        " VALUES (%s, gen_random_uuid(), now()) RETURNING stream_no",
        gateway_id,
    )
    return Shelf(admin, bin_id, supplier_id, sensor_id, stream_no)


@pytest.fixture
def jobs(database: Any) -> Iterator[psycopg.Connection]:
    """As a worker has it."""
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


@pytest.fixture
def make_shelf(database: Any) -> Callable[[str], Shelf]:
    return lambda code: _shelf(database.admin(), code)


@pytest.fixture
def shelf(make_shelf: Callable[[str], Shelf]) -> Shelf:
    """With one mail channel."""
    shelf = make_shelf("HRT-R02-B4")
    shelf.channel("email", "orders@ferro.example")
    return shelf
