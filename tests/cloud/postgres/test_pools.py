import time
from typing import Any

import psycopg_pool
import pytest

from cloud.postgres import pools


def test_a_connection_that_died_is_replaced_before_it_is_lent(database: Any) -> None:
    with pools.make_pool(database.dsn("binline_portal"), name="test", size_max=1) as pool:
        with pool.connection() as conn:
            first = conn.info.backend_pid
        with database.admin() as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", (first,))
        with pool.connection() as conn:
            assert conn.info.backend_pid != first


def test_who_finds_every_connection_lent_is_told_soon(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "WAIT_S_MAX", 0.2)
    with pools.make_pool(database.dsn("binline_portal"), name="test", size_max=1) as pool:
        began = time.monotonic()
        with pool.connection(), pytest.raises(psycopg_pool.PoolTimeout), pool.connection():
            pass
        assert time.monotonic() - began < 2


def test_a_pool_opens_while_the_database_is_away() -> None:
    began = time.monotonic()
    with pools.make_pool("host=127.0.0.1 port=1 dbname=x", name="test") as pool:
        assert time.monotonic() - began < 1
        assert not pool.closed


def test_a_connection_of_ours_says_what_it_is_for_and_has_its_limits(database: Any) -> None:
    with pools.connect(database.dsn("binline_ingest"), name="ingest") as conn:
        assert conn.execute("SHOW application_name").fetchone() == ("binline ingest",)
        assert conn.execute("SHOW statement_timeout").fetchone() == ("30s",)
        assert conn.execute("SHOW lock_timeout").fetchone() == ("5s",)
