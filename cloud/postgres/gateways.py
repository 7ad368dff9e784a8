"""Gateways by name, what they say of themselves, and whether two machines use one name."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg

from cloud.core.readings import PresenceSaid
from cloud.core.twins import Twins


class Gateway(NamedTuple):
    gateway_id: int
    twins: Twins | None


class Listed(NamedTuple):
    """A gateway as who runs the place has to see it."""

    name: str
    presence: str
    presence_at: datetime | None
    backlog_batches: int
    twin_since: datetime | None
    twin_kept: UUID | None
    twin_held: UUID | None
    twin_settled: str
    shed_messages: int
    shed_at: datetime | None


# Readings count, too: a clock that was set back makes what is said of presence look old.
_SILENT = """
WITH said AS MATERIALIZED (
    SELECT g.gateway_id, greatest(g.presence_at, max(st.present_heard)) AS heard
      FROM gateways g LEFT JOIN streams st USING (gateway_id)
     WHERE g.presence = 'online'
     GROUP BY g.gateway_id
    HAVING greatest(g.presence_at, max(st.present_heard)) < %(heard_before)s
), silent AS MATERIALIZED (
    SELECT said.gateway_id, greatest(said.heard, brought.heard) AS heard
      FROM said CROSS JOIN LATERAL (
           SELECT max(received_at) AS heard FROM sensors JOIN bin_state USING (bin_id)
            WHERE gateway_id = said.gateway_id) AS brought
)
UPDATE gateways g SET presence = 'offline', presence_at = silent.heard
  FROM silent
 WHERE g.gateway_id = silent.gateway_id AND silent.heard < %(heard_before)s
RETURNING g.gateway_id, g.name
"""


def by_name(conn: psycopg.Connection, names: Iterable[str]) -> dict[str, Gateway]:
    rows = conn.execute(
        "SELECT name, gateway_id, twin_since, twin_kept, twin_held FROM gateways"
        " WHERE name = ANY(%s)",
        (list(names),),
    ).fetchall()
    return {
        name: Gateway(gateway_id, Twins(since, kept, held) if since is not None else None)
        for name, gateway_id, since, kept, held in rows
    }


def note_presence(
    conn: psycopg.Connection, gateway_id: int, said: PresenceSaid, at: datetime
) -> None:
    """`presence_at` is since when it is so: to say it again does not move it."""
    conn.execute(
        "UPDATE gateways SET presence = %(state)s, version = %(version)s,"
        " backlog_batches = %(backlog)s,"
        " presence_at = CASE WHEN presence = %(state)s AND presence_at IS NOT NULL"
        "                    THEN presence_at ELSE %(at)s END"
        " WHERE gateway_id = %(gateway_id)s",
        {
            "gateway_id": gateway_id,
            "state": said.state,
            "version": said.version,
            "backlog": said.backlog_batches,
            "at": at,
        },
    )


def note_silent(conn: psycopg.Connection, heard_before: datetime) -> list[str]:
    """Who is called online and was not heard since is offline, since it was heard last.

    A last will is the broker's to tell, and goes with a broker that dies before its gateway.
    """
    silent = conn.execute(_SILENT, {"heard_before": heard_before}).fetchall()
    for gateway_id, _ in silent:
        touch_bins(conn, gateway_id)
    return [name for _, name in silent]


def note_twins(conn: psycopg.Connection, gateway_id: int, twins: Twins | None) -> None:
    """Raise or end the alarm; its bins are looked at again, and shown with the sentence."""
    since, kept, held = twins or (None, None, None)
    conn.execute(
        "UPDATE gateways SET twin_since = %s, twin_kept = %s, twin_held = %s WHERE gateway_id = %s",
        (since, kept, held, gateway_id),
    )
    touch_bins(conn, gateway_id)


def note_settled(conn: psycopg.Connection, gateway_id: int, settled: str) -> None:
    conn.execute(
        "UPDATE gateways SET twin_settled = %s WHERE gateway_id = %s", (settled, gateway_id)
    )
    note_twins(conn, gateway_id, None)


def touch_bins(conn: psycopg.Connection, gateway_id: int) -> None:
    """Let open pages and whoever assesses look again at every bin of a gateway."""
    conn.execute(
        "UPDATE bin_state SET changed_xid = pg_current_xact_id() WHERE bin_id IN"
        " (SELECT bin_id FROM bin_state JOIN sensors USING (bin_id)"
        "   WHERE gateway_id = %s ORDER BY bin_id FOR NO KEY UPDATE OF bin_state)",
        (gateway_id,),
    )
    conn.execute(
        "INSERT INTO bin_due (bin_id) SELECT bin_id FROM sensors"
        " WHERE gateway_id = %s AND bin_id IS NOT NULL ORDER BY bin_id"
        " ON CONFLICT (bin_id) DO NOTHING",
        (gateway_id,),
    )


def note_shed(conn: psycopg.Connection, shed: Mapping[str, int], at: datetime) -> None:
    """How many messages of each gateway were left with it, for it was over its quota."""
    names = sorted(shed)
    conn.execute(
        "UPDATE gateways g SET shed_messages = g.shed_messages + t.count, shed_at = %s"
        " FROM unnest(%s::text[], %s::bigint[]) AS t(name, count) WHERE g.name = t.name",
        (at, names, [shed[name] for name in names]),
    )


def listing(conn: psycopg.Connection) -> list[Listed]:
    rows = conn.execute(
        "SELECT name, presence, presence_at, backlog_batches, twin_since, twin_kept, twin_held,"
        " twin_settled, shed_messages, shed_at FROM gateways ORDER BY name"
    ).fetchall()
    return [Listed(*row) for row in rows]
