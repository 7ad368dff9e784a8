"""Sensors appear by being heard; which bin one watches, a person says."""

from collections.abc import Collection
from typing import NamedTuple

import psycopg

from cloud.postgres import arrays


class Sensor(NamedTuple):
    sensor_id: int
    bin_id: int | None


SensorKey = tuple[int, str]  # gateway id, name

_FIND = (
    "SELECT s.gateway_id, s.name, s.sensor_id, s.bin_id"
    " FROM unnest(%s::int[], %s::text[]) AS heard(gateway_id, name)"
    " JOIN sensors s USING (gateway_id, name)"
)
_REGISTER = (
    "INSERT INTO sensors (gateway_id, name)"
    " SELECT * FROM unnest(%s::int[], %s::text[]) ON CONFLICT (gateway_id, name) DO NOTHING"
)


def heard(conn: psycopg.Connection, keys: Collection[SensorKey]) -> dict[SensorKey, Sensor]:
    """Each of `keys` as it is known; who is new is registered."""
    found = find(conn, keys)
    # Sorted: two writers who lock in the same order cannot wait for each other.
    strangers = sorted(key for key in keys if key not in found)
    if strangers:
        conn.execute(_REGISTER, _columns(strangers))
        found |= find(conn, strangers)
    return found


def bins_of(conn: psycopg.Connection, sensor_ids: Collection[int]) -> dict[int, int | None]:
    rows = conn.execute(
        "SELECT sensor_id, bin_id FROM sensors WHERE sensor_id = ANY(%s)", (list(sensor_ids),)
    ).fetchall()
    return dict(rows)


def find(conn: psycopg.Connection, keys: Collection[SensorKey]) -> dict[SensorKey, Sensor]:
    rows = conn.execute(_FIND, _columns(keys)).fetchall()
    return {(gateway_id, name): Sensor(sensor, bin_) for gateway_id, name, sensor, bin_ in rows}


def _columns(keys: Collection[SensorKey]) -> tuple[str, str]:
    return arrays.numbers(gateway_id for gateway_id, _ in keys), arrays.words(
        name for _, name in keys
    )
