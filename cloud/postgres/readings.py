"""Readings, written once and never changed. Binary COPY: the fastest way in that PostgreSQL has."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import psycopg

from cloud.core.readings import Reading


class Placed(NamedTuple):
    """A reading with the numbers the database knows its sensor and stream by."""

    sensor_id: int
    stream_no: int
    reading: Reading


_COPY = (
    "COPY readings (sensor_id, measured_at, stream_no, seq, received_at, weight_mg, total,"
    " condition, because, stability, quality, clock_trusted, code, change)"
    " FROM STDIN (FORMAT BINARY)"
)
# Binary COPY casts nothing: these must be exactly the types of the columns.
_TYPES = (
    "int4",
    "timestamptz",
    "int4",
    "int8",
    "timestamptz",
    "int8",
    "int8",
    "text",
    "text",
    "int2",
    "int2",
    "bool",
    "text",
    "text",
)


def copy_in(conn: psycopg.Connection, rows: Iterable[Placed], received_at: datetime) -> None:
    with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        write = copy.write_row
        for sensor_id, stream_no, reading in rows:
            write(
                (
                    sensor_id,
                    reading.measured_at,
                    stream_no,
                    reading.seq,
                    received_at,
                    *reading[3:],
                )
            )
