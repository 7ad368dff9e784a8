"""Who is logged in: one row per cookie, found by its SHA-256, so a stolen table opens no door."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import class_row

from cloud.postgres.users import Role

IDLE_MAX = timedelta(minutes=30)
AGE_MAX = timedelta(hours=12)
# Written at most this often: a page that loads ten parts is one use, not ten writes.
TOUCH_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class Session:
    user_id: int
    email: str
    role: Role
    supplier_id: int | None
    seen_at: datetime


def begin(conn: psycopg.Connection, token_hash: bytes, user_id: int, now: datetime) -> None:
    """Start a session, and clear away what ended by itself."""
    conn.execute(
        "DELETE FROM sessions WHERE seen_at < %s OR created_at < %s",
        (now - IDLE_MAX, now - AGE_MAX),
    )
    conn.execute(
        "INSERT INTO sessions (token_hash, user_id, created_at, seen_at) VALUES (%s, %s, %s, %s)",
        (token_hash, user_id, now, now),
    )


def find(conn: psycopg.Connection, token_hash: bytes, now: datetime) -> Session | None:
    """The session behind a cookie, unless it rested too long, is too old, or its user left."""
    cursor = conn.cursor(row_factory=class_row(Session))
    session = cursor.execute(
        "SELECT u.user_id, u.email, u.role, u.supplier_id, s.seen_at"
        "  FROM sessions s JOIN users u USING (user_id)"
        " WHERE s.token_hash = %s AND u.active AND s.seen_at > %s AND s.created_at > %s",
        (token_hash, now - IDLE_MAX, now - AGE_MAX),
    ).fetchone()
    if session is not None and now - session.seen_at > TOUCH_AFTER:
        conn.execute("UPDATE sessions SET seen_at = %s WHERE token_hash = %s", (now, token_hash))
    return session


def end(conn: psycopg.Connection, token_hash: bytes) -> None:
    conn.execute("DELETE FROM sessions WHERE token_hash = %s", (token_hash,))
