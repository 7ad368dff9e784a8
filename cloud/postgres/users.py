"""Who may log in, and how often somebody failed to. Reached through a database role of its own.

A password rests as argon2id with the smallest parameters that OWASP names (19 MiB, two passes, one
lane): about 85 ms here. The library's defaults take ten times as long, which is a cheap way to
stop a server by guessing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import argon2
import psycopg
from psycopg.rows import class_row

HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

Role = Literal["operations", "supplier"]


@dataclass(frozen=True, kw_only=True)
class User:
    user_id: int
    email: str
    password_hash: str
    role: Role
    supplier_id: int | None


def hash_password(password: str) -> str:
    return HASHER.hash(password)


def add(
    conn: psycopg.Connection,
    *,
    email: str,
    password_hash: str,
    role: Role,
    supplier_id: int | None = None,
) -> int:
    """The new user's id; the same mail address again changes its password and nothing else."""
    row = conn.execute(
        "INSERT INTO users (email, password_hash, role, supplier_id)"
        " VALUES (lower(%s), %s, %s, %s)"
        " ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash"
        " RETURNING user_id",
        (email, password_hash, role, supplier_id),
    ).fetchone()
    assert row is not None
    return int(row[0])


def find(conn: psycopg.Connection, email: str) -> User | None:
    cursor = conn.cursor(row_factory=class_row(User))
    return cursor.execute(
        "SELECT user_id, email, password_hash, role, supplier_id FROM users"
        " WHERE email = lower(%s) AND active",
        (email,),
    ).fetchone()


def keep_hash(conn: psycopg.Connection, user_id: int, password_hash: str) -> None:
    """After a log-in that succeeded with parameters of another day."""
    conn.execute("UPDATE users SET password_hash = %s WHERE user_id = %s", (password_hash, user_id))


def mails_decisions(conn: psycopg.Connection, user_id: int) -> bool:
    """Whether what waits for a decision of operations is told to this user by mail."""
    row = conn.execute(
        "SELECT mails_decisions FROM users WHERE user_id = %s", (user_id,)
    ).fetchone()
    return bool(row and row[0])


def choose_mails(conn: psycopg.Connection, user_id: int, *, decisions: bool) -> None:
    conn.execute("UPDATE users SET mails_decisions = %s WHERE user_id = %s", (decisions, user_id))


def note_try(conn: psycopg.Connection, email: str, now: datetime) -> str:
    """Committed before the password is looked at, so that many tries at once count, too.

    What comes back names this very try: two may bear the same time.
    """
    row = conn.execute(
        "INSERT INTO login_failures (email, at) VALUES (lower(%s), %s) RETURNING ctid::text",
        (email, now),
    ).fetchone()
    assert row is not None
    return str(row[0])


def tries_since(conn: psycopg.Connection, email: str, since: datetime) -> list[datetime]:
    """When tries failed, oldest first."""
    rows = conn.execute(
        "SELECT at FROM login_failures WHERE email = lower(%s) AND at > %s ORDER BY at",
        (email, since),
    ).fetchall()
    return [at for (at,) in rows]


def forget_try(conn: psycopg.Connection, email: str, this_try: str) -> None:
    """A try that was turned away unread must not keep the door shut for longer."""
    conn.execute(
        "DELETE FROM login_failures WHERE email = lower(%s) AND ctid = %s::tid", (email, this_try)
    )


def forget_tries(conn: psycopg.Connection, email: str, before: datetime) -> None:
    conn.execute("DELETE FROM login_failures WHERE email = lower(%s) AND at <= %s", (email, before))
