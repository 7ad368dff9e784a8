"""Readings, written once. Binary COPY: the fastest way in that PostgreSQL has.

A batch of plain weights has a head in common, and a row is that and one `pack`; anything rarer is
put together field by field. Both make the same bytes (PostgreSQL manual, COPY, "Binary
Format"): per row the number of fields, per field its length, -1 for null, and its value.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import NamedTuple

import psycopg

from cloud.core.readings import Batch, Reading, from_ms

COLUMNS = (
    "stream_no, received_at, stability, quality, clock_trusted, total, condition, because, code,"
    " change, corrected_at, sensor_id, measured_at, seq, weight_mg"
)
_COPY = f"COPY readings ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
_FIELDS = 15

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_NOTHING = {None}
_NULL = b"\xff\xff\xff\xff"
_INT2 = Struct(">ih").pack
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
_BOOL = Struct(">i?").pack
_COUNT = Struct(">h").pack
# sensor_id, measured_at, seq, weight_mg
_TAIL = Struct(">iiiqiqiq").pack

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


def copy_in(conn: psycopg.Connection, batches: Iterable[Rows], received_at: datetime) -> None:
    received = _INT8(8, (received_at - _EPOCH_OF_POSTGRES) // _US)
    with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(_HEADER)
        for rows in batches:
            if rows.readings:
                copy.write(b"".join(_packed(rows, received)))
        copy.write(_TRAILER)


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


def _packed(rows: Rows, received: bytes) -> list[bytes]:
    stream_no, sensor_ids, readings, corrected = rows
    begin = _COUNT(_FIELDS) + _INT4(4, stream_no) + received
    sensors, seqs, stamps, weights, *others, stills, goods, clocks, codes, changes = zip(
        *readings, strict=True
    )
    plain = all(set(column) == _NOTHING for column in (*others, codes, changes))
    marks = set(zip(stills, goods, clocks, strict=True))
    if corrected or not plain or None in weights or len(marks) > 1:
        return [
            begin + _rarer(reading, sensor_ids[reading.sensor], corrected.get(reading.seq))
            for reading in readings
        ]
    head, tail = begin + _head(readings[0], None), _TAIL
    return [
        head + tail(4, sensor_ids[sensor], 8, (at_ms - _EPOCH_MS) * 1_000, 8, seq, 8, weight_mg)
        for sensor, seq, at_ms, weight_mg in zip(sensors, seqs, stamps, weights, strict=True)
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


def _rarer(reading: Reading, sensor_id: int, corrected_ms: int | None) -> bytes:
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
