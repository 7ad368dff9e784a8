"""What the tests of the store share: readings put in directly, a keeper with a clock of ours."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from cloud.core.readings import to_ms
from cloud.core.touched import HOUR_MS
from cloud.loops import keep
from cloud.postgres import rollups
from cloud.settings import Keeping
from tests.cloud import ingest_cases

# The database drops nothing younger than a month by its own clock, so "now" is the real day.
TODAY = datetime.now(UTC).replace(hour=12, minute=20, second=0, microsecond=0)
THIS_HOUR = TODAY.replace(minute=0)
STREAM_NO = 1


def make_site(admin: psycopg.Connection, gateway: str = "lindau-1") -> list[int]:
    """Two bins under two sensors, and one stream; the sensors' ids."""
    ingest_cases.make_site(admin, gateway)
    admin.execute(
        "INSERT INTO streams (gateway_id, stream, first_heard_at)"
        " SELECT gateway_id, gen_random_uuid(), now() FROM gateways WHERE name = %s",
        (gateway,),
    )
    rows = admin.execute(
        "SELECT sensor_id FROM sensors JOIN gateways USING (gateway_id) WHERE gateways.name = %s"
        " ORDER BY 1",
        (gateway,),
    ).fetchall()
    return [sensor_id for (sensor_id,) in rows]


def put(
    admin: psycopg.Connection,
    sensor_id: int,
    weights: Iterable[tuple[datetime, int]],
    *,
    first_seq: int = 1,
    corrected: timedelta | None = None,
    due: bool = True,
) -> None:
    """Weights as ingest stores them."""
    for seq, (at, weight_mg) in enumerate(weights, start=first_seq):
        better = None if corrected is None else at + corrected
        admin.execute(
            "INSERT INTO readings (sensor_id, measured_at, stream_no, seq, received_at, weight_mg,"
            " stability, quality, clock_trusted, corrected_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, 0, 0, %s, %s)",
            (sensor_id, at, STREAM_NO, seq, TODAY, weight_mg, corrected is None, better),
        )
        if due:
            rollups.mark_due(admin, {(sensor_id, to_ms(better or at) // HOUR_MS)})


def keep_once(database: Any, now: datetime = TODAY, keeping: Keeping | None = None) -> None:
    """Everything that the keeper does now and then, once."""
    loop = keep.KeepLoop(keeping or Keeping(), threading.Event(), lambda: now)
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        loop.round(conn)


def hours_of(admin: psycopg.Connection, sensor_id: int) -> list[tuple[Any, ...]]:
    """What readers see of the hours of a sensor."""
    admin.execute("SELECT set_config('app.role', 'operations', false)")
    return admin.execute(
        "SELECT hour, readings, conditions, weights, heard_first_at, heard_last_at, first_at,"
        " first_weight_mg, last_at, last_weight_mg, min_weight_mg, max_weight_mg, sum_weight_mg,"
        " last_total FROM portal_rollups WHERE sensor_id = %s ORDER BY hour",
        (sensor_id,),
    ).fetchall()


def partitions(admin: psycopg.Connection) -> set[str]:
    rows = admin.execute(
        "SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
        " WHERE inhparent = 'readings'::regclass"
    ).fetchall()
    return {name for (name,) in rows}
