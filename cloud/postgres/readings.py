"""Readings, written once. Binary COPY: the fastest way in that PostgreSQL has.

Rows of plain weights all have the same length, so they are one array, filled by the column;
anything rarer is put together field by field. Both make the same bytes (PostgreSQL manual, COPY,
"Binary Format"): per row the number of fields, per field its length, -1 for null, and its value.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg

from cloud.core.columns import Table
from cloud.core.readings import Batch, Reading, from_ms

COLUMNS = (
    "stream_no, received_at, stability, quality, clock_trusted, total, condition, because, code,"
    " change, corrected_at, sensor_id, measured_at, seq, weight_mg"
)
_COPY = f"COPY readings ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
_FIELDS = 15

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_INT2 = Struct(">ih").pack
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
_BOOL = Struct(">i?").pack
_COUNT = Struct(">h").pack
# The server reads a message whole before it begins with its rows: while it works on one of this
# size the next is on its way.
_CHUNK_ROWS = 640

# A row of a plain weight, in the order of COLUMNS: each value after its length, and a null is one.
_PLAIN = np.dtype(
    [
        ("fields", ">i2"),
        ("stream_no_length", ">i4"),
        ("stream_no", ">i4"),
        ("received_at_length", ">i4"),
        ("received_at", ">i8"),
        ("stability_length", ">i4"),
        ("stability", ">i2"),
        ("quality_length", ">i4"),
        ("quality", ">i2"),
        ("clock_trusted_length", ">i4"),
        ("clock_trusted", np.bool_),
        ("nulls", ">i4", 6),  # total, condition, because, code, change, corrected_at
        ("sensor_id_length", ">i4"),
        ("sensor_id", ">i4"),
        ("measured_at_length", ">i4"),
        ("measured_at", ">i8"),
        ("seq_length", ">i4"),
        ("seq", ">i8"),
        ("weight_mg_length", ">i4"),
        ("weight_mg", ">i8"),
    ]
)

_EPOCH_OF_POSTGRES = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_MS = 946_684_800_000  # from 1970 to there
_US = timedelta(microseconds=1)


class Aside(NamedTuple):
    """A reading whose time is not believed, and why."""

    sensor_id: int
    reading: Reading
    corrected_ms: int | None
    because: str


class Rows(NamedTuple):
    """Readings of one batch, with the numbers the database knows its sensors and stream by."""

    stream_no: int
    sensor_ids: Sequence[int]  # by the readings' `sensor`
    readings: Sequence[Reading]
    corrected: Mapping[int, int]  # seq: milliseconds since 1970


def copy_in(
    conn: psycopg.Connection,
    batches: Iterable[Rows],
    received_at: datetime,
    table: Table | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """`meanwhile`: what is to be done while the database still works on the last that was sent."""
    received_us = (received_at - _EPOCH_OF_POSTGRES) // _US
    with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(_HEADER)
        if table is not None:
            for begin in range(0, len(table), _CHUNK_ROWS):
                copy.write(_plain(table, slice(begin, begin + _CHUNK_ROWS), received_us))
        for rows in batches:
            copy.write(b"".join(_packed(rows, _INT8(8, received_us))))
        copy.write(_TRAILER)
        meanwhile()


def set_aside(
    conn: psycopg.Connection, stream_no: int, asides: Iterable[Aside], received_at: datetime
) -> None:
    conn.cursor().executemany(
        "INSERT INTO readings_aside (stream_no, received_at, aside_because, corrected_at,"
        " sensor_id, seq, measured_at, weight_mg, total, condition, because, stability, quality,"
        " clock_trusted, code, change)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                stream_no,
                received_at,
                aside.because,
                None if aside.corrected_ms is None else from_ms(aside.corrected_ms),
                aside.sensor_id,
                aside.reading.seq,
                aside.reading.measured_at,
                *aside.reading[3:],
            )
            for aside in asides
        ],
    )


def asides(conn: psycopg.Connection, limit: int) -> list[tuple[object, ...]]:
    """What is set aside, by gateway, sensor and reason: how many, from when to when."""
    return conn.execute(
        "SELECT g.name, s.name, a.aside_because, count(*), min(a.measured_at), max(a.measured_at)"
        "  FROM readings_aside a JOIN sensors s USING (sensor_id)"
        "  JOIN gateways g USING (gateway_id)"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT %s",
        (limit,),
    ).fetchall()


def there(
    conn: psycopg.Connection, stream_no: int, sensor_ids: Sequence[int], batch: Batch
) -> set[int]:
    """Which readings of a batch are here, or set aside: their seqs."""
    within, stamps = batch.range, [reading.at_ms for reading in batch.readings]
    rows = conn.execute(
        "SELECT seq FROM readings WHERE stream_no = %(no)s AND sensor_id = ANY(%(sensors)s)"
        "  AND seq BETWEEN %(first)s AND %(last)s AND measured_at BETWEEN %(from)s AND %(to)s"
        " UNION ALL SELECT seq FROM readings_aside WHERE stream_no = %(no)s"
        "  AND seq BETWEEN %(first)s AND %(last)s",
        {
            "no": stream_no,
            "sensors": list(sensor_ids),
            "first": within.first,
            "last": within.last,
            "from": from_ms(min(stamps)),
            "to": from_ms(max(stamps)),
        },
    ).fetchall()
    return {seq for (seq,) in rows}


def _plain(table: Table, part: slice, received_us: int) -> bytes:
    said = table.said[part]
    rows = np.full(len(said), _plain_row(received_us), _PLAIN)
    rows["stream_no"] = table.stream_no[part]
    rows["sensor_id"] = table.sensor_id[part]
    rows["seq"] = table.seq[part]
    rows["measured_at"] = (said["at_ms"] - _EPOCH_MS) * 1_000
    for column in ("stability", "quality", "clock_trusted", "weight_mg"):
        rows[column] = said[column]
    return rows.tobytes()


def _plain_row(received_us: int) -> npt.NDArray[np.void]:
    """What all of them have in common."""
    row = np.zeros((), _PLAIN)
    row["fields"], row["nulls"], row["received_at"] = _FIELDS, -1, received_us
    for name in _PLAIN.names or ():
        if name.endswith("_length"):
            row[name] = _PLAIN[name.removesuffix("_length")].itemsize
    return row


def _packed(rows: Rows, received: bytes) -> list[bytes]:
    stream_no, sensor_ids, readings, corrected = rows
    begin = _COUNT(_FIELDS) + _INT4(4, stream_no) + received
    return [
        begin + _packed_one(said, sensor_ids[said.sensor], corrected.get(said.seq))
        for said in readings
    ]


def _head(reading: Reading, corrected_ms: int | None) -> bytes:
    return b"".join(
        (
            _INT2(2, reading.stability),
            _INT2(2, reading.quality),
            _BOOL(1, reading.clock_trusted),
            _NULL if reading.total is None else _INT8(8, reading.total),
            _text(reading.condition),
            _text(reading.because),
            _text(reading.code),
            _text(reading.change),
            _NULL if corrected_ms is None else _INT8(8, (corrected_ms - _EPOCH_MS) * 1_000),
        )
    )


def _packed_one(reading: Reading, sensor_id: int, corrected_ms: int | None) -> bytes:
    weight_mg = reading.weight_mg
    return b"".join(
        (
            _head(reading, corrected_ms),
            _INT4(4, sensor_id),
            _INT8(8, (reading.at_ms - _EPOCH_MS) * 1_000),
            _INT8(8, reading.seq),
            _NULL if weight_mg is None else _INT8(8, weight_mg),
        )
    )


def _text(text: str | None) -> bytes:
    if text is None:
        return _NULL
    encoded = text.encode()
    return len(encoded).to_bytes(4, "big") + encoded
