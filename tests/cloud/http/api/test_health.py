"""Alive, and ready."""

import psycopg
import psycopg_pool


def test_alive_asks_nobody(site, browser, monkeypatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(site.state.parts.auth_pool, "connection", away)
    assert browser().get("/api/health").json() == {"status": "alive"}


def test_ready_when_the_database_has_what_we_need(browser) -> None:
    answer = browser().get("/api/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


def test_not_ready_says_why(world, site, browser, monkeypatch) -> None:
    visitor = browser()

    def away(*_: object, **__: object) -> None:
        raise psycopg_pool.PoolTimeout

    monkeypatch.setattr(site.state.parts.portal_pool, "connection", away)
    answer = visitor.get("/api/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "because": "The database does not answer."}


def test_a_database_without_our_tables_is_not_ready(world, browser) -> None:
    with world.database.admin() as conn:
        conn.execute("ALTER TABLE bin_state RENAME TO bin_state_of_old")
    answer = browser().get("/api/ready")
    assert answer.status_code == 503
    assert "binline cloud migrate" in answer.json()["because"]


def test_a_database_that_lacks_a_migration_of_ours_is_not_ready(world, browser) -> None:
    with world.database.admin() as conn:
        conn.execute("DELETE FROM public.binline_migrations WHERE name LIKE '0002%'")
    answer = browser().get("/api/ready")
    assert answer.status_code == 503
    assert answer.json()["because"] == (
        "The database lacks 0002_sightings: run `binline cloud migrate`."
    )
