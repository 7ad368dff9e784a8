"""Who is asking: said first in every transaction that a portal makes, and gone with it.

The database shows a portal nothing until it is told. What is said here holds for one
transaction (`set_config(..., true)`), so the next one on the same connection starts with nothing.

    with pool.connection() as conn, conn.transaction():
        asking.as_supplier(conn, supplier_id)
        ...

What a transaction changes is remembered with who asked; it may also say why, and since when
that holds.
"""

from datetime import datetime

import psycopg
from psycopg.pq import TransactionStatus

_ASKING = (
    "SELECT set_config('app.role', %s, true),"
    " set_config('app.supplier', %s, true),"
    " set_config('app.user', %s, true)"
)


def as_operations(conn: psycopg.Connection, user: str) -> None:
    """See every site and every supplier. `user` is the mail address of who looks."""
    _ask(conn, "operations", "", user)


def as_supplier(conn: psycopg.Connection, supplier_id: int, user: str = "") -> None:
    """See what belongs to one supplier, and of the others nothing."""
    _ask(conn, "supplier", str(int(supplier_id)), user)


def as_itself(conn: psycopg.Connection, name: str) -> None:
    """A process of ours that changes a noun by itself: what it is called in the history."""
    _ask(conn, "", "", name)


def because(conn: psycopg.Connection, why: str, from_at: datetime | None = None) -> None:
    """Why this transaction changes what it changes, and since when that holds: now, if not said."""
    since = "" if from_at is None else from_at.isoformat()
    conn.execute(
        "SELECT set_config('app.because', %s, true), set_config('app.from_at', %s, true)",
        (why, since),
    )


def _ask(conn: psycopg.Connection, role: str, supplier: str, user: str) -> None:
    # Outside a transaction it would be forgotten at once, and every page would be empty.
    in_transaction = conn.info.transaction_status == TransactionStatus.INTRANS
    assert in_transaction or not conn.autocommit, "say who is asking inside a transaction"
    conn.execute(_ASKING, (role, supplier, user))
