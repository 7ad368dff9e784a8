"""Counts by people: what lay in a bin when somebody looked, and why they say so."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row


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


def item_of(conn: psycopg.Connection, bin_id: int) -> int:
    """What lies in the bin, and is counted there."""
    row = conn.execute("SELECT item_id FROM bins WHERE bin_id = %s", (bin_id,)).fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, kw_only=True)
class CountRow:
    count_id: int
    kind: str
    pieces: int
    counted_at: datetime
    entered_at: datetime
    by: str
    because: str
    level_pieces: int | None

    @property
    def difference(self) -> int | None:
        """What the system had too much."""
        return None if self.level_pieces is None else self.level_pieces - self.pieces


def listed(
    conn: psycopg.Connection, bin_id: int, limit: int, before: tuple[datetime, int] | None = None
) -> list[CountRow]:
    """Newest first, by the time of counting."""
    cursor = conn.cursor(row_factory=class_row(CountRow))
    return cursor.execute(
        "SELECT count_id, kind, pieces, counted_at, entered_at, by, because, level_pieces"
        "  FROM counts WHERE bin_id = %(bin_id)s AND (%(at)s::timestamptz IS NULL"
        "    OR (counted_at, count_id) < (%(at)s, %(id)s::bigint))"
        " ORDER BY counted_at DESC, count_id DESC LIMIT %(limit)s",
        {
            "bin_id": bin_id,
            "limit": limit,
            "at": before and before[0],
            "id": before and before[1],
        },
    ).fetchall()


def compared_by_bin(
    conn: psycopg.Connection, since: datetime, item_id: int
) -> dict[str, list[tuple[int, int]]]:
    """By code of each bin of an item what was counted there in its turn, and what we held."""
    rows = conn.execute(
        "SELECT b.code, c.pieces, c.level_pieces FROM counts c JOIN bins b USING (bin_id)"
        " WHERE c.kind IN ('audit', 'cycle') AND c.level_pieces IS NOT NULL"
        "   AND c.counted_at >= %s AND c.item_id = %s ORDER BY b.code",
        (since, item_id),
    ).fetchall()
    found: dict[str, list[tuple[int, int]]] = {}
    for code, pieces, level in rows:
        found.setdefault(code, []).append((pieces, level))
    return found


def compared(
    conn: psycopg.Connection,
    since: datetime,
    *,
    bin_id: int | None = None,
    item_id: int | None = None,
    site_id: int | None = None,
) -> list[tuple[int, int]]:
    """What was counted, and what we held the bin for.

    Only what was counted in its turn: who counts because a number is doubtful finds more that is
    wrong than there is.
    """
    return conn.execute(
        "SELECT c.pieces, c.level_pieces FROM counts c JOIN bins b USING (bin_id)"
        " WHERE c.kind IN ('audit', 'cycle') AND c.level_pieces IS NOT NULL"
        "   AND c.counted_at >= %(since)s"
        "   AND (%(bin_id)s::int IS NULL OR c.bin_id = %(bin_id)s)"
        "   AND (%(item_id)s::int IS NULL OR c.item_id = %(item_id)s)"
        "   AND (%(site_id)s::int IS NULL OR b.site_id = %(site_id)s)",
        {"since": since, "bin_id": bin_id, "item_id": item_id, "site_id": site_id},
    ).fetchall()
