"""The chain of what each order rests on. Records are added and never changed: there is no right to.

`body` lies here as the canonical JSON it was hashed as, so that a row is proof without us.
"""

import json
from collections.abc import Sequence
from uuid import UUID

import psycopg

from cloud.core.evidence import Kind, Record, digest_of
from cloud.core.plain import Plain, canonical, plain_of

_INSERT = (
    "INSERT INTO order_evidence (order_id, seq, kind, body, previous, digest)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)


def insert(conn: psycopg.Connection, order_id: UUID, records: Sequence[Record]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(_INSERT, [_row(order_id, record) for record in records])


def add_event(conn: psycopg.Connection, order_id: UUID, body: object) -> None:
    """To the end of the chain; an order from before there were chains has none, and gets none."""
    last = conn.execute(
        "SELECT seq, digest FROM order_evidence WHERE order_id = %s ORDER BY seq DESC LIMIT 1",
        (order_id,),
    ).fetchone()
    if last is None:
        return
    seq, previous, plain = last[0] + 1, last[1], plain_of(body)
    digest = digest_of(seq=seq, kind=Kind.EVENT, body=plain, previous=previous)
    record = Record(seq=seq, kind=Kind.EVENT, body=plain, previous=previous, digest=digest)
    conn.execute(_INSERT, _row(order_id, record))


def records(conn: psycopg.Connection, order_id: UUID) -> tuple[Record, ...]:
    rows = conn.execute(
        "SELECT seq, kind, body, previous, digest FROM order_evidence"
        " WHERE order_id = %s ORDER BY seq",
        (order_id,),
    ).fetchall()
    return tuple(
        Record(seq=seq, kind=Kind(kind), body=_read(body), previous=previous, digest=digest)
        for seq, kind, body, previous, digest in rows
    )


def _row(order_id: UUID, record: Record) -> tuple[object, ...]:
    body = canonical(record.body)
    return (order_id, record.seq, record.kind, body, record.previous, record.digest)


def _read(body: str) -> Plain:
    """What somebody has broken is kept as text: its hash then tells that it was changed."""
    try:
        plain: Plain = json.loads(body)
    except ValueError:
        return body
    return plain if canonical(plain) == body else body
