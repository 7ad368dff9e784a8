"""Movements: what was booked of a bin, and what took its place."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from cloud.core.followed import Movement, MovementKind, ReadingRange, ReadingRef

_COLUMNS = (
    "kind, pieces, before_pieces, after_pieces, event_at, confirmed_at, before_refs, after_refs,"
    " before_mg, after_mg, because"
)
_INSERT = f"""
INSERT INTO movements (bin_id, item_id, known_at, restated, {_COLUMNS})
SELECT bin_id, item_id, %s, restated, {_COLUMNS}
  FROM ROWS FROM (json_to_recordset(%s::json) AS (
       bin_id int, item_id int, restated boolean, kind text, pieces int, before_pieces int,
       after_pieces int, event_at timestamptz, confirmed_at timestamptz, before_refs bigint[],
       after_refs bigint[], before_mg bigint, after_mg bigint, because text)) WITH ORDINALITY
       AS t(bin_id, item_id, restated, {_COLUMNS}, place)
 ORDER BY place
"""  # noqa: S608 - made of constants


class Booked(NamedTuple):
    movement_id: int
    movement: Movement
    known_at: datetime


class New(NamedTuple):
    bin_id: int
    item_id: int
    movement: Movement
    restated: bool = False


def live_since(
    conn: psycopg.Connection, bin_id: int, item_id: int, since: datetime | None
) -> list[Booked]:
    """What is booked of the item in the bin and was concluded from what came after `since`."""
    rows = conn.execute(
        f"SELECT movement_id, known_at, {_COLUMNS} FROM movements"  # noqa: S608 - constants
        "  WHERE bin_id = %s AND item_id = %s AND replaced_at IS NULL"
        "    AND (%s::timestamptz IS NULL OR greatest(confirmed_at, event_at) > %s)"
        "  ORDER BY confirmed_at, movement_id",
        (bin_id, item_id, since, since),
    ).fetchall()
    return [Booked(row[0], _movement(row[2:]), row[1]) for row in rows]


def last(conn: psycopg.Connection, bin_id: int, item_id: int, limit: int) -> list[Booked]:
    """The newest movements of the item in the bin, the oldest of them first."""
    rows = conn.execute(
        f"SELECT movement_id, known_at, {_COLUMNS} FROM movements"  # noqa: S608 - constants
        "  WHERE bin_id = %s AND item_id = %s AND replaced_at IS NULL"
        "  ORDER BY event_at DESC, movement_id DESC LIMIT %s",
        (bin_id, item_id, limit),
    ).fetchall()
    return [Booked(row[0], _movement(row[2:]), row[1]) for row in reversed(rows)]


def replace(conn: psycopg.Connection, movement_ids: Sequence[int], now: datetime) -> None:
    if movement_ids:
        conn.execute(
            "UPDATE movements SET replaced_at = %s WHERE movement_id = ANY(%s)",
            (now, list(movement_ids)),
        )


def insert(conn: psycopg.Connection, new: Sequence[New], now: datetime) -> None:
    """In one statement: whatever is noted of movements is then noted once for all of them."""
    if new:
        rows = json.dumps([_row(one) for one in new], default=datetime.isoformat)
        conn.execute(_INSERT, (now, rows))


def _row(new: New) -> dict[str, object]:
    moved = new.movement
    return {
        "bin_id": new.bin_id,
        "item_id": new.item_id,
        "restated": new.restated,
        "kind": moved.kind,
        "pieces": moved.pieces,
        "before_pieces": moved.before_pieces,
        "after_pieces": moved.after_pieces,
        "event_at": moved.event_at,
        "confirmed_at": moved.known_at_reading,
        "before_refs": None if moved.before is None else _refs(moved.before),
        "after_refs": _refs(moved.after),
        "before_mg": moved.before_mg,
        "after_mg": moved.after_mg,
        "because": moved.because,
    }


def _refs(readings: ReadingRange) -> list[int]:
    return [*readings.first, *readings.last]


def _range(refs: Sequence[int]) -> ReadingRange:
    return ReadingRange(ReadingRef(refs[0], refs[1]), ReadingRef(refs[2], refs[3]))


def _movement(row: Sequence[object]) -> Movement:
    (kind, pieces, before, after, event_at, confirmed_at) = row[:6]
    (before_refs, after_refs, before_mg, after_mg, because) = row[6:]
    assert isinstance(event_at, datetime)
    assert isinstance(confirmed_at, datetime)
    assert isinstance(after_refs, list)
    return Movement(
        kind=MovementKind(str(kind)),
        pieces=_int(pieces),
        before_pieces=_int(before),
        after_pieces=_int(after),
        event_at=event_at,
        known_at_reading=confirmed_at,
        before=_range(before_refs) if isinstance(before_refs, list) else None,
        after=_range(after_refs),
        before_mg=None if before_mg is None else _int(before_mg),
        after_mg=None if after_mg is None else _int(after_mg),
        because=str(because),
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def last_before(conn: psycopg.Connection, bin_id: int, item_id: int, at: datetime) -> int | None:
    """The level that the last movement before `at` left behind."""
    row = conn.execute(
        "SELECT after_pieces FROM movements WHERE bin_id = %s AND item_id = %s"
        "   AND replaced_at IS NULL AND greatest(confirmed_at, event_at) <= %s"
        " ORDER BY greatest(confirmed_at, event_at) DESC, movement_id DESC LIMIT 1",
        (bin_id, item_id, at),
    ).fetchone()
    return None if row is None else int(row[0])


class Restated(NamedTuple):
    bin_id: int
    item_id: int
    at: datetime
    from_ug: int
    to_ug: int
    movements: int
    before_pieces: int
    after_pieces: int


def note_restated(conn: psycopg.Connection, restated: Restated) -> None:
    conn.execute(
        "INSERT INTO restatements (bin_id, item_id, at, from_ug, to_ug, movements, before_pieces,"
        " after_pieces) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        restated,
    )


# ------------------------------------------------------------------ what is shown of them


@dataclass(frozen=True, kw_only=True)
class MovementRow:
    movement_id: int
    kind: str
    pieces: int
    before_pieces: int
    after_pieces: int
    event_at: datetime
    confirmed_at: datetime
    known_at: datetime
    before_refs: list[int] | None
    after_refs: list[int]
    before_mg: int | None
    after_mg: int | None
    because: str
    restated: bool
    replaced_at: datetime | None


_LISTED = f"""
SELECT movement_id, known_at, restated, replaced_at, {_COLUMNS} FROM movements
 WHERE bin_id = %(bin_id)s AND (replaced_at IS NOT NULL) = %(replaced)s
   AND (%(since)s::timestamptz IS NULL OR event_at >= %(since)s)
   AND (%(upto)s::timestamptz IS NULL OR event_at < %(upto)s)
   AND (%(before_at)s::timestamptz IS NULL
        OR (event_at, movement_id) < (%(before_at)s, %(before_id)s::bigint))
 ORDER BY event_at DESC, movement_id DESC LIMIT %(limit)s
