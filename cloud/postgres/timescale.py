"""Readings in TimescaleDB, where an administrator has it and allows it.

    hypertable    its chunks are weeks; the service rolls hours up, as without the extension. It is
                  all that a build under the Apache licence can do.
    columnstore   besides, chunks are packed into columns once hardly a gateway is that late, and a
                  continuous aggregate holds the hours. With the extension's own licence.

Readers ask the same views in every case. What keeps the aggregate true: it is brought up to the
last whole hour, never to "all" (one reading of the year 2099 would move the limit there, and all
fresh hours would vanish); each refresh reaches back as far as late readings are accepted; and
never to where readings were dropped, whose hours would go with them.

Corrected readings belong to another hour than the one they are stored under. The aggregate leaves
them out, the service rolls them up as it does without the extension, and the view adds the two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from importlib import resources

import psycopg
from psycopg import sql

from cloud.postgres import migrate


class Store(StrEnum):
    WEEKS = "weeks"
    HYPERTABLE = "hypertable"
    COLUMNSTORE = "columnstore"


class NotPossible(Exception):  # noqa: N818 - a no with its reason, not a defect
    """Readings cannot be kept in TimescaleDB here: what is in the way."""


_TO_HYPERTABLE, _TO_COLUMNSTORE = "hypertable", "columnstore"


def store_of(conn: psycopg.Connection) -> Store:
    """How this database keeps its readings."""
    row = conn.execute("SELECT binline.readings_store()").fetchone()
    assert row is not None
    return Store(row[0])


def adopt(conn: psycopg.Connection) -> Store:
    """Move the readings into TimescaleDB, whatever of it there is; there is no way back.

    One transaction: readings that come meanwhile wait on their gateways.
    """
    conn.autocommit = True
    have = store_of(conn)
    possible = _possible(conn)
    if have in (possible, Store.COLUMNSTORE):
        return have
    steps = [_TO_HYPERTABLE] if have is Store.WEEKS else []
    steps += [_TO_COLUMNSTORE] if possible is Store.COLUMNSTORE else []
    with migrate.locked(conn), conn.transaction():
        # The aggregate is made by who refreshes it; who is no superuser must be a member to act.
        conn.execute("GRANT binline_jobs TO CURRENT_USER")
        with migrate.as_owner(conn):
            for step in steps:
                conn.execute(_text(step))
    return possible


def refresh(conn: psycopg.Connection, since: datetime, upto: datetime) -> None:
    """Bring the aggregate up to date between two times; what did not change costs nothing."""
    # An hour whose readings were dropped would be computed from nothing, and be gone.
    row = conn.execute(
        "SELECT greatest(%s, from_at) FROM binline.readings_kept", (since,)
    ).fetchone()
    assert row is not None
    with _as_long_as_it_takes(conn):
        conn.execute(
            "CALL public.refresh_continuous_aggregate('binline_store.rollups_hourly', %s, %s)",
            (row[0], upto),
        )


def pack_next(conn: psycopg.Connection, before: datetime) -> bool:
    """Pack the oldest chunk that ended before into columns; whether there was one."""
    with _as_long_as_it_takes(conn):
        row = conn.execute("SELECT binline.readings_pack(%s)", (before,)).fetchone()
    assert row is not None
    return bool(row[0])


def drop_hours(conn: psycopg.Connection, before: datetime) -> int:
    """Drop what the aggregate has of long ago, by chunks of ten weeks; how many of them."""
    row = conn.execute(
        "SELECT count(*) FROM public.drop_chunks('binline_store.rollups_hourly', %s::timestamptz)",
        (before,),
    ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def _as_long_as_it_takes(conn: psycopg.Connection) -> Iterator[None]:
    """Without the limit of a statement's time: what it cuts off is begun again, and never done.

    Some 200,000 readings a second are aggregated, 500,000 packed (on a busy core); the extension
    commits after ten hours of all sensors, and a week is packed whole.
    """
    conn.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("RESET statement_timeout")


def _possible(conn: psycopg.Connection) -> Store:
    row = conn.execute(
        "SELECT current_setting('shared_preload_libraries') ~ 'timescaledb',"
        " EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')"
    ).fetchone()
    assert row is not None
    preloaded, available = row
    if not available:
        raise NotPossible("TimescaleDB is not installed on this server.")
    if not preloaded:
        raise NotPossible(
            "TimescaleDB is installed, but the server does not load it: put timescaledb into"
            " shared_preload_libraries and restart it."
        )
    conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public")
    licence = conn.execute("SHOW timescaledb.license").fetchone()
    return Store.HYPERTABLE if licence == ("apache",) else Store.COLUMNSTORE


def _text(name: str) -> sql.SQL:
    text = (resources.files("cloud.postgres") / "timescale_sql" / f"{name}.sql").read_text("utf-8")
    return sql.SQL(text)
