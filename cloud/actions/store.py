"""Store new readings: their times looked at, copied, the hours they touch noted, the present moved.

Used by whoever has made sure, under the lock of its stream, that a range is new.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import NamedTuple

import psycopg

from cloud.core import columns, present, times
from cloud.core.columns import Weights
from cloud.core.present import News, Place, Placed
from cloud.core.ranges import Range
from cloud.core.readings import Batch, Reading
from cloud.core.times import Span, StepAt
from cloud.core.touched import Touched
from cloud.postgres import bin_state, clock_steps, follow_due, readings, rollups, sensors
from cloud.postgres.streams import Stream

# What the bytes are to blame for. Anything else is an outage or our own defect.
POISON = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)

# Two tries for each halving of the largest batch find one bad row; this is room for a few of them.
BISECT_TRIES_MAX = 200

_at_ms = itemgetter(Reading._fields.index("at_ms"))


class New(NamedTuple):
    """A batch that is not stored yet."""

    gateway_id: int
    stream: Stream
    batch: Batch


@dataclass(kw_only=True)
class _Placing:
    """New readings on their way: which are stored, which set aside, what is news."""

    plain: list[columns.New] = field(default_factory=list)
    rows: list[readings.Rows] = field(default_factory=list)
    asides: list[tuple[int, list[readings.Aside]]] = field(default_factory=list)

    def to_rows(self) -> None:
        """Nothing in columns: who looks for a bad reading looks at each."""
        self.rows += [
            readings.Rows(new.stream_no, new.sensor_ids, new.weights, {}) for new in self.plain
        ]
        self.plain.clear()


@dataclass(frozen=True, kw_only=True)
class _Written:
    """What was in columns, and what was refused one by one."""

    plain: int = 0
    placed: Sequence[Placed] = ()
    touched: Touched = Touched(set(), {})  # noqa: RUF009 - read only
    spoiled: Sequence[tuple[Reading, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Stored:
    readings: int = 0
    aside: int = 0
    spoiled: Sequence[tuple[Reading, str]] = ()  # refused by the database, one by one
    touched: Touched = Touched(set(), {})  # noqa: RUF009 - read only
    news: Mapping[int, News] = field(default_factory=dict)  # by bin


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What was copied before its streams were held: nothing else is done of it yet."""

    fresh: Sequence[New]
    known: Mapping[sensors.SensorKey, sensors.Sensor]
    written: _Written

    def is_of(self, fresh: Sequence[New]) -> bool:
        """Whether it is what is new indeed, and its streams are as they were."""
        return len(fresh) == len(self.fresh) and all(
            one.batch is other.batch and one.stream[2:] == other.stream[2:]
            for one, other in zip(self.fresh, fresh, strict=True)
        )


def copy_ahead(
    conn: psycopg.Connection, fresh: Sequence[New], now: datetime, span: Span
) -> Ahead | None:
    """Copy what seems to be new; None, and nothing is done: it is not as plain as that.

    Sensors that are new have to be registered, and for that the streams are held first.
    """
    keys = _sensors_of(fresh)
    known = sensors.find(conn, keys)
    if len(known) < len(keys) or any(n.batch.range.first < n.stream.stepped_at for n in fresh):
        return None
    placing = _placed(fresh, known, {}, span)
    if not placing.plain or placing.rows or placing.asides:
        return None
    return Ahead(fresh=fresh, known=known, written=_write(conn, placing, now, _origins(fresh)))


def store(
    conn: psycopg.Connection,
    fresh: Sequence[New],
    now: datetime,
    span: Span,
    *,
    bisecting: bool = False,
) -> Stored:
    """Copy what is new, say what it touches, and move the present."""
    stored = copied(conn, fresh, now, span, bisecting=bisecting)
    mark_due(conn, stored.touched)
    bin_state.move(conn, stored.news, now)
    return stored


