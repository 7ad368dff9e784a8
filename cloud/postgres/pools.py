"""Connections to PostgreSQL, kept and lent: one pool per log-in, so that none starves another.

A caller waits `WAIT_S_MAX` and no longer, and only so many may wait: then it is told
(`psycopg_pool.PoolTimeout`, `psycopg_pool.TooManyRequests`), and the pages answer 503. A
connection is tried before it is lent, because after a restart of the server each old one fails
once. It comes back clean: what was set in a session would else be seen by the next borrower.
"""

import psycopg
from psycopg import errors
from psycopg_pool import ConnectionPool

# The database is away, full or read-only: it will be back, and the work waits in it.
OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)
# Somebody else was in the way: the connection is sound, the next round finds the work again.
IN_THE_WAY = (errors.DeadlockDetected, errors.LockNotAvailable, errors.QueryCanceled)

WAIT_S_MAX = 3.0
WAITING_PER_CONNECTION = 2
CONNECT_S_MAX = 5
RECONNECT_S_MAX = 30.0

# A connection whose other end went away without a word is noticed within a minute, not in hours.
KEEPALIVE = {
    "connect_timeout": CONNECT_S_MAX,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def make_pool(dsn: str, *, name: str, size_max: int = 8, size_min: int = 1) -> ConnectionPool:
    """A pool that is not open yet: entering it with `with` opens it, leaving closes it.

    Opening does not wait for the database: a process starts while it is away, and says so.
    """
    return ConnectionPool(
        dsn,
        kwargs={**KEEPALIVE, "application_name": f"binline {name}"},
        min_size=size_min,
        max_size=size_max,
        timeout=WAIT_S_MAX,
        max_waiting=WAITING_PER_CONNECTION * size_max,
        reconnect_timeout=RECONNECT_S_MAX,
        check=ConnectionPool.check_connection,
        reset=_reset,
        name=name,
        open=False,
    )


def connect(dsn: str, *, name: str) -> psycopg.Connection:
    """One connection outside any pool, for a loop that uses one for ever."""
    return psycopg.connect(
        dsn,
        connect_timeout=CONNECT_S_MAX,
        keepalives_idle=KEEPALIVE["keepalives_idle"],
        keepalives_interval=KEEPALIVE["keepalives_interval"],
        keepalives_count=KEEPALIVE["keepalives_count"],
        tcp_user_timeout=KEEPALIVE["tcp_user_timeout"],
        application_name=f"binline {name}",
    )


def _reset(conn: psycopg.Connection) -> None:
    conn.autocommit = True
    conn.execute("RESET ALL")
    conn.autocommit = False
