"""Sessions: found by the hash of their cookie; ended by rest, age, log-out, a user who leaves."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud.postgres import sessions, users

NOW = datetime(2026, 11, 20, 9, 41, tzinfo=UTC)
TOKEN = b"t" * 32


@pytest.fixture
def conn(database):
    with database.connect("binline_auth") as conn:
        user_id = users.add(conn, email="ops@plant.test", password_hash="h", role="operations")
        sessions.begin(conn, TOKEN, user_id, NOW)
        yield conn


def test_it_is_found_with_what_its_user_may_do(conn) -> None:
    found = sessions.find(conn, TOKEN, NOW)
    assert found is not None
    assert (found.email, found.role, found.supplier_id) == ("ops@plant.test", "operations", None)
    assert sessions.find(conn, b"x" * 32, NOW) is None


def test_it_ends_when_it_rests_too_long(conn) -> None:
    assert sessions.find(conn, TOKEN, NOW + sessions.IDLE_MAX) is None


def test_using_it_keeps_it_but_not_for_ever(conn) -> None:
    now = NOW
    while now - NOW < sessions.AGE_MAX:
        assert sessions.find(conn, TOKEN, now) is not None
        now += timedelta(minutes=20)
    assert sessions.find(conn, TOKEN, now) is None


def test_ten_parts_of_one_page_are_one_write(conn) -> None:
    for seconds in range(10):
        sessions.find(conn, TOKEN, NOW + timedelta(seconds=seconds))
    assert conn.execute("SELECT seen_at FROM sessions").fetchall() == [(NOW,)]


def test_log_out_ends_it(conn) -> None:
    sessions.end(conn, TOKEN)
    assert sessions.find(conn, TOKEN, NOW) is None


def test_a_new_one_clears_away_what_ended_by_itself(conn) -> None:
    user = users.find(conn, "ops@plant.test")
    assert user is not None
    sessions.begin(conn, b"n" * 32, user.user_id, NOW + timedelta(hours=1))
    assert conn.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


def test_a_user_who_left_has_no_session(conn) -> None:
    conn.execute("UPDATE users SET active = false")
    assert sessions.find(conn, TOKEN, NOW) is None