def copied(
    conn: psycopg.Connection,
    fresh: Sequence[New],
    now: datetime,
    span: Span,
    *,
    stepped: Container[int] = (),
    bisecting: bool = False,
    ahead: Ahead | None = None,
) -> Stored:
    """Copy what is new; what it touches, and is news of bins, is for the caller to say.

    `stepped` are streams whose clock was set just now.
    """
    if not fresh:
        return Stored()
    origins = _origins(fresh)
    if ahead is None:
        known: Mapping[sensors.SensorKey, sensors.Sensor] = sensors.heard(conn, _sensors_of(fresh))
        placing = _placed(fresh, known, _steps(conn, fresh, stepped), span)
        written = (
            _write_singly(conn, placing, now) if bisecting else _write(conn, placing, now, origins)
        )
    else:
        known, placing, written = ahead.known, _Placing(), ahead.written
    for stream_no, asides in placing.asides:
        readings.set_aside(conn, stream_no, asides, now)
    lost = {reading.seq for reading, _ in written.spoiled}
    placed, touched = _news_of(placing.rows, origins, lost)
    touched = touched.plus(written.touched)
    if placed and written.placed:
        placed = present.last_of_streams([*placed, *written.placed])
    else:
        placed += written.placed
    aside = sum(len(asides) for _, asides in placing.asides)
    count = sum(len(rows.readings) for rows in placing.rows) - len(lost) + written.plain + aside
    return Stored(
        readings=count,
        aside=aside,
        spoiled=written.spoiled,
        touched=touched,
        news=news_of(placed, {s.sensor_id: s.bin_id for s in known.values()}),
    )


def _origins(fresh: Iterable[New]) -> dict[int, Place]:
    return {
        new.stream.stream_no: Place(new.gateway_id, new.stream.stream_no, new.stream.life, 0, 0)
        for new in fresh
    }


def _placed(
    fresh: Iterable[New],
    known: Mapping[sensors.SensorKey, sensors.Sensor],
    steps: Mapping[int, Sequence[StepAt]],
    span: Span,
) -> _Placing:
    placing = _Placing()
    ids_of: dict[tuple[int, tuple[str, ...]], list[int]] = {}  # mostly the same ones again
    for gateway_id, stream, batch in sorted(fresh, key=_by_seq):
        key = (gateway_id, batch.sensors)
        if key not in ids_of:
            ids_of[key] = [known[gateway_id, name].sensor_id for name in batch.sensors]
        _place(placing, batch, stream.stream_no, ids_of[key], steps.get(stream.stream_no, ()), span)
    return placing


def mark_due(conn: psycopg.Connection, touched: Touched) -> None:
    """Say to those who compute something of readings what is new, in the transaction of these."""
    rollups.mark_due(conn, touched.hours)
    follow_due.mark_due(conn, touched.earliest_ms)


def _by_seq(new: New) -> tuple[int, Range]:
    return new.stream.stream_no, new.batch.range


def _sensors_of(fresh: Iterable[New]) -> set[sensors.SensorKey]:
    names: dict[int, set[str]] = defaultdict(set)
    for gateway_id, _, batch in fresh:
        names[gateway_id].update(batch.sensors)
    return {(gateway_id, name) for gateway_id, heard in names.items() for name in heard}


def _news_of(
    stored: Iterable[readings.Rows], origins: Mapping[int, Place], lost: Container[int]
) -> tuple[list[Placed], Touched]:
    """What can be news of what is stored, and what it touches."""
    placed: list[Placed] = []
    touched = Touched(set(), {})
    for stream_no, batches in groupby(stored, key=attrgetter("stream_no")):
        latest = present.Latest(origins[stream_no])
        corrected: dict[int, int] = {}
        for rows in batches:
            sound = [r for r in rows.readings if r.seq not in lost] if lost else rows.readings
            latest.add(sound, rows.sensor_ids)
            corrected |= rows.corrected
            touched = touched.plus(Touched.of(_times(rows)))
        placed += latest.placed(corrected)
    return placed, touched


def _times(rows: readings.Rows) -> Iterable[tuple[int, int]]:
    for said in rows.readings:
        yield rows.sensor_ids[said.sensor], rows.corrected.get(said.seq, said.at_ms)


