"""What the nightly estimate came to for each bin, and what it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

# One estimate at a time, by whichever process gets there first.
_ESTIMATING = 3_816_010


@dataclass(frozen=True, kw_only=True)
class ParameterRow:
    """Of one bin, as it was computed last."""

    computed_at: datetime
    target_permille: int
    method: str
    learning: bool
    rate_milli_per_day: int
    spread: float
    minimum: int | None
    order_up_to: int | None
    because: str
    applied_minimum: int | None = None
    applied_order_up_to: int | None = None
    held: str = ""


@dataclass(frozen=True, kw_only=True)
class Estimable:
    """A bin in use, with all that its parameters are reckoned from beside its demand."""

    bin_id: int
    capacity: int
    minimum: int
    margin: int
    order_up_to: int | None
    pack: int
    moq: int
    price_e4: int | None
    policy: str
    applied_minimum: int | None
    applied_order_up_to: int | None

    @property
    def price(self) -> Decimal:
        """Of a piece, to weigh bins against each other; one where nobody has said it."""
        return Decimal(self.price_e4 or 10_000) / 10_000


_COLUMNS = (
    "computed_at, target_permille, method, learning, rate_milli_per_day, spread, minimum,"
    " order_up_to, because, applied_minimum, applied_order_up_to, held"
)
_ESTIMABLE = """
SELECT b.bin_id, b.capacity, b.minimum, b.margin, b.order_up_to,
       coalesce(line.pack, i.pack) AS pack, coalesce(p.moq, line.moq, 1) AS moq, pr.price_e4,
       coalesce(p.policy, 'min_max') AS policy, o.applied_minimum, o.applied_order_up_to
  FROM bins b
  JOIN items i USING (item_id)
  LEFT JOIN item_suppliers line ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id
  LEFT JOIN item_prices pr ON pr.item_id = b.item_id
  LEFT JOIN bin_policies p ON p.bin_id = b.bin_id
  LEFT JOIN bin_parameters o ON o.bin_id = b.bin_id
 WHERE b.active ORDER BY b.bin_id
"""
_SAVE = f"""
INSERT INTO bin_parameters AS p (bin_id, {_COLUMNS})
SELECT t.* FROM unnest(%s::int[], %s::timestamptz[], %s::int[], %s::text[], %s::boolean[],
                     %s::bigint[], %s::real[], %s::int[], %s::int[], %s::text[], %s::int[],
                     %s::int[], %s::text[])
    AS t(bin_id, {_COLUMNS})
ON CONFLICT (bin_id) DO UPDATE SET
""" + ", ".join(f"{one} = EXCLUDED.{one}" for one in _COLUMNS.split(", "))  # noqa: S608 - of constants


def estimable(conn: psycopg.Connection) -> list[Estimable]:
    """All bins in use, in the order of their numbers."""
    return conn.cursor(row_factory=class_row(Estimable)).execute(_ESTIMABLE).fetchall()


def save(conn: psycopg.Connection, rows: Sequence[tuple[int, ParameterRow]]) -> None:
    names = _COLUMNS.split(", ")
    columns: list[list[Any]] = [[bin_id for bin_id, _ in rows]]
    columns += [[getattr(row, name) for _, row in rows] for name in names]
    conn.execute(_SAVE, columns)


def of_bin(conn: psycopg.Connection, bin_id: int) -> ParameterRow | None:
    cursor = conn.cursor(row_factory=class_row(ParameterRow))
    query = f"SELECT {_COLUMNS} FROM bin_parameters WHERE bin_id = %s"  # noqa: S608 - of constants
    return cursor.execute(query, (bin_id,)).fetchone()


def note_applied(
    conn: psycopg.Connection, bin_id: int, minimum: int, order_up_to: int | None
) -> None:
    conn.execute(
        "UPDATE bin_parameters SET applied_minimum = %s, applied_order_up_to = %s"
        " WHERE bin_id = %s",
        (minimum, order_up_to, bin_id),
    )


def note_held(conn: psycopg.Connection, bin_id: int, because: str) -> None:
    conn.execute("UPDATE bin_parameters SET held = %s WHERE bin_id = %s", (because, bin_id))


def forget_others(conn: psycopg.Connection, before: datetime) -> int:
    """What is older than this estimate is of bins that are no longer in use."""
    return conn.execute("DELETE FROM bin_parameters WHERE computed_at < %s", (before,)).rowcount


def last_computed(conn: psycopg.Connection) -> datetime | None:
    row = conn.execute("SELECT max(computed_at) FROM bin_parameters").fetchone()
    return None if row is None else row[0]


def take_turn(conn: psycopg.Connection) -> bool:
    """Until `end_turn` or the end of the connection; false: another process is at it."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", (_ESTIMATING,)).fetchone()
    assert row is not None
    return bool(row[0])


def end_turn(conn: psycopg.Connection) -> None:
    conn.execute("SELECT pg_advisory_unlock(%s)", (_ESTIMATING,))
