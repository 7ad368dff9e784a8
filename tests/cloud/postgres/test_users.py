"""Log-ins in the database: reached through their own role, counted try by try."""

from datetime import UTC, datetime, timedelta

import argon2
import psycopg
import pytest

from cloud.postgres import users

NOW = datetime(2026, 11, 20, 9, 41, tzinfo=UTC)


@pytest.fixture
def conn(database):
    with database.connect("binline_auth") as conn:
        yield conn


def test_a_user_is_found_by_the_address_however_it_is_written(conn) -> None:
    users.add(conn, email="Ops@Plant.test", password_hash="h", role="operations")
    found = users.find(conn, "OPS@plant.TEST")
    assert found is not None
    assert (found.email, found.role, found.supplier_id) == ("ops@plant.test", "operations", None)
    assert users.find(conn, "nobody@plant.test") is None


def test_adding_again_changes_the_password_and_nothing_else(conn) -> None:
    first = users.add(conn, email="ops@plant.test", password_hash="a", role="operations")
    again = users.add(conn, email="ops@plant.test", password_hash="b", role="operations")
    assert first == again
    found = users.find(conn, "ops@plant.test")
    assert found is not None
    assert found.password_hash == "b"


def test_a_supplier_s_user_belongs_to_a_supplier(conn) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        users.add(conn, email="x@ferro.test", password_hash="h", role="supplier")


def test_tries_are_counted_by_address_and_time(conn) -> None:
    for seconds in (90, 30):
        users.note_try(conn, "Ops@plant.test", NOW - timedelta(seconds=seconds))
    same_time = users.note_try(conn, "ops@plant.test", NOW - timedelta(seconds=30))
    users.note_try(conn, "other@plant.test", NOW)
    since = NOW - timedelta(minutes=1)
    assert len(users.tries_since(conn, "ops@plant.test", since)) == 2  # the first is too old
    users.forget_try(conn, "ops@plant.test", same_time)
    assert users.tries_since(conn, "ops@plant.test", since) == [NOW - timedelta(seconds=30)]
    users.forget_tries(conn, "ops@plant.test", NOW)
    assert users.tries_since(conn, "ops@plant.test", since) == []


def test_a_password_rests_with_the_parameters_that_were_chosen() -> None:
    parameters = argon2.extract_parameters(users.hash_password("a long enough password"))
    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19_456, 2, 1)


@pytest.mark.parametrize("role", ["binline_portal", "binline_ingest", "binline_jobs"])
@pytest.mark.parametrize("table", ["users", "sessions", "login_failures"])
def test_no_other_process_may_read_the_log_ins(database, role: str, table: str) -> None:
    with database.connect(role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(f"SELECT * FROM {table}")
