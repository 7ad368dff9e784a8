"""The times bins are low. The database holds that a bin has at most one open."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from cloud.core.breaches import Breach


@dataclass(frozen=True, kw_only=True)
class OpenBreach:
    breach_id: int
    breach: Breach


def find_open(conn: psycopg.Connection, bin_id: int) -> OpenBreach | None:
    row = conn.execute(
        "SELECT breach_id, opened_at, opened_pieces, lowest_pieces"
        "  FROM breaches WHERE bin_id = %s AND closed_at IS NULL",
        (bin_id,),
    ).fetchone()
    if row is None:
        return None
    breach = Breach(opened_at=row[1], opened_pieces=row[2], lowest_pieces=row[3])
    return OpenBreach(breach_id=row[0], breach=breach)


def cycle_of(conn: psycopg.Connection, bin_id: int) -> int:
    """The number of the cycle that holds now: it goes up when a breach closes."""
    row = conn.execute(
        "SELECT count(*) FILTER (WHERE closed_at IS NOT NULL) FROM breaches WHERE bin_id = %s",
        (bin_id,),
    ).fetchone()
    assert row is not None
    return int(row[0]) + 1


def insert(conn: psycopg.Connection, bin_id: int, breach: Breach) -> int:
    row = conn.execute(
        "INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces)"
        " VALUES (%s, %s, %s, %s) RETURNING breach_id",
        (bin_id, breach.opened_at, breach.opened_pieces, breach.lowest_pieces),
    ).fetchone()
    assert row is not None
    return int(row[0])


def save_lowest(conn: psycopg.Connection, breach_id: int, lowest_pieces: int) -> None:
    conn.execute(
        "UPDATE breaches SET lowest_pieces = %s WHERE breach_id = %s", (lowest_pieces, breach_id)
    )


def close(conn: psycopg.Connection, breach_id: int, pieces: int, at: datetime) -> None:
    conn.execute(
        "UPDATE breaches SET closed_at = %s, closed_pieces = %s WHERE breach_id = %s",
        (at, pieces, breach_id),
    )
