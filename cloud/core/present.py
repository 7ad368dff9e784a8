"""Which readings are news: the newest sign of life of a bin, and its newest number.

These are two things. A scale that says "overload" was heard, and its last weight is as old as
it is. Order of arrival means nothing: a gateway that was cut off sends yesterday after today.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cloud.core.readings import Reading

AHEAD_MAX = timedelta(minutes=10)
BEHIND_MAX = timedelta(days=40)


class Heard(NamedTuple):
    """A sign of life; compares as newer. At the same instant a condition outweighs a number."""

    measured_at: datetime
    condition: str  # '' for a number


class Number(NamedTuple):
    """A weight or a total; compares as newer by its first three."""

    measured_at: datetime
    stream_no: int
    seq: int
    weight_mg: int | None
    total: int | None
    stability: int
    quality: int
    clock_trusted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    sensor_id: int
    heard: Heard
    number: Number | None


def newest(readings: Iterable[tuple[int, int, Reading]], now: datetime) -> list[News]:
    """The news per sensor, from (sensor id, stream number, reading).

    A reading from a clock that runs ahead would hold the present still until its time comes, and
    every true one until then would look old. One of long ago tells of a clock that lost its
    time. Both are stored like any other; only the present does not follow them.
    """
    heard: dict[int, Heard] = {}
    numbers: dict[int, Number] = {}
    earliest, latest = now - BEHIND_MAX, now + AHEAD_MAX
    for sensor_id, stream_no, reading in readings:
        at = reading.measured_at
        if not earliest <= at <= latest:
            continue
        sign = Heard(at, reading.condition or "")
        if sensor_id not in heard or sign > heard[sensor_id]:
            heard[sensor_id] = sign
        if reading.condition is None and reading.code is None:
            before = numbers.get(sensor_id)
            if before is None or (at, stream_no, reading.seq) > before[:3]:
                numbers[sensor_id] = Number(
                    at,
                    stream_no,
                    reading.seq,
                    reading.weight_mg,
                    reading.total,
                    reading.stability,
                    reading.quality,
                    reading.clock_trusted,
                )
    return [
        News(sensor_id=sensor_id, heard=sign, number=numbers.get(sensor_id))
        for sensor_id, sign in sorted(heard.items())
    ]
