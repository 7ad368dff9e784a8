"""Somebody has counted a bin. What was counted is a fact about a time, and corrects the level then.

The correction itself is booked by whoever follows the bin, in the order of time with its readings;
refused here is what cannot be, and what something moved after.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg import errors

from cloud.core.counts import Count, CountReason, Difference, take_count
from cloud.core.followed import Followed, to_us
from cloud.core.nouns import Mistake
from cloud.core.refusals import CountTooOld, NotAsAllowed, NounUnknown
from cloud.postgres import counts, movements, wall
from cloud.postgres.counts import NewCount
from cloud.postgres.wall import BinRow

KINDS = ("audit", "cycle", "correction")
_REASONS = {
    "audit": CountReason.AUDIT,
    "cycle": CountReason.CYCLE,
    "correction": CountReason.DOUBT,
}
AHEAD_MAX = timedelta(minutes=1)  # the clock of who counts may be a little ahead of ours
MOVED_TOLD = 3


@dataclass(frozen=True, kw_only=True)
class Asked:
    kind: str
    pieces: int
    counted_at: datetime | None  # None: now
    because: str


def count_bin(
    conn: psycopg.Connection, code: str, asked: Asked, by: str, now: datetime
) -> Difference:
    """Runs as operations, in the caller's transaction."""
    row = wall.one_bin(conn, code)
    if row is None:
        raise NounUnknown
    counted_at = now if asked.counted_at is None else min(asked.counted_at, now)
    _check(asked, now)
    _refuse_what_moved_since(conn, row, counted_at)
    count = Count(
        pieces=asked.pieces,
        counted_at=counted_at,
        counted_by=by,
        reason=_REASONS[asked.kind],
        remark=asked.because,
    )
    difference = take_count(_held(row), count, capacity=row.capacity)
    try:
        with conn.transaction():
            counts.insert(
                conn,
                NewCount(
                    bin_id=row.bin_id,
                    item_id=counts.item_of(conn, row.bin_id),
                    kind=asked.kind,
                    pieces=asked.pieces,
                    counted_at=counted_at,
                    by=by,
                    because=asked.because.strip(),
                    level_pieces=row.pieces,
                ),
                now,
            )
    except errors.UniqueViolation:
        raise NotAsAllowed([_taken(counted_at)]) from None
    return difference


def _check(asked: Asked, now: datetime) -> None:
    mistakes = []
    if asked.kind not in KINDS:
        allowed = "one of " + ", ".join(KINDS)
        mistakes.append(Mistake(field="kind", given=asked.kind, allowed=allowed))
    if not asked.because.strip():
        allowed = "a few words on why it was counted"
        mistakes.append(Mistake(field="because", given=asked.because, allowed=allowed))
    at = asked.counted_at
    if at is not None and at > now + AHEAD_MAX:
        mistakes.append(
            Mistake(field="counted_at", given=at.isoformat(), allowed="not in the future")
        )
    if mistakes:
        raise NotAsAllowed(mistakes)


def _taken(at: datetime) -> Mistake:
    allowed = "not the time of a count that is there"
    return Mistake(field="counted_at", given=at.isoformat(), allowed=allowed)


def _refuse_what_moved_since(conn: psycopg.Connection, row: BinRow, at: datetime) -> None:
    moved = movements.listed(conn, row.bin_id, MOVED_TOLD, since=at + timedelta(microseconds=1))
    if moved:
        said = [
            f"{one.kind.replace('_', '-')} of {abs(one.pieces):,} at {one.event_at:%H:%M:%S} UTC"
            for one in moved
        ]
        raise CountTooOld(said)


def _held(row: BinRow) -> Followed:
    """Of what is remembered of the bin, what a count is compared with."""
    since = None if row.plateau_since is None else to_us(row.plateau_since)
    return Followed(pieces=row.pieces, plateau_us=since)