def _steps(
    conn: psycopg.Connection, fresh: Iterable[New], stepped: Container[int]
) -> Mapping[int, Sequence[StepAt]]:
    """The steps that concern readings that are stored now: those after them in their stream."""
    concerned = {
        stream.stream_no
        for _, stream, batch in fresh
        if stream.stream_no in stepped or batch.range.first < stream.stepped_at
    }
    return clock_steps.of(conn, concerned) if concerned else {}


def _place(  # noqa: PLR0917 - what a batch is judged by
    placing: _Placing,
    batch: Batch,
    stream_no: int,
    sensor_ids: Sequence[int],
    steps: Sequence[StepAt],
    span: Span,
) -> None:
    said: Sequence[Reading] = batch.readings
    corrected: dict[int, int] = {}
    if steps:
        exact = ((reading.seq, times.corrected_ms(reading, steps)) for reading in said)
        corrected = {seq: at_ms for seq, at_ms in exact if at_ms is not None}
    if corrected or not _believed(said, span):
        said, asides = _part_aside(said, sensor_ids, corrected, span)
        if asides:
            placing.asides.append((stream_no, asides))
    elif isinstance(said, Weights):
        placing.plain.append(columns.New(stream_no, sensor_ids, said))
        return
    if said:
        placing.rows.append(readings.Rows(stream_no, sensor_ids, said, corrected))


def _believed(said: Sequence[Reading], span: Span) -> bool:
    if isinstance(said, Weights):
        return said.within(span.earliest_ms, span.latest_ms)
    stamps: list[int] = [*map(_at_ms, said)]
    return span.earliest_ms <= min(stamps) and max(stamps) <= span.latest_ms


def _part_aside(
    said: Sequence[Reading], sensor_ids: Sequence[int], corrected: Mapping[int, int], span: Span
) -> tuple[list[Reading], list[readings.Aside]]:
    good, asides = [], []
    for reading in said:
        better = corrected.get(reading.seq)
        because = times.aside_because(reading.at_ms if better is None else better, span)
        if because is None:
            good.append(reading)
        else:
            sensor_id = sensor_ids[reading.sensor]
            asides.append(readings.Aside(sensor_id, reading, better, because))
    return good, asides


def _write(
    conn: psycopg.Connection, placing: _Placing, now: datetime, origins: Mapping[int, Place]
) -> _Written:
    """All of it, or nothing when the database refuses one of them."""
    if not placing.plain:
        if placing.rows:
            readings.copy_in(conn, placing.rows, now)
        return _Written()
    table = columns.placed(placing.plain)
    found: list[_Written] = []

    def look() -> None:
        placed, touched = columns.newest(table, origins), columns.touched(table)
        found.append(_Written(plain=len(table), placed=placed, touched=touched))

    readings.copy_in(conn, placing.rows, now, table, meanwhile=look)
    return found[0]


def _write_singly(conn: psycopg.Connection, placing: _Placing, now: datetime) -> _Written:
    """All but those that the database refuses; which these are, and why."""
    placing.to_rows()
    spoiled: list[tuple[Reading, str]] = []
    waiting = [*placing.rows]
    for _ in range(BISECT_TRIES_MAX):
        if not waiting:
            return _Written(spoiled=spoiled)
        rows = waiting.pop()
        try:
            with conn.transaction():
                readings.copy_in(conn, [rows], now)
        except POISON as error:
            middle = len(rows.readings) // 2
            if middle == 0:
                spoiled.append((rows.readings[0], refused(error)))
            else:
                waiting.append(rows._replace(readings=rows.readings[middle:]))
                waiting.append(rows._replace(readings=rows.readings[:middle]))
    raise ValueError("the database refuses too many of its readings to look for each")


def news_of(placed: Iterable[Placed], bin_of: Mapping[int, int | None]) -> dict[int, News]:
    news: dict[int, News] = {}
    for item in present.newest(placed):
        bin_id = bin_of.get(item.sensor_id)
        if bin_id is not None:
            news[bin_id] = present.newer(news.get(bin_id), item)
    return news


def refused(error: Exception) -> str:
    return f"the database refuses it: {error}".replace("\0", "\ufffd")
