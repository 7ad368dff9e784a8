"""One row for each of something, there or not yet: what people set, written over."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql


def save(
    conn: psycopg.Connection, table: str, key: tuple[str, int], values: Mapping[str, Any]
) -> None:
    # Not ON CONFLICT: its row is proposed first, and the triggers of a new one would run.
    updated = conn.execute(
        sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(
            sql.Identifier(table),
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values),
            sql.Identifier(key[0]),
        ),
        [*values.values(), key[1]],
    ).rowcount
    if updated:
        return
    conn.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, (key[0], *values))),
            sql.SQL(", ").join([sql.Placeholder()] * (len(values) + 1)),
        ),
        [key[1], *values.values()],
    )