"""  # noqa: S608 - made of constants


def listed(  # noqa: PLR0917 - as a list is asked for
    conn: psycopg.Connection,
    bin_id: int,
    limit: int,
    since: datetime | None = None,
    upto: datetime | None = None,
    before: tuple[datetime, int] | None = None,
    *,
    replaced: bool = False,
) -> list[MovementRow]:
    """Newest first, from `since` until `upto`, those before the place `before`."""
    cursor = conn.cursor(row_factory=class_row(MovementRow))
    return cursor.execute(
        _LISTED,
        {
            "bin_id": bin_id,
            "replaced": replaced,
            "since": since,
            "upto": upto,
            "before_at": before and before[0],
            "before_id": before and before[1],
            "limit": limit,
        },
    ).fetchall()


@dataclass(frozen=True, kw_only=True)
class RestatedRow:
    at: datetime
    from_ug: int
    to_ug: int
    movements: int
    before_pieces: int
    after_pieces: int


def restatements(conn: psycopg.Connection, bin_id: int, limit: int) -> list[RestatedRow]:
    cursor = conn.cursor(row_factory=class_row(RestatedRow))
    return cursor.execute(
        "SELECT at, from_ug, to_ug, movements, before_pieces, after_pieces FROM restatements"
        " WHERE bin_id = %s ORDER BY at DESC LIMIT %s",
        (bin_id, limit),
    ).fetchall()


# Of a bin that is not weighed, what a person counted is of a delivery while one may be there:
# shipped, or due within a day, or in part here already. Else an older count may have been wrong.
_CAME = """
  m.bin_id = %(bin_id)s AND m.replaced_at IS NULL AND m.event_at >= %(since)s
  AND m.kind IN ('refill', 'swap') AND m.pieces > 0
  AND (b.measure = 'weight' OR m.before_refs IS DISTINCT FROM m.after_refs OR EXISTS (
       SELECT FROM order_lines l JOIN orders o USING (order_id)
        WHERE l.bin_id = m.bin_id AND m.event_at >= o.sent_at
          AND (l.quantity > 0 OR l.promised_at IS NOT NULL)
          AND (o.ended_at IS NULL OR m.event_at <= o.ended_at)
          AND m.event_at >= least(
              o.shipped_at, coalesce(l.promised_at, o.due_at, o.sent_at) - interval '1 day',
              (SELECT min(r.event_at) FROM order_receipts r
                WHERE r.order_id = l.order_id AND r.line = l.number))))
"""


def came_since(conn: psycopg.Connection, bin_id: int, since: datetime) -> int:
    """What was filled in since then."""
    row = conn.execute(
        "SELECT coalesce(sum(m.pieces), 0) FROM movements m JOIN bins b USING (bin_id)"  # noqa: S608 - constants
        f" WHERE {_CAME}",
        {"bin_id": bin_id, "since": since},
    ).fetchone()
    assert row is not None
    return int(row[0])


class Refill(NamedTuple):
    movement_id: int
    event_at: datetime
    counted_by: str | None  # None: the scale has told, or what else the bin is measured by
    weighed: bool


def last_refill(conn: psycopg.Connection, bin_id: int, since: datetime) -> Refill | None:
    """The newest one since then, if there was any.

    One that rests on the same readings before and after is of a count that was made in its time.
    """
    row = conn.execute(
        "SELECT m.movement_id, m.event_at,"  # noqa: S608 - made of constants
        "       CASE WHEN m.before_refs = m.after_refs THEN c.by END, b.measure = 'weight'"
        "  FROM movements m JOIN bins b USING (bin_id)"
        "  LEFT JOIN counts c ON c.bin_id = m.bin_id AND c.counted_at = m.event_at"
        "   AND c.kind <> 'tare'"
        f" WHERE {_CAME} ORDER BY m.event_at DESC, m.movement_id DESC LIMIT 1",
        {"bin_id": bin_id, "since": since},
    ).fetchone()
    return None if row is None else Refill(int(row[0]), row[1], row[2], row[3])
