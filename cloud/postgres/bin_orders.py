"""What of orders is for one bin: lines that are open, and all that were ordered in a cycle."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from cloud.core.order_machine import has_left
from cloud.core.order_states import State
from cloud.core.stock import OpenLine


@dataclass(frozen=True, kw_only=True)
class LineOfBin:
    """One line into a bin, and where its order stands."""

    order_id: UUID
    order_number: int
    state: State
    line: int
    breach_id: int | None
    cycle: int
    quantity: int
    received: int
    promised_at: datetime | None
    due_at: datetime | None
    sent_at: datetime | None
    ended_by: str

    @property
    def outstanding(self) -> int:
        return max(0, self.quantity - self.received)

    @property
    def left(self) -> bool:
        return has_left(self.quantity, self.promised_at)


_OF_BIN = """
SELECT o.order_id, o.number AS order_number, o.state, l.number AS line, l.breach_id, l.cycle,
       l.quantity, l.received, l.promised_at, o.due_at, o.sent_at, o.ended_by
  FROM order_lines l JOIN orders o USING (order_id)
"""


def open_lines(conn: psycopg.Connection, bin_id: int) -> list[LineOfBin]:
    """Of orders that have not ended, oldest first."""
    query = f"{_OF_BIN} WHERE l.bin_id = %s AND o.ended_at IS NULL ORDER BY o.number"
    return _of_bin(conn, query, (bin_id,))


def lines_of_cycle(conn: psycopg.Connection, bin_id: int, cycle: int) -> list[LineOfBin]:
    """All that were ever ordered in this cycle, whatever became of them."""
    query = f"{_OF_BIN} WHERE l.bin_id = %s AND l.cycle = %s ORDER BY l.ordinal"
    return _of_bin(conn, query, (bin_id, cycle))


def _of_bin(conn: psycopg.Connection, query: str, values: tuple[int, ...]) -> list[LineOfBin]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, values).fetchall()
    return [LineOfBin(**{**row, "state": State(row["state"])}) for row in rows]


def as_open_line(line: LineOfBin, label: str, now: datetime) -> OpenLine:
    """What was never promised, nor reckoned by a calendar, covers and is never late."""
    return OpenLine(
        order_id=line.order_id,
        label=label,
        cycle=line.cycle,
        ordered=line.quantity,
        received=line.received,
        expected_at=line.promised_at or line.due_at or now,
    )


def booked_since(conn: psycopg.Connection, bin_id: int, since: datetime) -> int:
    """What of the refills since then is booked onto orders."""
    row = conn.execute(
        "SELECT coalesce(sum(pieces), 0) FROM order_receipts WHERE bin_id = %s AND event_at >= %s",
        (bin_id, since),
    ).fetchone()
    assert row is not None
    return int(row[0])
