"""What could not be taken in, whole, with the reason. Ingest may add and may not read.

Of each gateway only so many are kept that nobody has settled: a flood of garbage must not fill the
disk. What comes beyond is counted, and the count is shown with the letters.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import psycopg

BECAUSE_CHARS_MAX = 1_000
KEPT_MAX = 1_000  # of each gateway
KEPT_BYTES_MAX = 64 * 1024 * 1024
LISTED_MAX = 500

Outcome = Literal["replayed", "discarded"]


class DeadLetter(NamedTuple):
    topic: str
    payload: bytes
    because: str
    gateway: str = ""  # '': none that we know

    @property
    def fingerprint(self) -> bytes:
        text = f"{self.topic}\0{self.because}\0".encode(errors="replace")
        return hashlib.sha256(text + self.payload).digest()


class Kept(NamedTuple):
    """A letter as it lies there."""

    dead_letter_id: int
    received_at: datetime
    gateway: str
    topic: str
    because: str
    bytes: int
    settled: Outcome | None
    settled_at: datetime | None
    settled_by: str


class Count(NamedTuple):
    gateway: str
    kept: int
    kept_bytes: int
    beyond: int  # not kept: there were too many
    last_at: datetime | None
    last_because: str


_HOLD_COUNT = (
    "INSERT INTO dead_letter_counts AS c (gateway) VALUES (%s)"
    " ON CONFLICT (gateway) DO UPDATE SET gateway = excluded.gateway RETURNING kept, kept_bytes"
)
_COUNT = (
    "UPDATE dead_letter_counts SET kept = kept + %s, kept_bytes = kept_bytes + %s,"
    " beyond = beyond + %s, last_at = %s, last_because = %s WHERE gateway = %s"
)
_INSERT = (
    "INSERT INTO dead_letters (received_at, gateway, topic, payload, because)"
    " VALUES (%s, %s, %s, %s, %s)"
)
_KEPT = (
    "SELECT dead_letter_id, received_at, gateway, topic, because, length(payload), settled,"
    " settled_at, settled_by FROM dead_letters"
)
_SETTLE = (
    "UPDATE dead_letters SET settled = %s, settled_at = %s, settled_by = %s"
    " WHERE dead_letter_id = %s AND settled IS NULL RETURNING gateway, length(payload)"
)
_UNCOUNT = (
    "UPDATE dead_letter_counts SET kept = greatest(kept - 1, 0),"
    " kept_bytes = greatest(kept_bytes - %s, 0) WHERE gateway = %s"
)


def insert(conn: psycopg.Connection, letters: Collection[DeadLetter], now: datetime) -> int:
    """Keep what there is room for, and count the rest: how many that were."""
    by_gateway: dict[str, list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        by_gateway[letter.gateway].append(letter)
    # In this order: two writers who lock in the same order cannot wait for each other.
    return sum(_insert(conn, gateway, by_gateway[gateway], now) for gateway in sorted(by_gateway))


def _insert(
    conn: psycopg.Connection, gateway: str, letters: Sequence[DeadLetter], now: datetime
) -> int:
    row = conn.execute(_HOLD_COUNT, (gateway,)).fetchone()
    assert row is not None
    kept, kept_bytes = row
    fitting: list[DeadLetter] = []
    for letter in letters:
        if kept + len(fitting) >= KEPT_MAX or kept_bytes + len(letter.payload) > KEPT_BYTES_MAX:
            continue
        fitting.append(letter)
        kept_bytes += len(letter.payload)
    conn.cursor().executemany(
        _INSERT,
        [
            (now, gateway, letter.topic, letter.payload, letter.because[:BECAUSE_CHARS_MAX])
            for letter in fitting
        ],
    )
    beyond = len(letters) - len(fitting)
    added_bytes = sum(len(letter.payload) for letter in fitting)
    because = letters[-1].because[:BECAUSE_CHARS_MAX]
    conn.execute(_COUNT, (len(fitting), added_bytes, beyond, now, because, gateway))
    return beyond


def unsettled(conn: psycopg.Connection, gateway: str | None = None) -> list[Kept]:
    rows = conn.execute(
        f"{_KEPT} WHERE settled IS NULL AND (%(gateway)s::text IS NULL OR gateway = %(gateway)s)"
        " ORDER BY dead_letter_id LIMIT %(limit)s",
        {"gateway": gateway, "limit": LISTED_MAX},
    ).fetchall()
    return [Kept(*row) for row in rows]


def one(conn: psycopg.Connection, dead_letter_id: int) -> tuple[Kept, bytes] | None:
    row = conn.execute(f"{_KEPT} WHERE dead_letter_id = %s", (dead_letter_id,)).fetchone()
    body = conn.execute(
        "SELECT payload FROM dead_letters WHERE dead_letter_id = %s", (dead_letter_id,)
    ).fetchone()
    return None if row is None or body is None else (Kept(*row), bytes(body[0]))


def counts(conn: psycopg.Connection) -> list[Count]:
    rows = conn.execute(
        "SELECT gateway, kept, kept_bytes, beyond, last_at, last_because FROM dead_letter_counts"
        " ORDER BY gateway"
    ).fetchall()
    return [Count(*row) for row in rows]


def settle(
    conn: psycopg.Connection, dead_letter_id: int, outcome: Outcome, by: str, at: datetime
) -> bool:
    """False: somebody had settled it before."""
    row = conn.execute(_SETTLE, (outcome, at, by, dead_letter_id)).fetchone()
    if row is None:
        return False
    gateway, size = row
    conn.execute(_UNCOUNT, (size, gateway))
    return True
