from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cloud.core.readings import Reading
from cloud.postgres import readings
from cloud.postgres.readings import Placed
from tests.cloud.ingest_cases import NOW

MS = timedelta(milliseconds=1)


def test_every_column_arrives_as_it_was(database: Any) -> None:
    rows = [
        Placed(
            1, 2, Reading("s", 3, NOW - MS, -(2**53), None, None, None, 0, 1, clock_trusted=True)
        ),
        Placed(1, 2, Reading("s", 4, NOW, None, 2**53, None, None, 2, 0, clock_trusted=False)),
        Placed(
            1, 2, Reading("s", 5, NOW, None, None, "fault", "ä\n", 255, 255, clock_trusted=True)
        ),
    ]
    with database.connect("binline_ingest") as conn:
        readings.copy_in(conn, rows, NOW)
        stored = conn.execute("SELECT * FROM readings ORDER BY seq").fetchall()
    assert stored == [
        (1, NOW - MS, 2, 3, NOW, -(2**53), None, None, None, 0, 1, True, None, None),
        (1, NOW, 2, 4, NOW, None, 2**53, None, None, 2, 0, False, None, None),
        (1, NOW, 2, 5, NOW, None, None, "fault", "ä\n", 255, 255, True, None, None),
    ]


def test_a_reading_is_one_thing_and_nothing_is_stored_when_one_is_not(database: Any) -> None:
    good = Placed(1, 2, Reading("s", 1, NOW, 5, None, None, None, 0, 0, clock_trusted=True))
    both = Placed(1, 2, Reading("s", 2, NOW, 5, 5, None, None, 0, 0, clock_trusted=True))
    with database.connect("binline_ingest") as conn:
        with pytest.raises(psycopg.errors.CheckViolation):
            readings.copy_in(conn, [good, both], NOW)
        conn.rollback()
        assert conn.execute("SELECT count(*) FROM readings").fetchone() == (0,)
