"""Counts by people: what lay in a bin when somebody looked, and why they say so."""

from dataclasses import dataclass
from datetime import datetime

import psycopg


@dataclass(frozen=True, kw_only=True)
class NewCount:
    bin_id: int
    item_id: int
    kind: str  # audit, cycle, correction, tare
    pieces: int
    counted_at: datetime
    by: str
    because: str
    level_pieces: int | None


def insert(conn: psycopg.Connection, count: NewCount, now: datetime) -> None:
    conn.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because,"
        " level_pieces) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            count.bin_id,
            count.item_id,
            count.kind,
            count.pieces,
            count.counted_at,
            now,
            count.by,
            count.because,
            count.level_pieces,
        ),
    )
