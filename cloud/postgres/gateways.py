"""Gateways by name, and what they say of themselves."""

from collections.abc import Iterable
from datetime import datetime

import psycopg

from cloud.core.readings import PresenceSaid


def ids_of(conn: psycopg.Connection, names: Iterable[str]) -> dict[str, int]:
    rows = conn.execute(
        "SELECT name, gateway_id FROM gateways WHERE name = ANY(%s)", (list(names),)
    ).fetchall()
    return dict(rows)


def note_presence(
    conn: psycopg.Connection, gateway_id: int, said: PresenceSaid, at: datetime, *, kept: bool
) -> None:
    """What the broker kept from earlier is no sign of life, so it does not move the time."""
    conn.execute(
        "UPDATE gateways SET presence = %(state)s, version = %(version)s,"
        " backlog_batches = %(backlog)s,"
        " presence_at = CASE WHEN %(kept)s AND presence = %(state)s AND presence_at IS NOT NULL"
        "                    THEN presence_at ELSE %(at)s END"
        " WHERE gateway_id = %(gateway_id)s",
        {
            "gateway_id": gateway_id,
            "state": said.state,
            "version": said.version,
            "backlog": said.backlog_batches,
            "kept": kept,
            "at": at,
        },
    )
