"""Which readings are news: the newest sign of life of a bin, and its newest number.

These are two things. A scale that says "overload" was heard, and its last weight is as old as
it is. Order of arrival means nothing, a gateway that was cut off sends yesterday after today; and
a gateway's clock may be set back in the middle. So newer means, of two readings of one sensor:

    same stream                                the greater seq
    streams of one gateway, both with a life   the greater life
    anything else                              the later time of measuring
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from cloud.core.readings import Reading

_weight_mg = itemgetter(Reading._fields.index("weight_mg"))


class Place(NamedTuple):
    """Where in the order of its sensor a reading stands."""

    gateway_id: int
    stream_no: int
    life: int
    seq: int
    at_ms: int  # corrected, where it is known better


class Placed(NamedTuple):
    """A reading of one sensor, and where it stands."""

    sensor_id: int
    place: Place
    reading: Reading


class News(NamedTuple):
    """The newest sign of life of a sensor, and its newest number, in what came now."""

    sensor_id: int
    heard: Placed
    number: Placed | None


class Number(NamedTuple):
    weight_mg: int | None
    total: int | None
    stability: int
    quality: int
    clock_trusted: bool


class State(NamedTuple):
    """The present of a bin: its last sign of life, and its last number."""

    sensor_id: int
    heard: Place
    received_at: datetime
    condition: str | None  # of the last sign of life; None: it was a number
    number_at: Place | None
    number: Number | None


class Moved(NamedTuple):
    state: State
    due: bool  # it is worth something else than before, so somebody should look at the bin


def moved(before: State | None, news: News, received_at: datetime) -> Moved | None:
    """The present after `news`; None: it tells nothing newer."""
    heard, number = news.heard, news.number
    if before is None:
        at, said = (None, None) if number is None else (number.place, _number(number.reading))
        condition = _ailing(heard.reading)
        return Moved(State(news.sensor_id, heard.place, received_at, condition, at, said), due=True)
    _, at, came_at, condition, number_at, said = before
    due = moves = False
    if is_newer(heard.place, at):
        moves, at, came_at = True, heard.place, received_at
        due = _ailing(heard.reading) != condition
        condition = _ailing(heard.reading)
    if number is not None and (number_at is None or is_newer(number.place, number_at)):
        moves, number_at = True, number.place
        newer = _number(number.reading)
        due = due or _differ(said, newer)
        said = newer
    if not moves:
        return None
    return Moved(State(news.sensor_id, at, came_at, condition, number_at, said), due)


def is_newer(one: Place, other: Place) -> bool:
    if one.stream_no == other.stream_no:
        return one.seq > other.seq
    related = one.gateway_id == other.gateway_id and one.life > 0 and other.life > 0
    if related and one.life != other.life:
        return one.life > other.life
    return (one.at_ms, one.stream_no, one.seq) > (other.at_ms, other.stream_no, other.seq)


def newest(placed: Iterable[Placed]) -> list[News]:
    """The news per sensor."""
    heard: dict[int, Placed] = {}
    numbers: dict[int, Placed] = {}
    for item in placed:
        _keep_newer(heard, item)
        if is_number(item.reading):
            _keep_newer(numbers, item)
    return [
        News(sensor_id, sign, numbers.get(sensor_id)) for sensor_id, sign in sorted(heard.items())
    ]


def last_of_streams(placed: Iterable[Placed]) -> list[Placed]:
    """Of each sensor and stream what can be news: its last sign of life, and its last number.

    Streams are compared by their last readings only, in one order: among more of their readings
    `is_newer` goes round in a circle, when a clock was set back within one of them.
    """
    heard: dict[tuple[int, int], Placed] = {}
    numbers: dict[tuple[int, int], Placed] = {}
    for item in placed:
        key = item.sensor_id, item.place.stream_no
        for found in (heard, numbers) if is_number(item.reading) else (heard,):
            if key not in found or is_newer(item.place, found[key].place):
                found[key] = item
    others = [item for key, item in numbers.items() if heard[key] is not item]
    return sorted([*heard.values(), *others], key=_stream_no)


def newer(one: News | None, other: News) -> News:
    """The news of a bin under which several sensors stand: the newest sign of life of any."""
    if one is None:
        return other
    heard, number = one.heard, one.number
    if is_newer(other.heard.place, heard.place):
        heard = other.heard
    if number is None or (other.number is not None and is_newer(other.number.place, number.place)):
        number = other.number
    return News(heard.sensor_id, heard, number)


class Latest:
    """Of one stream, what can be news: the last of each sensor, and the last number of each.

    Batches come in the order of their seqs, so what comes later replaces what was there.
    """

    def __init__(self, origin: Place) -> None:
        self._origin = origin
        self._heard: dict[int, Reading] = {}
        self._numbers: dict[int, Reading] = {}

    def add(self, readings: Sequence[Reading], sensor_ids: Sequence[int]) -> None:
        last = {sensor_ids[reading[0]]: reading for reading in readings}
        self._heard |= last
        if None in map(_weight_mg, last.values()):
            last = {sensor_ids[said.sensor]: said for said in readings if is_number(said)}
        self._numbers |= last

    def placed(self, corrected: Mapping[int, int]) -> Iterable[Placed]:
        heard = self._heard
        for sensor_id, said in heard.items():
            yield self._placed(sensor_id, said, corrected)
        for sensor_id, said in self._numbers.items():
            if heard[sensor_id] is not said:
                yield self._placed(sensor_id, said, corrected)

    def _placed(self, sensor_id: int, said: Reading, corrected: Mapping[int, int]) -> Placed:
        gateway_id, stream_no, life, _, _ = self._origin
        at_ms = corrected.get(said.seq, said.at_ms)
        return Placed(sensor_id, Place(gateway_id, stream_no, life, said.seq, at_ms), said)


def _stream_no(item: Placed) -> int:
    return item.place.stream_no


def _ailing(reading: Reading) -> str | None:
    """What is wrong there. A reader that is back has nothing to report, and says just that."""
    return None if reading.condition == "back" else reading.condition


def is_number(reading: Reading) -> bool:
    return reading.weight_mg is not None or reading.total is not None


def _number(reading: Reading) -> Number:
    return Number(
        reading.weight_mg,
        reading.total,
        reading.stability,
        reading.quality,
        reading.clock_trusted,
    )


def _differ(before: Number | None, after: Number) -> bool:
    """Whether the number is worth something else than before.

    That it is another number says nothing yet: who follows the bin tells when its level moved. With
    noise on the scale every reading is another number.
    """
    if before is None or before[3:] != after[3:]:
        return True
    return [one is None for one in before[:2]] != [one is None for one in after[:2]]


def _keep_newer(found: dict[int, Placed], item: Placed) -> None:
    before = found.get(item.sensor_id)
    if before is None or is_newer(item.place, before.place):
        found[item.sensor_id] = item
