"""What outlives a life of the agent, beside the readings it follows from and in the same commit.

counter(sensor, value, total, crc)   what the newest total of each counter was taken from
known(sensor, kind, said, crc)       kind 1: a tag that was said to be present
                                     kind 2: the serial number of the device that was believed
"""

import contextlib
import logging
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from enum import IntEnum

from edge_agent.core.count import CounterState
from edge_agent.core.remembered import Remembered
from edge_agent.sqlite.rows import TROUBLE

COUNTER_TABLE = """CREATE TABLE counter (
    sensor TEXT    PRIMARY KEY,
    value  INTEGER NOT NULL,
    total  INTEGER NOT NULL,
    crc    INTEGER NOT NULL
) WITHOUT ROWID"""
KNOWN_TABLE = """CREATE TABLE known (
    sensor TEXT    NOT NULL,
    kind   INTEGER NOT NULL,
    said   TEXT    NOT NULL,
    crc    INTEGER NOT NULL,
    PRIMARY KEY (sensor, kind, said)
) WITHOUT ROWID"""
_INSERT_COUNTER = "INSERT OR REPLACE INTO counter (sensor, value, total, crc) VALUES (?, ?, ?, ?)"
_INSERT_KNOWN = "INSERT OR REPLACE INTO known (sensor, kind, said, crc) VALUES (?, ?, ?, ?)"
_DELETE_KNOWN = "DELETE FROM known WHERE sensor = ? AND kind = ? AND said = ?"

log = logging.getLogger(__name__)


class Kind(IntEnum):
    TAG = 1
    IDENTITY = 2


_Fact = tuple[str, int, str]  # sensor, kind, what was said


def load(conn: sqlite3.Connection) -> Remembered:
    """What proves to be what it was. Of the rest nothing is known, as on the first day."""
    counters: dict[str, CounterState] = {}
    tags: dict[str, list[str]] = {}
    identities: dict[str, str] = {}
    for sensor, value, total in _whole(conn, "SELECT sensor, value, total, crc FROM counter"):
        if isinstance(sensor, str) and isinstance(value, int) and isinstance(total, int):
            counters[sensor] = CounterState(value=value, total=total)
    for fact in _whole(conn, "SELECT sensor, kind, said, crc FROM known"):
        match fact:
            case (str(sensor), Kind.TAG, str(said)):
                tags.setdefault(sensor, []).append(said)
            case (str(sensor), Kind.IDENTITY, str(said)):
                identities[sensor] = said
    return Remembered(
        counters=counters,
        tags={sensor: tuple(codes) for sensor, codes in tags.items()},
        identities=identities,
    )


def keep(conn: sqlite3.Connection, before: Remembered, after: Remembered) -> None:
    """Write down what changed."""
    keep_counters(
        conn,
        [
            (sensor, count.value, count.total)
            for sensor, count in after.counters.items()
            if before.counters.get(sensor) != count
        ],
    )
    if (before.tags, before.identities) != (after.tags, after.identities):
        old, new = set(_facts(before)), set(_facts(after))
        conn.executemany(_DELETE_KNOWN, sorted(old - new))
        conn.executemany(_INSERT_KNOWN, [(*fact, _crc(*fact)) for fact in sorted(new - old)])


def keep_counters(conn: sqlite3.Connection, counters: Iterable[tuple[str, int, int]]) -> None:
    conn.executemany(_INSERT_COUNTER, [(*count, _crc(*count)) for count in counters])


def save(damaged: sqlite3.Connection, into: sqlite3.Connection) -> None:
    """From a file that is not to be trusted: what its checksums cover."""
    with contextlib.suppress(*TROUBLE):
        keep(into, Remembered(), load(damaged))


def _facts(remembered: Remembered) -> Iterable[_Fact]:
    for sensor, codes in remembered.tags.items():
        for code in codes:
            yield sensor, int(Kind.TAG), code
    for sensor, serial_number in remembered.identities.items():
        yield sensor, int(Kind.IDENTITY), serial_number


def _crc(*said: object) -> int:
    return zlib.crc32(" ".join(map(str, said)).encode(errors="surrogateescape"))


def _whole(conn: sqlite3.Connection, query: str) -> Iterable[Sequence[object]]:
    with contextlib.suppress(*TROUBLE):
        for *said, crc in conn.execute(query):
            if crc == _crc(*said):
                yield tuple(said)
            else:
                log.error("what was remembered of %r is damaged: it begins anew", said[0])
