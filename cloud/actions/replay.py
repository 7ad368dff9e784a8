"""Put a dead letter through ingest again, after what was wrong with it has been put right.

Its range was acknowledged when the letter was kept, so the ledger has it as given up. What the
letter holds fills that: readings that are there already are left alone, and are counted once.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg

from cloud.actions.store import POISON, New, refused, store
from cloud.actions.take_in import AGE_MAX, take_in
from cloud.core import ranges, times
from cloud.core.readings import Arrival, Batch, Reading, Unreadable, to_ms
from cloud.intake import translate
from cloud.postgres import gateways, ledger, readings, sensors, streams
from cloud.postgres.dead_letters import Kept
from cloud.postgres.streams import Stream


class Replayed(NamedTuple):
    readings: int  # stored by it; none when all of them had come
    because: str = ""  # why it still cannot be taken in; '': it could


def replay(
    conn: psycopg.Connection,
    letter: Kept,
    payload: bytes,
    now: datetime,
    *,
    age_max: timedelta = AGE_MAX,
) -> Replayed:
    """Doing it twice is doing it once. `conn` is a log-in of ingest."""
    arrival = translate.arrival(letter.topic, payload)
    if isinstance(arrival.content, Unreadable):
        return Replayed(0, arrival.content.because)
    try:
        with conn.transaction():
            filled = _fill(conn, arrival, now, age_max)
    except POISON as error:
        return Replayed(0, refused(error))
    if filled is not None:
        return filled
    # Nothing of it is accounted for: it is taken in like any other message.
    taken = take_in(conn, [arrival], now, _Everything(), age_max=age_max)
    because = "" if taken.committed else f"no gateway of this name: {arrival.gateway}"
    return Replayed(taken.readings, because)


class _Everything:
    """Whatever is kept aside again is the letter that is there already."""

    def __contains__(self, _: object) -> bool:
        return True


def _fill(
    conn: psycopg.Connection, arrival: Arrival, now: datetime, age_max: timedelta
) -> Replayed | None:
    """Fill what the ledger has as given up; None: it has nothing there."""
    known = gateways.by_name(conn, [arrival.gateway or ""])
    batch = arrival.content
    if not known or not isinstance(batch, Batch):
        return None
    (gateway,) = known.values()
    key = (gateway.gateway_id, batch.stream)
    stream = streams.lock(conn, {key: batch.life}, now)[key]
    entries = ledger.overlapping_all(conn, stream.stream_no, batch.range)
    if not entries:
        return None
    all_there = not ranges.uncovered(batch.range, [entry.range for entry in entries])
    if all_there and not any(entry.given_up for entry in entries):
        return Replayed(0)
    (entry, *more) = entries
    if more or not entry.range.holds(batch.range):
        return Replayed(0, "only a part of its range had been given up")
    missing = _missing(conn, stream, gateway.gateway_id, batch)
    if not missing:
        return Replayed(0)
    new = New(gateway.gateway_id, stream, replace(batch, readings=missing))
    stored = store(conn, [new], now, times.believed(to_ms(now), age_max))
    ledger.fill(conn, entry, len(missing))
    return Replayed(stored.readings)


def _missing(
    conn: psycopg.Connection, stream: Stream, gateway_id: int, batch: Batch
) -> list[Reading]:
    known = sensors.heard(conn, {(gateway_id, name) for name in batch.sensors})
    ids = [sensor.sensor_id for sensor in known.values()]
    there = readings.there(conn, stream.stream_no, ids, batch)
    return [reading for reading in batch.readings if reading.seq not in there]
