from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from cloud.postgres import streams
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, STREAM

KEY = (1, UUID(STREAM))


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        yield conn


def test_a_stream_is_registered_once_and_begins_at_nothing(conn: psycopg.Connection) -> None:
    first = streams.lock(conn, {KEY: 0}, NOW)[KEY]
    conn.commit()
    assert first.contiguous_upto == 0
    assert streams.lock(conn, {KEY: 0}, NOW)[KEY] == first


def test_a_stream_never_goes_back(conn: psycopg.Connection) -> None:
    stream_no = streams.lock(conn, {KEY: 0}, NOW)[KEY].stream_no
    streams.advance(conn, {stream_no: 9})
    streams.advance(conn, {stream_no: 4})
    assert streams.lock(conn, {KEY: 0}, NOW)[KEY].contiguous_upto == 9


def test_a_stream_is_held_until_the_transaction_ends(
    conn: psycopg.Connection, database: Any
) -> None:
    streams.lock(conn, {KEY: 0}, NOW)
    conn.commit()
    streams.lock(conn, {KEY: 0}, NOW)
    with database.connect("binline_ingest") as other:
        other.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            streams.lock(other, {KEY: 0}, NOW)


def test_a_life_is_kept_from_whenever_it_is_said(conn: psycopg.Connection) -> None:
    assert streams.lock(conn, {KEY: 0}, NOW)[KEY].life == 0
    assert streams.lock(conn, {KEY: 7}, NOW)[KEY].life == 7
    assert streams.lock(conn, {KEY: 0}, NOW)[KEY].life == 7


def test_what_is_only_asked_for_is_not_registered(conn: psycopg.Connection) -> None:
    assert streams.find(conn, {KEY}) == {}
    assert conn.execute("SELECT count(*) FROM streams").fetchone() == (0,)
