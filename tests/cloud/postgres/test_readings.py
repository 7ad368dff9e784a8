import io
from typing import Any, Self

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.readings import Reading, from_ms
from cloud.postgres import readings
from cloud.postgres.readings import Rows
from tests.cloud.ingest_cases import NOW, NOW_MS

COLUMNS = (
    "sensor_id, measured_at, stream_no, seq, received_at, weight_mg, total, condition, because,"
    " stability, quality, clock_trusted, code, change, corrected_at"
)


def reading(seq: int, at_ms: int, **outcome: Any) -> Reading:
    said = Reading(0, seq, at_ms, None, None, None, None, 0, 0, clock_trusted=True)
    return said._replace(**outcome)


def test_every_column_arrives_as_it_was(database: Any) -> None:
    rows = [
        reading(3, NOW_MS - 1, weight_mg=-(2**53), quality=1),
        reading(4, NOW_MS, total=2**53, stability=2, clock_trusted=False),
        reading(5, NOW_MS, condition="fault", because="ä\n", stability=255, quality=255),
        reading(6, NOW_MS, code="04A2\u20ac", change="present"),
        reading(7, NOW_MS, weight_mg=5, clock_trusted=False),
    ]
    corrected = {7: NOW_MS + 1_500}
    with database.connect("binline_ingest") as conn:
        readings.copy_in(conn, [Rows(2, [1], rows, corrected)], NOW)
        stored = conn.execute(f"SELECT {COLUMNS} FROM readings ORDER BY seq").fetchall()
    ms, none = NOW_MS, (None, None)
    assert stored == [
        (1, from_ms(ms - 1), 2, 3, NOW, -(2**53), None, *none, 0, 1, True, *none, None),
        (1, NOW, 2, 4, NOW, None, 2**53, *none, 2, 0, False, *none, None),
        (1, NOW, 2, 5, NOW, None, None, "fault", "ä\n", 255, 255, True, *none, None),
        (1, NOW, 2, 6, NOW, *none, *none, 0, 0, True, "04A2\u20ac", "present", None),
        (1, NOW, 2, 7, NOW, 5, None, *none, 0, 0, False, *none, from_ms(ms + 1_500)),
    ]


def test_a_reading_is_one_thing_and_nothing_is_stored_when_one_is_not(database: Any) -> None:
    both = [reading(1, NOW_MS, weight_mg=5), reading(2, NOW_MS, weight_mg=5, total=5)]
    with database.connect("binline_ingest") as conn:
        with pytest.raises(psycopg.errors.CheckViolation):
            readings.copy_in(conn, [Rows(2, [1], both, {})], NOW)
        conn.rollback()
        assert conn.execute("SELECT count(*) FROM readings").fetchone() == (0,)


some_reading = st.builds(
    reading,
    st.integers(1, 2**53),
    st.integers(0, 2**47),
    weight_mg=st.one_of(st.none(), st.integers(-(2**53), 2**53)),
    total=st.one_of(st.none(), st.integers(0, 2**53)),
    condition=st.one_of(st.none(), st.text(max_size=9)),
    because=st.one_of(st.none(), st.text(max_size=9)),
    stability=st.integers(0, 255),
    quality=st.integers(0, 255),
    clock_trusted=st.booleans(),
    code=st.one_of(st.none(), st.text(max_size=9)),
)


@given(st.lists(some_reading, max_size=5), st.integers(1, 2**31 - 1), st.booleans())
def test_packed_rows_are_what_the_driver_itself_would_send(
    said: list[Reading],
    sensor_id: int,
    corrected: bool,  # noqa: FBT001 - hypothesis gives it by place
) -> None:
    times = {one.seq: one.at_ms // 2 for one in said} if corrected else {}
    ours, theirs = _Sent(), _Sent()
    readings.copy_in(ours, [Rows(7, [sensor_id], said, times)], NOW)  # type: ignore[arg-type]
    _slowly(theirs, said, sensor_id, times)
    assert ours.written.getvalue() == theirs.written.getvalue()


class _Sent:
    """Takes what would go to the server."""

    def __init__(self) -> None:
        self.written = io.BytesIO()

    def cursor(self) -> "_Sent":
        return self

    def copy(self, _statement: str) -> "_Sent":
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, sent: bytes) -> None:
        self.written.write(sent)


def _slowly(sent: _Sent, said: list[Reading], sensor_id: int, times: dict[int, int]) -> None:
    """Field by field, with the driver's own dumpers."""
    types = "int4 timestamptz int2 int2 bool int8 text text text text timestamptz int4 timestamptz"
    oids = [psycopg.adapters.types[name].oid for name in (*types.split(), "int8", "int8")]
    transformer = psycopg.adapt.Transformer()
    transformer.set_dumper_types(oids, psycopg.pq.Format.BINARY)
    sent.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    for one in said:
        better = from_ms(times[one.seq]) if one.seq in times else None
        row = [7, NOW, one.stability, one.quality, one.clock_trusted, one.total, one.condition]
        row += [one.because, one.code, one.change, better, sensor_id, one.measured_at]
        row += [one.seq, one.weight_mg]
        sent.write(len(row).to_bytes(2, "big"))
        for field in transformer.dump_sequence(row, [psycopg.adapt.PyFormat.BINARY] * len(row)):
            sent.write(b"\xff" * 4 if field is None else len(field).to_bytes(4, "big") + field)
    sent.write(b"\xff\xff")
